//! Redirection of a Pod's outbound connections to its sidecar, by rules of the kernel.
//!
//! What the rules are is pure text ([`nftables`], [`iptables`]); one place runs the tools that take it ([`apply`]). All of it
//! lies in a table or chain of our own, so that rules of others are neither read nor touched, and each application
//! replaces the one before as a whole.
//!
//! Only new connections are redirected, so that applying or removing the rules disturbs none that is open.

mod apply;
mod cidr;
mod iptables;
mod nftables;

pub use apply::{Backend, Error, apply, preview, remove};
pub use cidr::{Cidr, NotACidr};

use super::IpFamilies;
use crate::model::SIDECAR_PORTS;

/// Which connections are redirected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Of these address families.
    pub families: IpFamilies,
    /// Not those of this user: the sidecar's own.
    pub proxy_uid: u32,
    /// Nor those of this group.
    pub proxy_gid: Option<u32>,
    /// Nor those to these ports.
    pub exclude_ports: Vec<u16>,
    /// Nor those to these networks.
    pub exclude: Vec<Cidr>,
    /// If there are any: only those to these networks.
    pub include: Vec<Cidr>,
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// What never leaves the Pod.
    fn loopback(self) -> &'static str {
        match self {
            Self::V4 => "127.0.0.0/8",
            Self::V6 => "::1/128",
        }
    }
}

impl Rules {
    fn has(&self, family: Family) -> bool {
        match family {
            Family::V4 => self.families.has_ipv4(),
            Family::V6 => self.families.has_ipv6(),
        }
    }

    /// The ports that are left alone, sorted, none twice. A sidecar takes connections to its own ports, wherever they go, as
    /// meant for itself.
    fn spared_ports(&self) -> Vec<u16> {
        let mut ports = [&SIDECAR_PORTS, self.exclude_ports.as_slice()].concat();
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    fn excluded(&self, family: Family) -> impl Iterator<Item = &Cidr> {
        self.exclude.iter().filter(move |cidr| cidr.is(family))
    }

    /// The networks to which connections are redirected; `None` is all of them.
    fn included(&self, family: Family) -> Vec<Option<&Cidr>> {
        match self.include.as_slice() {
            [] => vec![None],
            some => some
                .iter()
                .filter(|cidr| cidr.is(family))
                .map(Some)
                .collect(),
        }
    }
}
