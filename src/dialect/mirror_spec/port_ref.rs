//! How a configuration names a port.

use std::fmt;
use std::num::NonZeroU16;

use crate::api::core::IntOrString;

/// How a configuration names a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortRef {
    /// By number.
    Number(NonZeroU16),
    /// By name; not empty.
    Name(String),
}

impl PortRef {
    /// Reads a number, a number as text, or a name; `None` for a number that no port has, and for nothing.
    pub(crate) fn read(port: &IntOrString) -> Option<Self> {
        let number = match port {
            IntOrString::Int(number) => u16::try_from(*number).ok(),
            IntOrString::String(text) if is_number(text) => text.trim().parse().ok(),
            IntOrString::String(name) => {
                return Some(Self::Name(name.clone())).filter(|_| !name.trim().is_empty());
            }
        };
        number.and_then(NonZeroU16::new).map(Self::Number)
    }
}

impl fmt::Display for PortRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => write!(f, "`{name}`"),
        }
    }
}

/// Whether a text can only be meant as a number: names of ports contain a letter.
fn is_number(text: &str) -> bool {
    let text = text.trim();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.chars().all(|character| character.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::PortRef;
    use crate::api::core::IntOrString;

    #[test]
    fn a_port_is_a_number_a_name_or_a_mistake() {
        let number = |number| NonZeroU16::new(number).map(PortRef::Number);
        let text = |text: &str| IntOrString::String(text.to_owned());
        for (port, expected) in [
            (IntOrString::Int(8080), number(8080)),
            (IntOrString::Int(0), None),
            (IntOrString::Int(65536), None),
            (IntOrString::Int(-1), None),
            (text("8080"), number(8080)),
            (text("http"), Some(PortRef::Name("http".to_owned()))),
            (text("0"), None),
            (text("-1"), None),
            (text("99999999999999999999"), None),
            (text(""), None),
            (text(" "), None),
        ] {
            assert_eq!(PortRef::read(&port), expected, "{port:?}");
        }
    }
}
