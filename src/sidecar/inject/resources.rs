//! CPU and memory of the sidecar.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::Value;
use serde_json::json;

/// An amount as Kubernetes writes it: `50m`, `1.5`, `64Mi`.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity {
    text: String,
    value: f64,
}

/// The text is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an amount such as `100m`, `0.5` or `64Mi`")]
pub struct NotAQuantity;

impl FromStr for Quantity {
    type Err = NotAQuantity;

    fn from_str(text: &str) -> Result<Self, NotAQuantity> {
        let end = text
            .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let factor = match unit {
            "" => 1.0,
            "m" => 1e-3,
            "k" => 1e3,
            "M" => 1e6,
            "G" => 1e9,
            "T" => 1e12,
            "Ki" => 1024.0,
            "Mi" => 1024.0 * 1024.0,
            "Gi" => 1024.0 * 1024.0 * 1024.0,
            "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
            _ => return Err(NotAQuantity),
        };
        if !number.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(NotAQuantity);
        }
        let number: f64 = number.parse().map_err(|_| NotAQuantity)?;
        Ok(Self {
            text: text.to_owned(),
            value: number * factor,
        })
    }
}

/// What a container asks for and may use at most; `None` leaves it to the cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resources {
    /// CPU that is set aside.
    pub cpu_request: Option<Quantity>,
    /// Memory that is set aside.
    pub memory_request: Option<Quantity>,
    /// CPU that is not exceeded.
    pub cpu_limit: Option<Quantity>,
    /// Memory beyond which the container is ended.
    pub memory_limit: Option<Quantity>,
}

/// The annotations of a Pod, without prefix.
pub(super) const CPU_REQUEST: &str = "sidecar-cpu-request";
pub(super) const MEMORY_REQUEST: &str = "sidecar-memory-request";
pub(super) const CPU_LIMIT: &str = "sidecar-cpu-limit";
pub(super) const MEMORY_LIMIT: &str = "sidecar-memory-limit";

/// An annotation, without prefix, and what is wrong with it.
pub(super) type BadResource = (&'static str, String);

impl Resources {
    /// What annotations make of these defaults. A default yields where the annotated other half leaves it no room.
    pub(super) fn annotated(
        &self,
        annotation: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<BadResource>> {
        let mut bad = Vec::new();
        let mut read = |name: &'static str| -> Option<Quantity> {
            let text = annotation(name)?;
            match text.parse() {
                Ok(quantity) => Some(quantity),
                Err(error) => {
                    bad.push((name, format!("`{text}` is {error}")));
                    None
                }
            }
        };
        let cpu = (read(CPU_REQUEST), read(CPU_LIMIT));
        let memory = (read(MEMORY_REQUEST), read(MEMORY_LIMIT));
        let mut settle = |given: (Option<Quantity>, Option<Quantity>),
                          default: (&Option<Quantity>, &Option<Quantity>),
                          request: &'static str| {
            match given {
                (Some(asked), Some(most)) => {
                    if asked.value > most.value {
                        let message =
                            format!("`{}` is more than the limit `{}`", asked.text, most.text);
                        bad.push((request, message));
                    }
                    (Some(asked), Some(most))
                }
                (Some(asked), None) => {
                    let most = default.1.clone().map(|most| larger(most, &asked));
                    (Some(asked), most)
                }
                (None, Some(most)) => {
                    let asked = default.0.clone().map(|asked| smaller(asked, &most));
                    (asked, Some(most))
                }
                (None, None) => (default.0.clone(), default.1.clone()),
            }
        };
        let (cpu_request, cpu_limit) =
            settle(cpu, (&self.cpu_request, &self.cpu_limit), CPU_REQUEST);
        let (memory_request, memory_limit) = settle(
            memory,
            (&self.memory_request, &self.memory_limit),
            MEMORY_REQUEST,
        );
        if !bad.is_empty() {
            return Err(bad);
        }
        Ok(Self {
            cpu_request,
            memory_request,
            cpu_limit,
            memory_limit,
        })
    }

    /// Whether all of it is set aside, as each container of a Pod of the quality of service `Guaranteed` has it.
    pub(super) fn is_guaranteed(&self) -> bool {
        let equal = |request: &Option<Quantity>, limit: &Option<Quantity>| match (request, limit) {
            (Some(request), Some(limit)) => request.value == limit.value,
            _ => false,
        };
        equal(&self.cpu_request, &self.cpu_limit) && equal(&self.memory_request, &self.memory_limit)
    }

    /// As `resources` of a container.
    pub(super) fn to_json(&self) -> Value {
        let of = |cpu: &Option<Quantity>, memory: &Option<Quantity>| -> BTreeMap<&str, String> {
            let cpu = cpu.as_ref().map(|amount| ("cpu", amount.text.clone()));
            let memory = memory
                .as_ref()
                .map(|amount| ("memory", amount.text.clone()));
            cpu.into_iter().chain(memory).collect()
        };
        let mut json = json!({});
        for (key, amounts) in [
            ("requests", of(&self.cpu_request, &self.memory_request)),
            ("limits", of(&self.cpu_limit, &self.memory_limit)),
        ] {
            if !amounts.is_empty() {
                json[key] = json!(amounts);
            }
        }
        json
    }
}

fn larger(one: Quantity, other: &Quantity) -> Quantity {
    if one.value < other.value {
        other.clone()
    } else {
        one
    }
}

fn smaller(one: Quantity, other: &Quantity) -> Quantity {
    if one.value > other.value {
        other.clone()
    } else {
        one
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Quantity;
    use super::Resources;

    #[test]
    fn an_amount_is_a_number_and_a_unit() {
        for (text, expected) in [
            ("100m", Some(0.1)),
            ("0.5", Some(0.5)),
            ("2", Some(2.0)),
            ("64Mi", Some(67_108_864.0)),
            ("1G", Some(1e9)),
            ("", None),
            ("Mi", None),
            (".5", None),
            ("-1", None),
            ("1.2.3", None),
            ("64 Mi", None),
            ("64MB", None),
            ("NaN", None),
        ] {
            let value = text.parse::<Quantity>().ok().map(|amount| amount.value);
            assert_eq!(value, expected, "{text}");
        }
    }

    #[test]
    fn a_default_makes_room_for_an_annotation() {
        let defaults = Resources {
            cpu_request: Some("50m".parse().unwrap()),
            memory_request: Some("64Mi".parse().unwrap()),
            cpu_limit: None,
            memory_limit: Some("256Mi".parse().unwrap()),
        };
        for (given, expected) in [
            (
                &[][..],
                Ok(
                    json!({"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}),
                ),
            ),
            (
                &[
                    ("sidecar-memory-request", "1Gi"),
                    ("sidecar-cpu-limit", "10m"),
                ],
                Ok(json!({
                    "requests": {"cpu": "10m", "memory": "1Gi"},
                    "limits": {"cpu": "10m", "memory": "1Gi"},
                })),
            ),
            (
                &[("sidecar-cpu-request", "2"), ("sidecar-cpu-limit", "1")],
                Err("`2` is more than the limit `1`"),
            ),
            (
                &[("sidecar-memory-limit", "much")],
                Err("`much` is not an amount such as `100m`, `0.5` or `64Mi`"),
            ),
        ] {
            let find = |name: &str| {
                let found = given.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let made = defaults.annotated(find);
            let made = made
                .map(|made| made.to_json())
                .map_err(|bad| bad[0].1.clone());
            assert_eq!(made, expected.map_err(str::to_owned), "{given:?}");
        }
    }
}
