//! The two clients, as simple as can be.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use bytes::Bytes;
use prost::Message;

use crate::proto::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use crate::proto::envoy::service::discovery::v3::DeltaDiscoveryResponse;
use crate::proto::envoy::service::discovery::v3::DiscoveryRequest;
use crate::proto::envoy::service::discovery::v3::DiscoveryResponse;
use crate::proto::google::rpc::Status;
use crate::server::delta::Delta;
use crate::server::sotw::Sotw;
use crate::server::stream::Stream;
use crate::snapshot::ResourceType;

/// A resource that the client rejects ends with this.
const BAD: &[u8] = b"!";

/// What a client knows of one type.
#[derive(Debug, Default)]
pub(super) struct Sub {
    pub(super) asked: bool,
    spoken: bool,
    wildcard: bool,
    names: BTreeSet<&'static str>,
    pub(super) held: BTreeMap<String, (String, Bytes)>,
    version: String,
    pub(super) nonce: String,
}

impl Sub {
    pub(super) fn wants(&self, name: &str) -> bool {
        self.wildcard || self.names.contains(name)
    }

    /// The client changes its mind, as both variants understand it.
    fn ask(&mut self, ty: ResourceType, names: &BTreeSet<&'static str>) {
        self.asked = true;
        self.spoken |= !names.is_empty();
        self.wildcard = names.contains("*") || (!self.spoken && ty.is_full_state());
        self.names = names.iter().copied().filter(|name| *name != "*").collect();
    }

    pub(super) fn list(&self) -> Vec<String> {
        let star = (self.wildcard && self.spoken).then_some("*");
        let names = self.names.iter().copied();
        star.into_iter().chain(names).map(str::to_owned).collect()
    }

    /// The client is a new one: it has nothing.
    pub(super) fn forget(&mut self) {
        self.held.clear();
        self.version.clear();
        self.nonce.clear();
    }

    /// Before a new stream: a type of which nothing is wanted is not asked for.
    pub(super) fn reconnect(&mut self) -> bool {
        self.asked &= self.wildcard || !self.names.is_empty() || !self.spoken;
        self.spoken &= self.asked;
        self.asked
    }
}

pub(super) type Subs = BTreeMap<ResourceType, Sub>;

/// The client side of a variant.
pub(super) trait Client: Stream {
    /// What it reads.
    type Response: Message + Default;
    /// A request that makes the list of names this one.
    fn ask(sub: &mut Sub, ty: ResourceType, names: &BTreeSet<&'static str>) -> Self::Request;
    /// Takes a response, and answers it.
    fn take(subs: &mut Subs, response: Self::Response) -> Self::Request;
    /// An answer to a response that never was.
    fn stale(sub: &Sub, ty: ResourceType) -> Self::Request;
    /// The first request of a new stream.
    fn first(sub: &Sub, ty: ResourceType) -> Self::Request;
    /// Whether the protocol tells that a resource is gone.
    fn tells_removal(ty: ResourceType) -> bool;
}

fn error() -> Option<Status> {
    Some(Status {
        code: 13,
        message: "bad".to_owned(),
        ..Status::default()
    })
}

fn type_of(url: &str) -> ResourceType {
    ResourceType::from_type_url(url).expect("a type that was asked for")
}

impl Client for Sotw {
    type Response = DiscoveryResponse;

    fn ask(sub: &mut Sub, ty: ResourceType, names: &BTreeSet<&'static str>) -> DiscoveryRequest {
        sub.ask(ty, names);
        Self::first(sub, ty)
    }

    fn take(subs: &mut Subs, response: DiscoveryResponse) -> DiscoveryRequest {
        let ty = type_of(&response.type_url);
        let sub = subs.get_mut(&ty).expect("a type that was asked for");
        sub.nonce = response.nonce;
        let bodies = response.resources.iter().map(|any| &any.value);
        let different: BTreeSet<&Bytes> = bodies.collect();
        assert_eq!(different.len(), response.resources.len(), "sent once");
        let bad = response.resources.iter().any(|r| r.value.ends_with(BAD));
        if !bad {
            sub.version = response.version_info;
            if ty.is_full_state() {
                sub.held.clear();
            }
            for any in response.resources {
                let text = String::from_utf8_lossy(&any.value).into_owned();
                let name = text.split(' ').nth(1).expect("the name").to_owned();
                sub.held.insert(name, (String::new(), any.value));
            }
        }
        DiscoveryRequest {
            error_detail: error().filter(|_| bad),
            ..Self::first(sub, ty)
        }
    }

    fn stale(sub: &Sub, ty: ResourceType) -> DiscoveryRequest {
        DiscoveryRequest {
            response_nonce: "999999".to_owned(),
            ..Self::first(sub, ty)
        }
    }

    fn first(sub: &Sub, ty: ResourceType) -> DiscoveryRequest {
        DiscoveryRequest {
            type_url: ty.type_url().to_owned(),
            resource_names: sub.list(),
            version_info: sub.version.clone(),
            response_nonce: sub.nonce.clone(),
            ..DiscoveryRequest::default()
        }
    }

    fn tells_removal(ty: ResourceType) -> bool {
        ty.is_full_state()
    }
}

impl Client for Delta {
    type Response = DeltaDiscoveryResponse;

    fn ask(
        sub: &mut Sub,
        ty: ResourceType,
        names: &BTreeSet<&'static str>,
    ) -> DeltaDiscoveryRequest {
        let before = (sub.wildcard, sub.names.clone());
        sub.ask(ty, names);
        let mut unsubscribe: Vec<String> = before
            .1
            .difference(&sub.names)
            .map(|n| (*n).to_owned())
            .collect();
        if before.0 && !sub.wildcard {
            unsubscribe.push("*".to_owned());
            sub.spoken = true;
        }
        // The client forgets what it drops, also what the wildcard covers: it cannot know.
        let wanted = (sub.wildcard, sub.names.clone());
        sub.held.retain(|name, _| {
            (wanted.0 || wanted.1.contains(&**name)) && !unsubscribe.contains(name)
        });
        DeltaDiscoveryRequest {
            type_url: ty.type_url().to_owned(),
            resource_names_subscribe: sub.list(),
            resource_names_unsubscribe: unsubscribe,
            ..DeltaDiscoveryRequest::default()
        }
    }

    fn take(subs: &mut Subs, response: DeltaDiscoveryResponse) -> DeltaDiscoveryRequest {
        let sub = subs
            .get_mut(&type_of(&response.type_url))
            .expect("a type that was asked for");
        let body = |r: &crate::proto::envoy::service::discovery::v3::Resource| {
            r.resource.clone().expect("a body").value
        };
        let bad = response.resources.iter().any(|r| body(r).ends_with(BAD));
        for resource in response.resources.iter().filter(|_| !bad) {
            if sub.wants(&resource.name) {
                let held = (resource.version.clone(), body(resource));
                sub.held.insert(resource.name.clone(), held);
            }
        }
        for name in response.removed_resources.iter().filter(|_| !bad) {
            let both = response.resources.iter().any(|r| r.name == *name);
            assert!(!both, "{name} is sent and removed");
            sub.held.remove(name);
        }
        DeltaDiscoveryRequest {
            type_url: response.type_url,
            response_nonce: response.nonce,
            error_detail: error().filter(|_| bad),
            ..DeltaDiscoveryRequest::default()
        }
    }

    fn stale(_: &Sub, ty: ResourceType) -> DeltaDiscoveryRequest {
        DeltaDiscoveryRequest {
            type_url: ty.type_url().to_owned(),
            response_nonce: "999999".to_owned(),
            error_detail: error(),
            ..DeltaDiscoveryRequest::default()
        }
    }

    fn first(sub: &Sub, ty: ResourceType) -> DeltaDiscoveryRequest {
        let held = sub.held.iter();
        DeltaDiscoveryRequest {
            type_url: ty.type_url().to_owned(),
            resource_names_subscribe: sub.list(),
            initial_resource_versions: held.map(|(n, (v, _))| (n.clone(), v.clone())).collect(),
            ..DeltaDiscoveryRequest::default()
        }
    }

    fn tells_removal(_: ResourceType) -> bool {
        true
    }
}
