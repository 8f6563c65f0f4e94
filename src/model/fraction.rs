//! A share of requests.

use std::fmt;

/// How many of a million requests are mirrored, 0 to 1,000,000.
///
/// Proxies draw one random number per request. Of two shares that are written with the same denominator the smaller is
/// then a subset of the larger, so one sidecar is never told two denominators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fraction(u32);

impl Fraction {
    /// Nothing is mirrored.
    pub const ZERO: Self = Self(0);
    /// Everything is mirrored.
    pub const ONE: Self = Self(1_000_000);
    /// One in a hundred.
    pub const HUNDREDTH: Self = Self(10_000);
    /// The smallest share above nothing.
    pub const SMALLEST: Self = Self(1);

    /// The share of `numerator` in a million; `None` above a million.
    pub fn from_millionths(numerator: u32) -> Option<Self> {
        (numerator <= Self::ONE.0).then_some(Self(numerator))
    }

    /// The share in percent, 0 to 100; `None` if that is not a whole number.
    pub fn whole_percent(self) -> Option<u32> {
        self.0.is_multiple_of(10_000).then_some(self.0 / 10_000)
    }

    /// The numerator over a million.
    pub fn millionths(self) -> u32 {
        self.0
    }
}

/// As a percentage, exact: `25%`, `0.0001%`.
impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 10_000, self.0 % 10_000);
        if rest == 0 {
            write!(f, "{whole}%")
        } else {
            write!(f, "{whole}.{}%", format!("{rest:04}").trim_end_matches('0'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Fraction;

    #[test]
    fn prints_as_an_exact_percentage() {
        for (millionths, text) in [
            (0, "0%"),
            (1, "0.0001%"),
            (250_000, "25%"),
            (5_000, "0.5%"),
            (1_000_000, "100%"),
        ] {
            assert_eq!(
                Fraction::from_millionths(millionths).unwrap().to_string(),
                text
            );
        }
        assert_eq!(Fraction::from_millionths(1_000_001), None);
    }
}
