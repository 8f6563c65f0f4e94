//! One request: from its head to its answer.

use std::error::Error;
use std::sync::Arc;

use http::header::{self, HeaderValue};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::{mpsc, watch};

use super::access_log;
use super::access_log::Entry;
use super::body::{Body, Tee, full};
use super::config::{Action, Listener};
use super::plane::Plane;
use super::stats::Stats;
use super::task::Tasks;
use super::upstream::{Failure, Upstream};
use super::{edit, framing, headers, mirror, upgrade};

/// What all requests share.
#[derive(Debug)]
pub(super) struct Proxy {
    pub(super) plane: watch::Receiver<Arc<Plane>>,
    pub(super) stats: Arc<Stats>,
    pub(super) tasks: Tasks,
    /// What is told to the control plane.
    pub(super) refused: mpsc::Sender<Entry>,
}

/// An answer of the proxy itself.
struct Refusal(StatusCode, &'static str);

impl Proxy {
    /// Answers a request that came in on a listener.
    pub(super) async fn serve(&self, listener: &str, request: Request<Incoming>) -> Response<Body> {
        let version = request.version();
        let mut response = match self.forward(listener, request).await {
            Ok(response) => response,
            Err(Refusal(status, text)) => {
                let mut response = text_response(status, text);
                if status == StatusCode::METHOD_NOT_ALLOWED {
                    // No method of this resource is allowed (RFC 9110, section 15.5.6).
                    response
                        .headers_mut()
                        .insert(header::ALLOW, HeaderValue::from_static(""));
                }
                response
            }
        };
        *response.version_mut() = match version {
            Version::HTTP_2 => Version::HTTP_2,
            _ => Version::HTTP_11,
        };
        response
    }

    async fn forward(
        &self,
        listener: &str,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Refusal> {
        if request.method() == Method::CONNECT {
            return Err(Refusal(
                StatusCode::METHOD_NOT_ALLOWED,
                "CONNECT is not supported",
            ));
        }
        let (mut head, body) = request.into_parts();
        let authority = take_authority(&mut head)?;
        // The configuration may change while the request is under way; it goes by this one.
        let plane = Arc::clone(&self.plane.borrow());
        let unknown = || Refusal(StatusCode::NOT_FOUND, "no route for this host and path");
        let listener = plane.listeners.get(listener).ok_or_else(unknown)?;
        let routes = plane.routes.get(&listener.routes).ok_or_else(unknown)?;
        if let Some(name) = &listener.framing {
            let framing = framing::of(&head);
            head.headers.insert(name, framing);
        }
        let route = routes
            .route(authority.as_str(), &head, &listener.cookies, &plane.runtime)
            .ok_or_else(unknown)?;
        if let Some(name) = &route.counted {
            self.stats.route(name);
        }
        let (cluster, mirrors) = match &route.action {
            Action::Respond(status, text, headers) => {
                let mut response = Response::new(full(text.clone()));
                *response.status_mut() = *status;
                edit::apply(headers, response.headers_mut());
                if listener.tells && *status == StatusCode::FORBIDDEN {
                    let status = status.as_u16().into();
                    let entry = access_log::entry(&head.method, authority.as_str(), status);
                    // If there is no room it is not told.
                    drop(self.refused.try_send(entry));
                }
                return Ok(response);
            }
            Action::Forward { cluster, mirrors } => (cluster, mirrors),
        };
        let unavailable = Refusal(StatusCode::SERVICE_UNAVAILABLE, "no such cluster");
        let upstream = plane.clusters.get(cluster).ok_or(unavailable)?;
        upstream.stats().count(|counts| counts.requests += 1);
        if upstream.is_empty() {
            // As in Envoy, a request that goes nowhere is not copied either.
            upstream.stats().count(|counts| counts.failures += 1);
            return Err(refusal(&Failure::NoEndpoint));
        }
        for name in &routes.remove {
            head.headers.remove(name);
        }
        headers::ensure_request_id(&mut head.headers);
        if let Some(protocol) = wanted_upgrade(&head, listener)? {
            return self
                .tunnel(
                    upstream,
                    &authority,
                    &protocol,
                    Request::from_parts(head, body),
                )
                .await;
        }
        let version = head.version;
        clean(&mut head);
        let copies = mirror::start(
            mirrors,
            &plane,
            &head,
            body.size_hint(),
            &self.stats,
            &self.tasks,
        );
        let body = Tee::new(body, copies).map_err(Into::into).boxed_unsync();
        let response = send(
            upstream,
            version,
            &authority,
            Request::from_parts(head, body),
        )
        .await?;
        let (mut head, body) = response.into_parts();
        headers::strip_hop_by_hop(&mut head.headers);
        Ok(Response::from_parts(head, body.boxed_unsync()))
    }

    /// A request to change the protocol. It is never copied: a copy would be a conversation of its own.
    async fn tunnel(
        &self,
        upstream: &Arc<Upstream>,
        authority: &Authority,
        protocol: &str,
        mut request: Request<Incoming>,
    ) -> Result<Response<Body>, Refusal> {
        let downstream = hyper::upgrade::on(&mut request);
        let (mut head, body) = request.into_parts();
        let version = head.version;
        let wanted = head.headers.get(header::UPGRADE).cloned();
        clean(&mut head);
        upgrade::announce(&mut head.headers, wanted);
        let body = body.map_err(Into::into).boxed_unsync();
        let response = send(
            upstream,
            version,
            authority,
            Request::from_parts(head, body),
        )
        .await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            tracing::debug!(protocol, "upgraded");
            return Ok(upgrade::tunnel(downstream, response, &self.tasks));
        }
        let (mut head, body) = response.into_parts();
        headers::strip_hop_by_hop(&mut head.headers);
        Ok(Response::from_parts(head, body.boxed_unsync()))
    }
}

/// The authority of a request, which becomes its Host (RFC 9112, section 3.2): that of an absolute URI wins over the
/// header.
fn take_authority(head: &mut Parts) -> Result<Authority, Refusal> {
    let bad = |text| Refusal(StatusCode::BAD_REQUEST, text);
    if head
        .uri
        .scheme_str()
        .is_some_and(|scheme| !scheme.eq_ignore_ascii_case("http"))
    {
        return Err(Refusal(
            StatusCode::NOT_IMPLEMENTED,
            "only http is forwarded",
        ));
    }
    let authority = match head.uri.authority() {
        Some(authority) => authority.clone(),
        None => head
            .headers
            .get(header::HOST)
            .and_then(|host| Authority::try_from(host.as_bytes()).ok())
            .ok_or_else(|| bad("no valid host"))?,
    };
    // A name and a password are no part of a Host (RFC 9110, section 4.2.4).
    if authority.as_str().contains('@') {
        return Err(bad("no valid host"));
    }
    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| bad("no valid host"))?;
    head.headers.insert(header::HOST, host);
    Ok(authority)
}

/// The protocol to change to. Only those that the listener allows pass; `h2c` is not taken up, which RFC 9110, section
/// 7.8, leaves to the server.
fn wanted_upgrade(head: &Parts, listener: &Listener) -> Result<Option<String>, Refusal> {
    if head.version == Version::HTTP_2 {
        return Ok(None);
    }
    match headers::upgrade(&head.headers) {
        Some(protocol) if listener.upgrades.contains(&protocol) => Ok(Some(protocol)),
        None => Ok(None),
        Some(protocol) if protocol == "h2c" => Ok(None),
        Some(_) => Err(Refusal(
            StatusCode::FORBIDDEN,
            "this upgrade is not allowed",
        )),
    }
}

/// Makes the head of a request what is passed on.
fn clean(head: &mut Parts) {
    headers::strip_hop_by_hop(&mut head.headers);
    // The server side has answered it, or does as soon as the body is read.
    head.headers.remove(header::EXPECT);
    head.headers.remove("http2-settings");
    if let Some(path) = head.uri.path_and_query() {
        head.uri = Uri::from(path.clone());
    }
    // What is left says how the header names were written.
    head.extensions.remove::<hyper::upgrade::OnUpgrade>();
}

async fn send(
    upstream: &Arc<Upstream>,
    version: Version,
    authority: &Authority,
    request: Request<Body>,
) -> Result<Response<super::upstream::Answer>, Refusal> {
    let sent = async {
        let admitted = upstream.admit()?;
        upstream
            .send(admitted, version, authority.as_str(), request)
            .await
    };
    let stats = upstream.stats();
    match sent.await {
        Ok(response) => {
            let class = response.status().as_u16() / 100;
            stats.count(|counts| *counts.responses.entry(class).or_default() += 1);
            Ok(response)
        }
        Err(failure) => {
            let cluster = upstream.cluster.name.as_str();
            let source = failure.source();
            tracing::debug!(cluster, %failure, source, "request failed");
            stats.count(|counts| counts.failures += 1);
            Err(refusal(&failure))
        }
    }
}

fn refusal(failure: &Failure) -> Refusal {
    let unavailable = |text| Refusal(StatusCode::SERVICE_UNAVAILABLE, text);
    match failure {
        Failure::NoEndpoint => unavailable("no endpoint is ready"),
        Failure::Overflow => unavailable("too many requests at once"),
        Failure::Timeout => Refusal(StatusCode::GATEWAY_TIMEOUT, "no answer in time"),
        Failure::Resolve(..) => unavailable("the host cannot be found"),
        Failure::Authority(_) => Refusal(StatusCode::BAD_REQUEST, "no valid host"),
        Failure::Send(_) => unavailable("the upstream cannot be reached"),
    }
}

fn text_response(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
