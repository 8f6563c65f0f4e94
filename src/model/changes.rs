//! What of a group is another than before: most changes are of a share, or of the Pods behind a Service.

use std::sync::Arc;

use super::{Backend, Destination, DestinationPort, Group, Mirror, Target};

/// Which parts of a group are others than before. Each field is counted to one part, so that two groups between which
/// nothing has changed are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// How much is mirrored.
    pub shares: bool,
    /// Which endpoints are ready.
    pub endpoints: bool,
    /// Anything else: which destinations, ports and mirrors there are, and what they are called.
    pub rest: bool,
}

impl Changes {
    /// What is another in `after`.
    pub fn between(before: &Group, after: &Group) -> Self {
        // The structures are taken apart so that a new field cannot be forgotten.
        let Group {
            capture,
            destinations,
            quarantine,
        } = after;
        let mut changes = Self {
            rest: *capture != before.capture
                || destinations.len() != before.destinations.len()
                || *quarantine != before.quarantine,
            ..Self::default()
        };
        for (before, after) in before.destinations.iter().zip(destinations) {
            changes.destination(before, after);
        }
        changes
    }

    /// Whether there is any.
    pub fn any(self) -> bool {
        self != Self::default()
    }

    fn destination(&mut self, before: &Destination, after: &Destination) {
        let Destination {
            service,
            cluster_ips,
            local,
            default_port,
            ports,
        } = after;
        self.rest |= *service != before.service
            || *cluster_ips != before.cluster_ips
            || *local != before.local
            || *default_port != before.default_port
            || ports.len() != before.ports.len();
        for (before, after) in before.ports.iter().zip(ports) {
            let DestinationPort {
                backend,
                addresses,
                certainty,
                mirrors,
            } = after;
            self.backend(&before.backend, backend);
            self.rest |= *addresses != before.addresses
                || *certainty != before.certainty
                || mirrors.len() != before.mirrors.len();
            for (before, after) in before.mirrors.iter().zip(mirrors) {
                let Mirror {
                    rule,
                    target,
                    fraction,
                    terms,
                } = after;
                self.rest |= *rule != before.rule || *terms != before.terms;
                match (&before.target, target) {
                    (
                        Target::Service { backend, tls },
                        Target::Service {
                            backend: after,
                            tls: tls_after,
                        },
                    ) => {
                        self.backend(backend, after);
                        self.rest |= tls != tls_after;
                    }
                    (before, after) => self.rest |= before != after,
                }
                self.shares |= *fraction != before.fraction;
            }
        }
    }

    fn backend(&mut self, before: &Arc<Backend>, after: &Arc<Backend>) {
        if Arc::ptr_eq(before, after) {
            return;
        }
        let Backend {
            service,
            port,
            subset,
            protocol,
            endpoints,
        } = &**after;
        self.rest |= *service != before.service
            || *port != before.port
            || *subset != before.subset
            || *protocol != before.protocol;
        self.endpoints |= *endpoints != before.endpoints;
    }
}
