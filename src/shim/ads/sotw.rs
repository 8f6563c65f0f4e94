//! The state-of-the-world variant, as state without I/O.

use std::collections::{BTreeMap, BTreeSet};

use super::{Kind, Outcome, Received, Removed, Session, Update, Wanted, names};
use crate::proto::envoy::config::core::v3::Node;
use crate::proto::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};

/// What is known of one type.
#[derive(Debug, Default)]
struct Type {
    /// Of the last accepted response; empty if there was none. Outlives the stream.
    version: String,
    /// Of the last response.
    offered: String,
    nonce: String,
    /// What the server was last told, on this stream; `None` if nothing.
    names: Option<BTreeSet<String>>,
}

/// A session with one control plane.
#[derive(Debug, Default)]
pub(super) struct Sotw {
    types: BTreeMap<Kind, Type>,
}

impl Sotw {
    fn request(&mut self, kind: Kind, wanted: &Wanted) -> DiscoveryRequest {
        let ty = self.types.entry(kind).or_default();
        let names = names(wanted, kind).clone();
        let request = DiscoveryRequest {
            version_info: ty.version.clone(),
            resource_names: names.iter().cloned().collect(),
            type_url: kind.type_url().to_owned(),
            response_nonce: ty.nonce.clone(),
            ..Default::default()
        };
        ty.names = Some(names);
        request
    }

    /// Requests for the types whose names have changed, except `done`.
    fn changed(&mut self, done: Option<Kind>, wanted: &Wanted) -> Vec<DiscoveryRequest> {
        let mut requests = Vec::new();
        for kind in Kind::ALL {
            let told = self.types.get(&kind).and_then(|ty| ty.names.as_ref());
            let due = match told {
                _ if Some(kind) == done => false,
                Some(told) => told != names(wanted, kind),
                // A first request without names would ask for everything ("How the client specifies what resources to
                // return"): wanted of clusters and listeners, but of nothing else.
                None => kind.is_wildcard() || !names(wanted, kind).is_empty(),
            };
            if due {
                requests.push(self.request(kind, wanted));
            }
        }
        requests
    }
}

impl Session for Sotw {
    type Request = DiscoveryRequest;
    type Response = DiscoveryResponse;

    fn start(&mut self, node: &Node, wanted: &Wanted) -> Vec<DiscoveryRequest> {
        for ty in self.types.values_mut() {
            // A nonce means nothing on another stream, a version does ("ACK/NACK and versioning").
            ty.nonce.clear();
            ty.names = None;
        }
        let mut requests = self.changed(None, wanted);
        if let Some(first) = requests.first_mut() {
            first.node = Some(node.clone());
        }
        requests
    }

    fn receive(&mut self, response: DiscoveryResponse) -> Option<Update> {
        let kind = Kind::from_type_url(&response.type_url)?;
        let ty = self.types.get_mut(&kind).filter(|ty| ty.names.is_some())?;
        ty.nonce = response.nonce;
        ty.offered = response.version_info;
        let resources = response
            .resources
            .into_iter()
            .map(|any| Received {
                name: None,
                type_url: any.type_url,
                body: any.value,
            })
            .collect();
        Some(Update {
            kind,
            resources,
            // Only these two are sent in full; of the others, what is missing is unchanged ("Grouping resources into
            // responses").
            removed: if kind.is_wildcard() {
                Removed::Others
            } else {
                Removed::Names(Vec::new())
            },
        })
    }

    fn answer(&mut self, kind: Kind, outcome: &Outcome, wanted: &Wanted) -> Vec<DiscoveryRequest> {
        let ty = self.types.entry(kind).or_default();
        if outcome.error.is_none() {
            ty.version.clone_from(&ty.offered);
        }
        // An ACK has the version just accepted, a NACK the one before and the error; both have the nonce.
        let mut answer = self.request(kind, wanted);
        answer.error_detail = outcome.status();
        let mut requests = vec![answer];
        requests.extend(self.changed(Some(kind), wanted));
        requests
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted<const N: usize>(names: [(Kind, &str); N]) -> Wanted {
        let mut wanted = Wanted::new();
        for (kind, name) in names {
            wanted.entry(kind).or_default().insert(name.to_owned());
        }
        wanted
    }

    fn response(kind: Kind, version: &str, nonce: &str) -> DiscoveryResponse {
        DiscoveryResponse {
            version_info: version.into(),
            type_url: kind.type_url().into(),
            nonce: nonce.into(),
            ..Default::default()
        }
    }

    fn said(requests: &[DiscoveryRequest]) -> Vec<String> {
        requests
            .iter()
            .map(|request| {
                let kind = Kind::from_type_url(&request.type_url).unwrap();
                let error = request.error_detail.as_ref().map_or("", |_| " NACK");
                let names = request.resource_names.join(",");
                format!(
                    "{kind:?} v={} n={} [{names}]{error}",
                    request.version_info, request.response_nonce
                )
            })
            .collect()
    }

    fn rejecting() -> Outcome {
        Outcome {
            error: Some("no".into()),
            ..Default::default()
        }
    }

    #[test]
    fn a_stream_opens_with_the_types_whose_names_are_known() {
        let mut session = Sotw::default();
        let requests = session.start(&Node::default(), &wanted([(Kind::Runtime, "r")]));
        assert_eq!(
            said(&requests),
            ["Runtime v= n= [r]", "Cluster v= n= []", "Listener v= n= []"]
        );
        assert_eq!(
            requests
                .iter()
                .filter(|request| request.node.is_some())
                .count(),
            1
        );
        assert!(requests[0].node.is_some());
    }

    #[test]
    fn an_ack_and_the_names_it_brought_go_out_together() {
        let mut session = Sotw::default();
        session.start(&Node::default(), &Wanted::new());
        let update = session.receive(response(Kind::Cluster, "1", "a")).unwrap();
        assert_eq!(
            (update.kind, update.removed),
            (Kind::Cluster, Removed::Others)
        );
        let with_endpoint = wanted([(Kind::Endpoint, "e")]);
        let requests = session.answer(Kind::Cluster, &Outcome::default(), &with_endpoint);
        assert_eq!(
            said(&requests),
            ["Cluster v=1 n=a []", "Endpoint v= n= [e]"]
        );
        session.receive(response(Kind::Endpoint, "7", "b")).unwrap();
        let requests = session.answer(Kind::Endpoint, &Outcome::default(), &with_endpoint);
        assert_eq!(said(&requests), ["Endpoint v=7 n=b [e]"]);
    }

    #[test]
    fn a_nack_has_the_last_good_version_and_the_new_nonce() {
        let mut session = Sotw::default();
        session.start(&Node::default(), &Wanted::new());
        for (version, nonce, outcome, expected) in [
            ("1", "a", rejecting(), "Cluster v= n=a [] NACK"),
            ("2", "b", Outcome::default(), "Cluster v=2 n=b []"),
            ("3", "c", rejecting(), "Cluster v=2 n=c [] NACK"),
        ] {
            session
                .receive(response(Kind::Cluster, version, nonce))
                .unwrap();
            assert_eq!(
                said(&session.answer(Kind::Cluster, &outcome, &Wanted::new())),
                [expected]
            );
        }
    }

    #[test]
    fn names_that_are_no_longer_wanted_are_dropped_even_the_last() {
        let mut session = Sotw::default();
        session.start(&Node::default(), &wanted([(Kind::Endpoint, "e")]));
        session.receive(response(Kind::Endpoint, "1", "a")).unwrap();
        session.answer(
            Kind::Endpoint,
            &Outcome::default(),
            &wanted([(Kind::Endpoint, "e")]),
        );
        session.receive(response(Kind::Cluster, "2", "b")).unwrap();
        let requests = session.answer(Kind::Cluster, &Outcome::default(), &Wanted::new());
        assert_eq!(
            said(&requests),
            ["Cluster v=2 n=b []", "Endpoint v=1 n=a []"]
        );
    }

    #[test]
    fn a_new_stream_keeps_versions_and_forgets_nonces() {
        let mut session = Sotw::default();
        let wanted = wanted([(Kind::Endpoint, "e")]);
        session.start(&Node::default(), &wanted);
        session.receive(response(Kind::Cluster, "1", "a")).unwrap();
        session.answer(Kind::Cluster, &Outcome::default(), &wanted);
        session.receive(response(Kind::Cluster, "2", "b")).unwrap();
        session.answer(Kind::Cluster, &rejecting(), &wanted);
        let requests = session.start(&Node::default(), &wanted);
        assert_eq!(
            said(&requests),
            [
                "Cluster v=1 n= []",
                "Endpoint v= n= [e]",
                "Listener v= n= []"
            ]
        );
    }

    #[test]
    fn a_response_nobody_asked_for_is_not_an_update() {
        let mut session = Sotw::default();
        session.start(&Node::default(), &Wanted::new());
        assert!(session.receive(response(Kind::Route, "1", "a")).is_none());
        let unknown = DiscoveryResponse {
            type_url: "made.Up".into(),
            ..Default::default()
        };
        assert!(session.receive(unknown).is_none());
    }
}
