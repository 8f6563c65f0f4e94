//! The shares. They travel apart from the routes, so that a change of a percentage costs a few bytes and no route.
//!
//! A share is a bare percentage where that is possible, which is right only as long as no route is weighted. The random number
//! that decides on the copies of a request also chooses between the clusters of a weighted route, modulo a hundred if the
//! weights add up to that; a percentage is compared with it modulo a hundred as well, whatever denominator the route's default
//! value has. Measured with Envoy 1.40 and weights of 90 and 10, at a share of 10 %: 11 % of the requests to the first were
//! copied and none of those to the second; with a structure of millionths it was 10 % of both. So once a group has a
//! weighted route, all its shares have to be structures; `tests/hazards` finds such a group in the golden cases.

use std::collections::BTreeMap;

use super::names::{RUNTIME, ShareKey};
use crate::model::{Fraction, Group};
use crate::proto::envoy::service::runtime::v3::Runtime;
use crate::proto::google::protobuf::value::Kind;
use crate::proto::google::protobuf::{Struct, Value};

/// The layer of a group; it is sent also when it is empty, since a sidecar waits for it when it starts.
pub(super) fn runtime(group: &Group) -> Runtime {
    let mut shares: BTreeMap<String, Fraction> = BTreeMap::new();
    let mut is_sticky = false;
    let ports = group.destinations.iter().flat_map(|each| &each.ports);
    for mirror in ports.flat_map(|port| &port.mirrors) {
        is_sticky |= mirror.terms.sticky.is_some();
        // A rule has one share. Should two be written, the smaller one harms less.
        shares
            .entry(ShareKey(mirror.rule.clone()).to_string())
            .and_modify(|share| *share = mirror.fraction.min(*share))
            .or_insert(mirror.fraction);
    }
    Runtime {
        name: RUNTIME.to_owned(),
        layer: Some(Struct {
            fields: values(&shares, is_sticky),
        }),
    }
}

/// The values of a layer: percentages if all shares are whole ones, fractions of a million otherwise.
///
/// One random number per request decides on all its copies, so that the smaller of two shares is a subset of the larger;
/// but only if both have the same denominator. Hence the choice is made for all shares at once. A user who is in a sticky
/// share has to be in every larger one as well, so the denominator must not change with the share.
fn values(shares: &BTreeMap<String, Fraction>, is_sticky: bool) -> BTreeMap<String, Value> {
    let percentages: Option<BTreeMap<_, _>> = shares
        .iter()
        .map(|(key, share)| {
            let percent = share.whole_percent().filter(|_| !is_sticky)?;
            Some((key.clone(), percentage(percent)))
        })
        .collect();
    percentages.unwrap_or_else(|| {
        let fractions = shares.iter();
        fractions
            .map(|(key, share)| (key.clone(), fraction(*share)))
            .collect()
    })
}

/// A bare number, which Envoy takes for a percentage if it is an integer: 43 bytes less than a structure.
fn percentage(percent: u32) -> Value {
    Value {
        kind: Some(Kind::NumberValue(percent.into())),
    }
}

/// A structure with both parts.
fn fraction(share: Fraction) -> Value {
    let kind = |kind| Value { kind: Some(kind) };
    kind(Kind::StructValue(Struct {
        fields: BTreeMap::from([
            (
                "numerator".to_owned(),
                kind(Kind::NumberValue(share.millionths().into())),
            ),
            (
                "denominator".to_owned(),
                kind(Kind::StringValue("MILLION".to_owned())),
            ),
        ]),
    }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::values;
    use crate::model::Fraction;
    use crate::proto::google::protobuf::value::Kind;

    /// Each share as it is written: `25`, or `250001/MILLION`.
    fn written(shares: &[u32], is_sticky: bool) -> Vec<String> {
        let shares: BTreeMap<_, _> = shares
            .iter()
            .enumerate()
            .map(|(n, share)| (n.to_string(), Fraction::from_millionths(*share).unwrap()))
            .collect();
        let kinds = values(&shares, is_sticky)
            .into_values()
            .map(|value| value.kind);
        kinds
            .map(|kind| match kind.unwrap() {
                Kind::NumberValue(number) => number.to_string(),
                Kind::StructValue(parts) => {
                    let part = |name: &str| parts.fields[name].kind.clone().unwrap();
                    match (part("numerator"), part("denominator")) {
                        (Kind::NumberValue(number), Kind::StringValue(of)) => {
                            format!("{number}/{of}")
                        }
                        other => panic!("{other:?}"),
                    }
                }
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn whole_percentages_are_bare_unless_one_of_the_group_is_not_whole() {
        assert_eq!(
            written(&[0, 10_000, 250_000, 1_000_000], false),
            ["0", "1", "25", "100"]
        );
        assert_eq!(
            written(&[0, 250_000, 255_000, 1], false),
            ["0/MILLION", "250000/MILLION", "255000/MILLION", "1/MILLION"]
        );
        assert_eq!(written(&[250_000], true), ["250000/MILLION"]);
        assert!(written(&[], false).is_empty());
    }
}
