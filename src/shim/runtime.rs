//! Runtime values, and the sampling that they steer.

use std::collections::BTreeMap;

use envoy_types::pb::envoy::r#type::v3 as percent;

use super::config::Share;
use crate::proto::google::protobuf::value::Kind;
use crate::proto::google::protobuf::{Struct, Value};

/// A share of all requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fraction {
    numerator: u32,
    denominator: u32,
}

impl Fraction {
    /// `None` if the denominator is not one that is known.
    pub(super) fn from_proto(message: &percent::FractionalPercent) -> Option<Self> {
        let denominator =
            match percent::fractional_percent::DenominatorType::try_from(message.denominator) {
                Ok(percent::fractional_percent::DenominatorType::Hundred) => 100,
                Ok(percent::fractional_percent::DenominatorType::TenThousand) => 10_000,
                Ok(percent::fractional_percent::DenominatorType::Million) => 1_000_000,
                Err(_) => return None,
            };
        Some(Self {
            numerator: message.numerator,
            denominator,
        })
    }

    /// Whether a request with this random number is in the share. With one number per request, the smaller of two
    /// shares with the same denominator is a subset of the larger.
    pub(super) fn samples(self, random: u64) -> bool {
        random % u64::from(self.denominator) < u64::from(self.numerator)
    }

    /// The value that Envoy reads from a runtime entry: a fraction as a struct, or a plain integer as a percentage.
    /// `None` where it would take the default.
    fn from_value(value: &Value) -> Option<Self> {
        match value.kind.as_ref()? {
            Kind::NumberValue(number) if number.fract() == 0.0 && *number >= 0.0 => Some(Self {
                numerator: whole(*number)?,
                denominator: 100,
            }),
            Kind::StructValue(fields) => {
                let numerator = match fields.fields.get("numerator").map(|value| &value.kind) {
                    Some(Some(Kind::NumberValue(number))) => whole(*number)?,
                    // Absent is zero, as in the protobuf message.
                    None => 0,
                    Some(_) => return None,
                };
                let denominator = match fields.fields.get("denominator").map(|value| &value.kind) {
                    Some(Some(Kind::StringValue(name))) => match name.as_str() {
                        "HUNDRED" => 100,
                        "TEN_THOUSAND" => 10_000,
                        "MILLION" => 1_000_000,
                        _ => return None,
                    },
                    None => 100,
                    Some(_) => return None,
                };
                Some(Self {
                    numerator,
                    denominator,
                })
            }
            _ => None,
        }
    }
}

/// An integer that fits; anything else is not a numerator.
fn whole(number: f64) -> Option<u32> {
    let in_range = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "just checked"
    )]
    in_range.then_some(number as u32)
}

/// The values of one layer, or of several put together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Runtime {
    fractions: BTreeMap<String, Fraction>,
}

impl Runtime {
    /// The values of a layer. Nested structs become dotted keys, as in Envoy; what is no fraction is left out.
    pub(super) fn from_layer(layer: &Struct) -> Self {
        let mut runtime = Self::default();
        runtime.read("", layer);
        runtime
    }

    fn read(&mut self, prefix: &str, layer: &Struct) {
        for (key, value) in &layer.fields {
            let key = if prefix.is_empty() {
                key.clone()
            } else {
                format!("{prefix}.{key}")
            };
            match &value.kind {
                Some(Kind::StructValue(inner))
                    if !inner.fields.contains_key("numerator")
                        && !inner.fields.contains_key("denominator") =>
                {
                    self.read(&key, inner);
                }
                _ => {
                    if let Some(fraction) = Fraction::from_value(value) {
                        self.fractions.insert(key, fraction);
                    }
                }
            }
        }
    }

    /// Puts a layer on top.
    pub(super) fn overlay(&mut self, layer: &Self) {
        let values = layer
            .fractions
            .iter()
            .map(|(key, value)| (key.clone(), *value));
        self.fractions.extend(values);
    }

    /// Whether a request with this random number is to be copied.
    pub(super) fn samples(&self, share: &Share, random: u64) -> bool {
        self.fractions
            .get(&share.key)
            .unwrap_or(&share.default)
            .samples(random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(kind: Kind) -> Value {
        Value { kind: Some(kind) }
    }

    fn object<const N: usize>(fields: [(&str, Kind); N]) -> Struct {
        Struct {
            fields: fields
                .map(|(key, kind)| (key.to_owned(), value(kind)))
                .into(),
        }
    }

    fn million(numerator: f64) -> Kind {
        Kind::StructValue(object([
            ("numerator", Kind::NumberValue(numerator)),
            ("denominator", Kind::StringValue("MILLION".into())),
        ]))
    }

    fn share(key: &str, default: u32) -> Share {
        Share {
            key: key.into(),
            default: Fraction {
                numerator: default,
                denominator: 1_000_000,
            },
        }
    }

    fn sampled(runtime: &Runtime, share: &Share) -> usize {
        (0..1_000_000)
            .step_by(1_000)
            .filter(|random| runtime.samples(share, *random))
            .count()
    }

    #[test]
    fn values_mean_what_they_mean_in_envoy() {
        for (kind, expected) in [
            (million(250_000.0), 250),
            (million(0.0), 0),
            (million(2_000_000.0), 1_000),
            // A plain integer is a percentage.
            (Kind::NumberValue(500_000.0), 1_000),
            (Kind::NumberValue(0.0), 0),
            // Nonsense is the default.
            (Kind::StringValue("garbage".into()), 500),
            (Kind::NumberValue(0.5), 500),
            (million(-1.0), 500),
        ] {
            let runtime = Runtime::from_layer(&object([("a.b", kind.clone())]));
            assert_eq!(
                sampled(&runtime, &share("a.b", 500_000)),
                expected,
                "{kind:?}"
            );
        }
    }

    #[test]
    fn nested_structs_are_dotted_keys_and_later_layers_win() {
        let inner = object([("b", million(100_000.0))]);
        let mut runtime = Runtime::from_layer(&object([("a", Kind::StructValue(inner))]));
        assert_eq!(sampled(&runtime, &share("a.b", 0)), 100);
        runtime.overlay(&Runtime::from_layer(&object([("a.b", million(1_000.0))])));
        assert_eq!(sampled(&runtime, &share("a.b", 0)), 1);
    }

    #[test]
    fn shares_of_the_same_denominator_nest() {
        let runtime = Runtime::default();
        let (small, large) = (share("s", 100_000), share("l", 500_000));
        for random in (0..10_000_000).step_by(977) {
            assert!(!runtime.samples(&small, random) || runtime.samples(&large, random));
        }
    }
}
