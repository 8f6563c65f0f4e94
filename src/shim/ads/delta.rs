//! The incremental variant, as state without I/O.

use std::collections::{BTreeMap, BTreeSet};

use super::{Kind, Outcome, Received, Removed, Session, Update, Wanted, names};
use crate::proto::envoy::config::core::v3::Node;
use crate::proto::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};

/// What is known of one type.
#[derive(Debug, Default)]
struct Type {
    /// Versions of the resources that are held. Outlives the stream.
    held: BTreeMap<String, String>,
    /// Versions in the last response; they count once the resources are accepted.
    offered: BTreeMap<String, String>,
    nonce: String,
    /// What is subscribed to on this stream; `None` if nothing was said.
    names: Option<BTreeSet<String>>,
}

/// A session with one control plane.
#[derive(Debug, Default)]
pub(super) struct Delta {
    types: BTreeMap<Kind, Type>,
}

impl Delta {
    /// A request with the change of the subscription; `None` if there is none to tell.
    fn subscribe(&mut self, kind: Kind, wanted: &Wanted) -> Option<DeltaDiscoveryRequest> {
        let ty = self.types.entry(kind).or_default();
        let names = names(wanted, kind);
        let mut request = DeltaDiscoveryRequest {
            type_url: kind.type_url().to_owned(),
            ..Default::default()
        };
        match &ty.names {
            // A first request without names subscribes to everything ("How the client specifies what resources to
            // return"): wanted of clusters and listeners, but of nothing else.
            None if names.is_empty() && !kind.is_wildcard() => return None,
            None => {
                request.resource_names_subscribe = names.iter().cloned().collect();
                // Only the first request of a type on a stream has these ("DeltaDiscoveryRequest").
                request.initial_resource_versions = ty.held.clone();
            }
            Some(told) => {
                request.resource_names_subscribe = names.difference(told).cloned().collect();
                request.resource_names_unsubscribe = told.difference(names).cloned().collect();
                if told == names {
                    return None;
                }
            }
        }
        if !kind.is_wildcard() {
            ty.held.retain(|name, _| names.contains(name));
        }
        ty.names = Some(names.clone());
        Some(request)
    }
}

impl Session for Delta {
    type Request = DeltaDiscoveryRequest;
    type Response = DeltaDiscoveryResponse;

    fn start(&mut self, node: &Node, wanted: &Wanted) -> Vec<DeltaDiscoveryRequest> {
        for ty in self.types.values_mut() {
            ty.names = None;
        }
        let mut requests: Vec<_> = Kind::ALL
            .into_iter()
            .filter_map(|kind| self.subscribe(kind, wanted))
            .collect();
        if let Some(first) = requests.first_mut() {
            first.node = Some(node.clone());
        }
        requests
    }

    fn receive(&mut self, response: DeltaDiscoveryResponse) -> Option<Update> {
        let kind = Kind::from_type_url(&response.type_url)?;
        let ty = self.types.get_mut(&kind)?;
        let told = ty.names.as_ref()?;
        // What was unsubscribed from may still be on its way, and is ignored.
        let wanted = |name: &str| kind.is_wildcard() || told.contains(name);
        ty.nonce = response.nonce;
        ty.offered.clear();
        let mut resources = Vec::new();
        for resource in response
            .resources
            .into_iter()
            .filter(|resource| wanted(&resource.name))
        {
            let any = resource.resource.unwrap_or_default();
            ty.offered.insert(resource.name.clone(), resource.version);
            resources.push(Received {
                name: Some(resource.name),
                type_url: any.type_url,
                body: any.value,
            });
        }
        let removed: Vec<_> = response
            .removed_resources
            .into_iter()
            .filter(|name| wanted(name))
            .collect();
        for name in &removed {
            ty.held.remove(name);
        }
        Some(Update {
            kind,
            resources,
            removed: Removed::Names(removed),
        })
    }

    fn answer(
        &mut self,
        kind: Kind,
        outcome: &Outcome,
        wanted: &Wanted,
    ) -> Vec<DeltaDiscoveryRequest> {
        let ty = self.types.entry(kind).or_default();
        for (name, version) in std::mem::take(&mut ty.offered) {
            // A rejected resource is not held in its new version, so that a new stream brings it again. The version
            // before may still be held.
            if !outcome.rejected.contains(&name) {
                ty.held.insert(name, version);
            }
        }
        let nonce = ty.nonce.clone();
        let mut answer = self
            .subscribe(kind, wanted)
            .unwrap_or_else(|| DeltaDiscoveryRequest {
                type_url: kind.type_url().to_owned(),
                ..Default::default()
            });
        answer.response_nonce = nonce;
        answer.error_detail = outcome.status();
        let mut requests = vec![answer];
        let others = Kind::ALL.into_iter().filter(|other| *other != kind);
        requests.extend(others.filter_map(|other| self.subscribe(other, wanted)));
        requests
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::envoy::service::discovery::v3::Resource;

    fn wanted(endpoints: &[&str]) -> Wanted {
        Wanted::from([(
            Kind::Endpoint,
            endpoints.iter().map(ToString::to_string).collect(),
        )])
    }

    fn response(
        kind: Kind,
        nonce: &str,
        resources: &[(&str, &str)],
        removed: &[&str],
    ) -> DeltaDiscoveryResponse {
        DeltaDiscoveryResponse {
            type_url: kind.type_url().into(),
            nonce: nonce.into(),
            resources: resources
                .iter()
                .map(|(name, version)| Resource {
                    name: (*name).into(),
                    version: (*version).into(),
                    ..Default::default()
                })
                .collect(),
            removed_resources: removed.iter().map(ToString::to_string).collect(),
            ..Default::default()
        }
    }

    fn said(requests: &[DeltaDiscoveryRequest]) -> Vec<String> {
        requests
            .iter()
            .map(|request| {
                let kind = Kind::from_type_url(&request.type_url).unwrap();
                let mut text = format!("{kind:?} n={}", request.response_nonce);
                for name in &request.resource_names_subscribe {
                    text += &format!(" +{name}");
                }
                for name in &request.resource_names_unsubscribe {
                    text += &format!(" -{name}");
                }
                for (name, version) in &request.initial_resource_versions {
                    text += &format!(" {name}={version}");
                }
                text + request.error_detail.as_ref().map_or("", |_| " NACK")
            })
            .collect()
    }

    fn accepted() -> Outcome {
        Outcome::default()
    }

    fn rejecting(name: &str) -> Outcome {
        Outcome {
            rejected: BTreeSet::from([name.to_owned()]),
            error: Some("no".into()),
        }
    }

    #[test]
    fn only_the_change_of_a_subscription_is_told() {
        let mut session = Delta::default();
        let opening = session.start(&Node::default(), &wanted(&[]));
        assert_eq!(said(&opening), ["Cluster n=", "Listener n="]);
        assert_eq!(
            opening
                .iter()
                .filter(|request| request.node.is_some())
                .count(),
            1
        );
        session
            .receive(response(Kind::Cluster, "1", &[("c", "v")], &[]))
            .unwrap();
        let requests = session.answer(Kind::Cluster, &accepted(), &wanted(&["a", "b"]));
        assert_eq!(said(&requests), ["Cluster n=1", "Endpoint n= +a +b"]);
        session
            .receive(response(Kind::Cluster, "2", &[], &["c"]))
            .unwrap();
        let requests = session.answer(Kind::Cluster, &accepted(), &wanted(&["b", "d"]));
        assert_eq!(said(&requests), ["Cluster n=2", "Endpoint n= +d -a"]);
    }

    #[test]
    fn a_new_stream_says_what_is_held_and_a_rejected_resource_is_not() {
        let mut session = Delta::default();
        let names = wanted(&["a", "b"]);
        session.start(&Node::default(), &names);
        session
            .receive(response(
                Kind::Endpoint,
                "1",
                &[("a", "1"), ("b", "1")],
                &[],
            ))
            .unwrap();
        assert_eq!(
            said(&session.answer(Kind::Endpoint, &rejecting("b"), &names)),
            ["Endpoint n=1 NACK"]
        );
        session
            .receive(response(Kind::Endpoint, "2", &[("a", "2")], &[]))
            .unwrap();
        // The version before stays held.
        session.answer(Kind::Endpoint, &rejecting("a"), &names);
        session
            .receive(response(Kind::Cluster, "3", &[("c", "1"), ("d", "1")], &[]))
            .unwrap();
        session.answer(Kind::Cluster, &accepted(), &names);
        session
            .receive(response(Kind::Cluster, "4", &[], &["d"]))
            .unwrap();
        session.answer(Kind::Cluster, &accepted(), &names);
        let requests = session.start(&Node::default(), &names);
        assert_eq!(
            said(&requests),
            ["Cluster n= c=1", "Endpoint n= +a +b a=1", "Listener n="]
        );
    }

    #[test]
    fn what_is_no_longer_subscribed_to_is_ignored_and_forgotten() {
        let mut session = Delta::default();
        session.start(&Node::default(), &wanted(&["a"]));
        session
            .receive(response(Kind::Endpoint, "1", &[("a", "1")], &[]))
            .unwrap();
        session.answer(Kind::Endpoint, &accepted(), &wanted(&["b"]));
        let update = session
            .receive(response(Kind::Endpoint, "2", &[("a", "2")], &["a"]))
            .unwrap();
        assert!(update.resources.is_empty());
        assert_eq!(update.removed, Removed::Names(Vec::new()));
        session.answer(Kind::Endpoint, &accepted(), &wanted(&["b"]));
        let requests = session.start(&Node::default(), &wanted(&["a", "b"]));
        assert_eq!(said(&requests)[1], "Endpoint n= +a +b");
    }
}
