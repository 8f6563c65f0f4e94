//! Networks.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::Family;

/// A network: an address and the length of its prefix. Bits beyond the prefix are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

/// The text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a network such as 10.96.0.0/12 or fd00::/8, nor an address")]
pub struct NotACidr(String);

impl Cidr {
    pub(super) fn is(&self, family: Family) -> bool {
        self.address.is_ipv4() == (family == Family::V4)
    }
}

impl FromStr for Cidr {
    type Err = NotACidr;

    fn from_str(text: &str) -> Result<Self, NotACidr> {
        let fault = || NotACidr(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| fault())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix: u8 = match prefix {
            Some(digits) if digits.bytes().all(|c| c.is_ascii_digit()) => {
                digits.parse().map_err(|_| fault())?
            }
            Some(_) => return Err(fault()),
            None => longest,
        };
        if prefix > longest {
            return Err(fault());
        }
        let beyond = u32::from(longest - prefix);
        let address = match address {
            IpAddr::V4(ip) => {
                let kept = u32::MAX.checked_shl(beyond).unwrap_or(0);
                IpAddr::V4((u32::from(ip) & kept).into())
            }
            IpAddr::V6(ip) => {
                let kept = u128::MAX.checked_shl(beyond).unwrap_or(0);
                IpAddr::V6((u128::from(ip) & kept).into())
            }
        };
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::Cidr;

    #[test]
    fn a_network_has_no_bits_beyond_its_prefix() {
        for (text, expected) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("10.1.2.3", "10.1.2.3/32"),
            ("10.1.2.3/0", "0.0.0.0/0"),
            ("fd00:1::7/16", "fd00::/16"),
            ("::1", "::1/128"),
            ("::1/0", "::/0"),
        ] {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), expected);
        }
        for text in [
            "",
            "/8",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "::/129",
            "10.0.0/8",
            "a/8",
            "10.0.0.0/",
        ] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }
}
