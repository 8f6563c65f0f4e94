//! State of the world: each request holds all names, each response of a full-state type all resources.

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
use crate::proto::envoy::service::discovery::v3::DiscoveryRequest;
use crate::snapshot::Resource;
use crate::snapshot::ResourceType;
use crate::snapshot::Version;

/// A stream of `StreamAggregatedResources`.
#[derive(Debug, Default)]
pub(super) struct Sotw {
    session: Session,
}

impl Stream for Sotw {
    type Request = DiscoveryRequest;
    const VARIANT: Variant = Variant::Sotw;

    fn session(&self) -> &Session {
        &self.session
    }

    fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    fn node(request: &DiscoveryRequest) -> Option<&Node> {
        request.node.as_ref()
    }

    fn request_type(request: &mut DiscoveryRequest) -> &mut String {
        &mut request.type_url
    }

    fn request_nonce(request: &DiscoveryRequest) -> &str {
        &request.response_nonce
    }

    fn size(response: &Response) -> usize {
        let fixed = [
            Field(1, response.version.as_str().len()),
            Field(4, response.type_url.len()),
        ];
        let resources = response.resources.iter();
        let resources = resources.map(|(_, resource)| Field(2, any(&response.type_url, resource)));
        fixed.into_iter().chain(resources).map(Field::size).sum()
    }

    fn encode(response: &Response, to: &mut Vec<u8>) {
        let type_url = &response.type_url;
        put(1, response.version.as_str().as_bytes(), to);
        for (_, resource) in &response.resources {
            Field(2, any(type_url, resource)).begin(to);
            put(1, type_url.as_bytes(), to);
            put(2, &resource.body, to);
        }
        put(4, type_url.as_bytes(), to);
    }

    fn on_request(&mut self, request: DiscoveryRequest) -> Outcome {
        let Some(ty) = ResourceType::from_type_url(&request.type_url) else {
            return Outcome::UnknownType;
        };
        let first = !self.session.knows(ty);
        let last = self.session.substream(ty).last_nonce();
        let outcome = if last == 0 {
            // "The nonce is only valid in the context of an individual xDS stream": what the first request of a type
            // says of nonces is about another stream, what it says of versions is what the client has.
            let substream = self.session.substream(ty);
            if !first {
                // It changed its mind before it was answered: what it has is not what it wants.
                substream.announced = Announced::Nothing;
            } else if !request.version_info.is_empty() {
                substream.resume(Announced::Version(request.version_info));
            }
            Outcome::Subscribed
        } else if request.response_nonce.is_empty() {
            // Sent before the client saw the first response: no answer to it, but newer than what it said before.
            Outcome::Subscribed
        } else if request.response_nonce != last.to_string() {
            // "The management server should not send a DiscoveryResponse for any DiscoveryRequest that has a stale
            // nonce": the answer to the last response holds the names again.
            return Outcome::Stale(ty);
        } else {
            self.session.answered(ty, last, request.error_detail)
        };
        let substream = self.session.substream(ty);
        let locators = request.resource_locators.iter().map(|l| l.name.as_str());
        let names = request.resource_names.iter().map(String::as_str);
        let owed = substream.subscription.replace(names.chain(locators));
        let (grew, everything) = (owed.is_some(), owed.everything);
        substream.subscribed(owed);
        // Of a full-state type, that a name is missing is told by a response without it; of the others it is not told.
        if everything || grew && ty.is_full_state() {
            substream.owe_answer();
        }
        outcome
    }

    fn next_response(&mut self, now: Instant) -> Option<Response> {
        let (ty, nonce, push) = self.session.next(now, plan)?;
        Some(Response {
            type_url: ty.type_url().into(),
            nonce,
            version: push.version.unwrap_or_default(),
            resources: push.resources,
            removed: Vec::new(),
        })
    }
}

fn plan(substream: &mut Substream, view: &View) -> Option<Push> {
    let ty = substream.ty();
    let full = ty.is_full_state();
    let wanted = view.wanted(substream.ty(), &substream.subscription);
    // A version that was chosen may have stood for other resources before a restart: it proves nothing.
    if let Announced::Version(announced) = mem::take(&mut substream.announced)
        && view.version(substream.ty()).is_none()
        && full
        && substream.subscription.is_wildcard()
        && substream.subscription.names().is_empty()
        && announced == version_of(ty, &wanted).as_str()
    {
        // A wildcard client with this version surely has all of it. One that gives names may have come by the
        // version with other names, so it is answered.
        for (name, resource) in wanted {
            substream.assume(name, Some(&resource.version));
        }
        return None;
    }
    let changed: BTreeSet<_> = substream.changed(view).into_iter().map(|r| r.0).collect();
    let gone = if full {
        substream.gone(view)
    } else {
        // Of a route or endpoint that is gone nothing is said: its parent is what stops referring to it.
        substream.forget_gone(view);
        Vec::new()
    };
    if changed.is_empty() && gone.is_empty() && !substream.owes_answer() {
        return None;
    }
    // A full state says of every name that is not in it that there is no such resource, be it news or not: the client
    // accepts or rejects that with the rest.
    let removed = if full { substream.left_out(view) } else { gone };
    let version = view.version(substream.ty()).cloned();
    let version = version.unwrap_or_else(|| version_of(ty, &wanted));
    let resources = wanted
        .into_iter()
        // What was not answered yet comes along: the answer to that response would be stale.
        .filter(|(name, _)| full || changed.contains(name) || substream.awaits(name))
        .map(|(name, resource)| (Arc::clone(name), resource.clone()))
        .collect();
    Some(Push {
        resources,
        removed,
        version: Some(version),
    })
}

/// The version of all that a client sees of a type: it belongs to the resources, and so is the same on every stream.
fn version_of(ty: ResourceType, resources: &[(&Arc<str>, &Resource)]) -> Version {
    if let [(_, only)] = resources
        && !ty.is_full_state()
    {
        // A client of one route or layer, as most are: the version of that says it all.
        return only.version.clone();
    }
    let mut text = String::new();
    for (name, resource) in resources {
        text.push_str(name);
        text.push('\0');
        text.push_str(resource.version.as_str());
        text.push('\0');
    }
    Version::of(text.as_bytes())
}
