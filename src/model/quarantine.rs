//! What a workload that only receives copies may ask of others.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use super::Destination;
use crate::name::Namespaced;

/// How much is refused; the stricter one is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strictness {
    /// All but requests by safe methods (RFC 9110, section 9.2.1).
    ReadOnly,
    /// Everything.
    Deny,
}

/// What the sidecars of a group refuse to their own applications.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Quarantine {
    /// How much.
    pub strictness: Strictness,
    /// The rules that ask for it, for this or for less; sorted, at least one.
    pub rules: Vec<Namespaced>,
    /// To whom.
    pub bounds: Bounds,
}

/// To whom a quarantine forbids to speak, as the sidecar can tell it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Bounds {
    /// To all hosts but these Services, whose mirrors are of no account.
    Hosts(Vec<Destination>),
    /// To all addresses with certain ports.
    Addresses {
        /// The ports, each with an address that stands for all of its family; sorted.
        watched: Vec<SocketAddr>,
        /// The addresses, with these ports, to which everything passes; sorted.
        open: Vec<SocketAddr>,
    },
}

impl Strictness {
    /// The word for it in `spec.config`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read-only",
            Self::Deny => "deny",
        }
    }
}

impl fmt::Display for Strictness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A call that was refused, as far as it is told apart from others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Call {
    /// The method, or `TCP`.
    pub what: String,
    /// The Host of a request, or the address of a connection.
    pub to: String,
}

/// What the sidecars of those in quarantine refused, for a rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefusedCalls {
    /// How often.
    pub total: u64,
    /// How often each of the first kinds of calls.
    pub calls: BTreeMap<Call, u64>,
}

impl RefusedCalls {
    /// With one digit of each count, which is 1, 2 or 5: whoever is told need not be told every call.
    #[must_use]
    pub fn roughly(&self) -> Self {
        let calls = self.calls.iter();
        Self {
            total: roughly(self.total),
            calls: calls
                .map(|(call, count)| (call.clone(), roughly(*count)))
                .collect(),
        }
    }
}

/// The largest of 1, 2, 5, 10, 20 and so on that is not above.
fn roughly(count: u64) -> u64 {
    let unit = 10_u64.saturating_pow(count.checked_ilog10().unwrap_or_default());
    match count / unit {
        0 => 0,
        1 => unit,
        2..=4 => 2 * unit,
        _ => 5 * unit,
    }
}

/// `POST ratings.default:9080`.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.what, self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::roughly;

    #[test]
    fn a_count_is_told_anew_when_it_has_about_doubled() {
        for (count, expected) in [
            (0, 0),
            (1, 1),
            (4, 2),
            (9, 5),
            (10, 10),
            (19, 10),
            (49, 20),
            (999, 500),
            (1000, 1000),
            (u64::MAX, 10_000_000_000_000_000_000),
        ] {
            assert_eq!(roughly(count), expected);
        }
    }
}
