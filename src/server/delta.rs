//! Incremental: requests change the list of names, responses hold what changed.

use std::collections::BTreeSet;
use std::mem;
use std::sync::Arc;

use tokio::time::Instant;

use super::encode::Field;
use super::encode::any;
use super::encode::put;
use super::order::View;
use super::session::Session;
use super::stream::Outcome;
use super::stream::Response;
use super::stream::Stream;
use super::stream::Variant;
use super::substream::Announced;
use super::substream::Push;
use super::substream::Substream;
use crate::proto::envoy::config::core::v3::Node;
use crate::proto::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use crate::snapshot::Resource;
use crate::snapshot::ResourceType;
use crate::snapshot::Version;

/// How many requests for unknown types are answered before the client reads an answer.
const UNKNOWN_AT_ONCE: usize = 16;

/// A stream of `DeltaAggregatedResources`.
#[derive(Debug, Default)]
pub(super) struct Delta {
    session: Session,
    /// Requests for types that are not served: the type, and the names.
    unknown: Vec<(String, BTreeSet<String>)>,
}

impl Stream for Delta {
    type Request = DeltaDiscoveryRequest;
    const VARIANT: Variant = Variant::Delta;

    fn session(&self) -> &Session {
        &self.session
    }

    fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    fn node(request: &DeltaDiscoveryRequest) -> Option<&Node> {
        request.node.as_ref()
    }

    fn request_type(request: &mut DeltaDiscoveryRequest) -> &mut String {
        &mut request.type_url
    }

    fn request_nonce(request: &DeltaDiscoveryRequest) -> &str {
        &request.response_nonce
    }

    fn size(response: &Response) -> usize {
        let fixed = [
            Field(1, response.version.as_str().len()),
            Field(4, response.type_url.len()),
        ];
        let resources = response.resources.iter();
        let resources = resources.map(|each| Field(2, whole(&response.type_url, each)));
        let removed = response.removed.iter().map(|name| Field(6, name.len()));
        let removed: usize = removed.map(Field::size_even_empty).sum();
        let fields = fixed.into_iter().chain(resources);
        removed + fields.map(Field::size).sum::<usize>()
    }

    fn encode(response: &Response, to: &mut Vec<u8>) {
        let type_url = &response.type_url;
        put(1, response.version.as_str().as_bytes(), to);
        for each in &response.resources {
            let (name, resource) = each;
            Field(2, whole(type_url, each)).begin(to);
            put(1, resource.version.as_str().as_bytes(), to);
            Field(2, any(type_url, resource)).begin(to);
            put(1, type_url.as_bytes(), to);
            put(2, &resource.body, to);
            put(3, name.as_bytes(), to);
        }
        put(4, type_url.as_bytes(), to);
        for name in &response.removed {
            Field(6, name.len()).begin(to);
            to.extend_from_slice(name.as_bytes());
        }
    }

    fn on_request(&mut self, request: DeltaDiscoveryRequest) -> Outcome {
        let Some(ty) = ResourceType::from_type_url(&request.type_url) else {
            self.on_unknown_type(request);
            return Outcome::UnknownType;
        };
        let first = !self.session.knows(ty);
        // "Subscription changes are honoured whatever the nonce": a nonce says only which response is answered. What
        // the first request of a type answers belongs to another stream.
        let outcome = match request.response_nonce.parse() {
            Ok(nonce) if !first => self.session.answered(ty, nonce, request.error_detail),
            _ => Outcome::Subscribed,
        };
        let substream = self.session.substream(ty);
        let (sub, unsub) = (
            &request.resource_locators_subscribe,
            &request.resource_locators_unsubscribe,
        );
        let subscribe = request.resource_names_subscribe.iter();
        let unsubscribe = request.resource_names_unsubscribe.iter();
        let owed = substream.subscription.update(
            subscribe
                .chain(sub.iter().map(|locator| &locator.name))
                .map(String::as_str),
            unsubscribe
                .chain(unsub.iter().map(|locator| &locator.name))
                .map(String::as_str),
        );
        let everything = owed.everything;
        substream.subscribed(owed);
        // "initial_resource_versions ... must be populated for the first request in a stream" only.
        if first && !request.initial_resource_versions.is_empty() {
            let announced = Announced::Resources(request.initial_resource_versions);
            substream.resume(announced);
        } else if everything {
            substream.owe_answer();
        }
        outcome
    }

    fn next_response(&mut self, now: Instant) -> Option<Response> {
        if self.session.is_synced()
            && let Some((type_url, names)) = self.unknown.pop()
        {
            return Some(Response {
                type_url: type_url.into(),
                nonce: self.session.next_nonce(),
                version: Version::default(),
                resources: Vec::new(),
                removed: names.into_iter().map(Arc::from).collect(),
            });
        }
        let (ty, nonce, push) = self.session.next(now, plan)?;
        let version = push.version.clone().unwrap_or_else(|| version_of(&push));
        Some(Response {
            type_url: ty.type_url().into(),
            nonce,
            version,
            resources: push.resources,
            removed: push.removed,
        })
    }
}

impl Delta {
    /// Of a type that is not served there are no resources: each name is answered as removed, and nothing is kept.
    fn on_unknown_type(&mut self, request: DeltaDiscoveryRequest) {
        let mut names: BTreeSet<_> = request.resource_names_subscribe.into_iter().collect();
        names.remove("*");
        if !names.is_empty() && self.unknown.len() < UNKNOWN_AT_ONCE {
            self.unknown.push((request.type_url, names));
        }
    }
}

/// The size of a resource as an `envoy.service.discovery.v3.Resource`.
fn whole(type_url: &str, (name, resource): &(Arc<str>, Resource)) -> usize {
    Field(1, resource.version.as_str().len()).size()
        + Field(2, any(type_url, resource)).size()
        + Field(3, name.len()).size()
}

/// The version of a response's content. The protocol needs none ("system_version_info ... used for debugging"); an Envoy
/// shows it in its configuration dump, so that it can be compared with what this server says it sent.
fn version_of(push: &Push) -> Version {
    if let ([(_, only)], []) = (&push.resources[..], &push.removed[..]) {
        return only.version.clone();
    }
    let mut text = String::new();
    for (name, resource) in &push.resources {
        text.push_str(name);
        text.push('\0');
        text.push_str(resource.version.as_str());
        text.push('\0');
    }
    for name in &push.removed {
        text.push_str(name);
        text.push('\0');
    }
    Version::of(text.as_bytes())
}

fn plan(substream: &mut Substream, view: &View) -> Option<Push> {
    if let Announced::Resources(announced) = mem::take(&mut substream.announced) {
        for (name, version) in announced {
            // It is no subscription: what the client has but does not ask for is its own affair.
            if !substream.subscription.covers(&name) {
                continue;
            }
            match view.get(substream.ty(), &name) {
                Some((name, resource)) => {
                    let same = resource.version.as_str() == version;
                    substream.assume(name, same.then_some(&resource.version));
                }
                // Gone meanwhile: to be removed.
                None => substream.assume(&Arc::from(name), None),
            }
        }
    }
    let mut removed = substream.gone(view);
    removed.extend(substream.missing(view));
    let changed = substream.changed(view);
    if changed.is_empty() && removed.is_empty() && !substream.owes_answer() {
        return None;
    }
    let own = |(name, resource): (&Arc<str>, &Resource)| (Arc::clone(name), resource.clone());
    Some(Push {
        resources: changed.into_iter().map(own).collect(),
        removed,
        version: view.version(substream.ty()).cloned(),
    })
}
