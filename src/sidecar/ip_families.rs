//! Which address families are captured.

/// Which address families a sidecar with transparent capture takes. The others pass by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum IpFamilies {
    /// IPv4 alone.
    Ipv4,
    /// IPv6 alone.
    Ipv6,
    /// Both.
    Dual,
}

impl IpFamilies {
    /// Whether IPv4 is among them.
    pub fn has_ipv4(self) -> bool {
        self != Self::Ipv6
    }

    /// Whether IPv6 is among them.
    pub fn has_ipv6(self) -> bool {
        self != Self::Ipv4
    }
}
