//! Every name that is sent, and its inverse.
//!
//! The parts are names of Kubernetes objects, which hold no `/` and no `|`; a namespace holds no dot either. Labels hold
//! neither `|` nor `=` nor `,`.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use crate::model::{Backend, Mirror, Subset, Target};
use crate::name::Namespaced;

/// The listener.
pub const LISTENER: &str = "outbound";
/// The route configuration.
pub const ROUTES: &str = "outbound";
/// The runtime layer.
pub const RUNTIME: &str = "mirrorplane";
/// The cluster, and the DNS cache, of requests to hosts that no rule names.
pub const PASSTHROUGH: &str = "passthrough";
/// The cluster, of the bootstrap, that leads to the control plane.
pub const CONTROL_PLANE: &str = "control-plane";
/// The header that tells a copy from a request; its value is the `namespace/name` of the rule.
pub const MIRROR_HEADER: &str = "x-mirror-shadow";
/// The header that tells the routes how the body of a request is delimited. It leaves no sidecar.
pub const FRAMING_HEADER: &str = "x-mirrorplane-framing";
/// The statistics of requests that are not copied because of their body.
pub const SPARED_BODY: &str = "spared_body";
/// The statistics of requests that are not copied because they ask for another protocol.
pub const SPARED_UPGRADE: &str = "spared_upgrade";

/// The header in which a copy keeps `x-forwarded-for` until it leaves. It leaves no sidecar.
pub const FORWARDED_HEADER: &str = "x-mirrorplane-xff";

/// What belongs to the quarantine of transparent capture: routes, and the statistics of what they refuse.
pub const QUARANTINE: &str = "quarantine";
/// Those to whom a workload in quarantine may speak: a virtual host, and statistics of connections.
pub const OPEN: &str = "open";
/// The cluster that has no endpoints: connections to it are cut off.
pub const REFUSED: &str = "refused";
/// The header of an answer that says that the sidecar refused the request, and how strict it is.
pub const QUARANTINE_HEADER: &str = "x-mirrorplane-quarantine";

const SHADOW: &str = "shadow";
const SHARE: &str = "mirror.";

/// The text is not a name that is sent here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a name of ours")]
pub struct NotOurs(String);

/// A port of a Service: `NAMESPACE/SERVICE|PORT`, of some of its Pods `NAMESPACE/SERVICE|PORT|KEY=VALUE,KEY=VALUE`. It names
/// the endpoints, and the cluster of the requests themselves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServicePort {
    /// The Service.
    pub service: Namespaced,
    /// Its port.
    pub port: NonZeroU16,
    /// Which of its Pods.
    pub subset: Subset,
}

impl From<&Backend> for ServicePort {
    fn from(backend: &Backend) -> Self {
        Self {
            service: backend.service.clone(),
            port: backend.port,
            subset: backend.subset.clone(),
        }
    }
}

impl fmt::Display for ServicePort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{}", self.service, self.port)?;
        match self.subset.is_all() {
            true => Ok(()),
            false => write!(f, "|{}", self.subset.text()),
        }
    }
}

impl FromStr for ServicePort {
    type Err = NotOurs;

    fn from_str(text: &str) -> Result<Self, NotOurs> {
        let parse = || {
            let (service, rest) = text.split_once('|')?;
            let (port, subset) = match rest.split_once('|') {
                Some((port, labels)) => (port, subset(labels)?),
                None => (rest, Subset::default()),
            };
            Some(Self {
                service: service.parse().ok()?,
                port: port.parse().ok()?,
                subset,
            })
        };
        parse().ok_or_else(|| NotOurs(text.to_owned()))
    }
}

/// `KEY=VALUE,KEY=VALUE` in the order of the keys, at least one.
fn subset(text: &str) -> Option<Subset> {
    let pairs = text.split(',').map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let is_sound = !key.is_empty() && !value.contains(['=', '|']) && !key.contains('|');
        is_sound.then(|| (key.to_owned(), value.to_owned()))
    });
    let labels: BTreeMap<_, _> = pairs.collect::<Option<_>>()?;
    Some(Subset(labels)).filter(|subset| subset.text() == text)
}

/// The name of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClusterName {
    /// Requests to a destination.
    Primary(ServicePort),
    /// Copies: `shadow|RULE|TARGET`, where that is as for [`ServicePort`]. Each rule has clusters of its own, so that its copies have limits of their own.
    Shadow {
        /// The rule that asks for the copies.
        rule: Namespaced,
        /// Where they go.
        target: ServicePort,
    },
    /// Copies to a host that is no Service: `shadow|RULE|HOST:PORT`.
    Outside {
        /// The rule that asks for the copies.
        rule: Namespaced,
        /// `HOST:PORT`.
        host: String,
    },
    /// Requests to hosts that no rule names.
    Passthrough,
    /// Connections that are not to go anywhere.
    Refused,
}

impl ClusterName {
    /// The rule whose copies go there, if they are copies.
    pub fn rule(&self) -> Option<&Namespaced> {
        match self {
            Self::Shadow { rule, .. } | Self::Outside { rule, .. } => Some(rule),
            Self::Primary(_) | Self::Passthrough | Self::Refused => None,
        }
    }
}

/// That of its copies.
impl From<&Mirror> for ClusterName {
    fn from(mirror: &Mirror) -> Self {
        let rule = mirror.rule.clone();
        match &mirror.target {
            Target::Service { backend, .. } => Self::Shadow {
                rule,
                target: ServicePort::from(&**backend),
            },
            Target::External(external) => Self::Outside {
                rule,
                host: external.to_string(),
            },
        }
    }
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Primary(destination) => write!(f, "{destination}"),
            Self::Shadow { rule, target } => write!(f, "{SHADOW}|{rule}|{target}"),
            Self::Outside { rule, host } => write!(f, "{SHADOW}|{rule}|{host}"),
            Self::Passthrough => f.write_str(PASSTHROUGH),
            Self::Refused => f.write_str(REFUSED),
        }
    }
}

impl FromStr for ClusterName {
    type Err = NotOurs;

    fn from_str(text: &str) -> Result<Self, NotOurs> {
        match text.split_once('|') {
            None if text == PASSTHROUGH => Ok(Self::Passthrough),
            None if text == REFUSED => Ok(Self::Refused),
            Some((SHADOW, rest)) => {
                let (rule, target) = rest
                    .split_once('|')
                    .ok_or_else(|| NotOurs(text.to_owned()))?;
                let rule = rule.parse().map_err(|_| NotOurs(text.to_owned()))?;
                // The name of a host has no bar, and the port of a Service follows one.
                if !target.contains(['|', '/']) && target.contains(':') {
                    let host = target.to_owned();
                    return Ok(Self::Outside { rule, host });
                }
                Ok(Self::Shadow {
                    rule,
                    target: target.parse().map_err(|_| NotOurs(text.to_owned()))?,
                })
            }
            _ => text.parse().map(Self::Primary),
        }
    }
}

/// The runtime key of a rule's share: `mirror.NAMESPACE.NAME`. It is short because it is in every push of a share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShareKey(pub Namespaced);

impl fmt::Display for ShareKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SHARE}{}.{}", self.0.namespace, self.0.name)
    }
}

impl FromStr for ShareKey {
    type Err = NotOurs;

    fn from_str(text: &str) -> Result<Self, NotOurs> {
        text.strip_prefix(SHARE)
            .and_then(|rest| rest.split_once('.'))
            .filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty())
            .map(|(namespace, name)| Self(Namespaced::new(namespace, name)))
            .ok_or_else(|| NotOurs(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection;
    use proptest::prelude::*;

    use super::{ClusterName, Namespaced, ServicePort, ShareKey, Subset};

    #[test]
    fn names_read_as_documented() {
        let target = ServicePort {
            service: Namespaced::new("pipy", "ok-v2"),
            port: 8080.try_into().unwrap(),
            subset: Subset::default(),
        };
        let labels = [("a.b/version", "v2"), ("tier", "")];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let subset = ServicePort {
            subset: Subset(labels.into()),
            ..target.clone()
        };
        let rule = Namespaced::new("curl", "mirror.config");
        for (name, text) in [
            (ClusterName::Primary(target.clone()), "pipy/ok-v2|8080"),
            (
                ClusterName::Shadow {
                    rule: rule.clone(),
                    target,
                },
                "shadow|curl/mirror.config|pipy/ok-v2|8080",
            ),
            (
                ClusterName::Shadow {
                    rule: rule.clone(),
                    target: subset,
                },
                "shadow|curl/mirror.config|pipy/ok-v2|8080|a.b/version=v2,tier=",
            ),
            (
                ClusterName::Outside {
                    rule: rule.clone(),
                    host: "[fd00::1]:443".to_owned(),
                },
                "shadow|curl/mirror.config|[fd00::1]:443",
            ),
            (ClusterName::Passthrough, "passthrough"),
            (ClusterName::Refused, "refused"),
        ] {
            assert_eq!(name.to_string(), text);
            assert_eq!(text.parse(), Ok(name));
        }
        assert_eq!(ShareKey(rule).to_string(), "mirror.curl.mirror.config");
    }

    #[test]
    fn foreign_names_are_refused() {
        for text in [
            "",
            "pipy",
            "shadow",
            "shadow|a/b",
            "a/b|0",
            "a/b|x",
            "a|80",
            "a/b|80|81",
            "shadow|a/b|c|80",
            "shadow|a/b|c/d|80|81",
            "a/b|80|",
            "a/b|80|=v",
            "a/b|80|v=1,v=2",
            "a/b|80|v=1,a=2",
            "a/b|80|v=1|a=2",
        ] {
            assert!(text.parse::<ClusterName>().is_err(), "{text}");
        }
        for text in ["", "mirror.", "mirror.a", "mirror..b", "x.a.b"] {
            assert!(text.parse::<ShareKey>().is_err(), "{text}");
        }
    }

    fn service_port() -> impl Strategy<Value = ServicePort> {
        let labels =
            collection::btree_map("([a-z.]{1,4}/)?[a-zA-Z0-9._-]{1,4}", "[a-z0-9.]{0,3}", 0..3);
        let name = namespaced("[a-z]([-a-z0-9]{0,8}[a-z0-9])?");
        (name, 1..=u16::MAX, labels).prop_map(|(service, port, labels)| ServicePort {
            service,
            port: port.try_into().unwrap(),
            subset: Subset(labels),
        })
    }

    fn namespaced(name: &'static str) -> impl Strategy<Value = Namespaced> {
        ("[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", name).prop_map(|(ns, name)| Namespaced::new(ns, name))
    }

    proptest! {
        #[test]
        fn every_name_has_an_inverse(
            target in service_port(),
            rule in namespaced("[a-z0-9]([-.a-z0-9]{0,8}[a-z0-9])?"),
        ) {
            let primary = ClusterName::Primary(target.clone());
            prop_assert_eq!(primary.to_string().parse(), Ok(primary));
            prop_assert_eq!(target.to_string().parse(), Ok(target.clone()));
            let shadow = ClusterName::Shadow { rule: rule.clone(), target };
            prop_assert_eq!(shadow.to_string().parse(), Ok(shadow));
            let key = ShareKey(rule);
            prop_assert_eq!(key.to_string().parse(), Ok(key));
        }
    }
}
