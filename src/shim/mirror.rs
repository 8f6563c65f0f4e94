//! Copies of requests.
//!
//! A copy is a guest: it runs in its own task, behind a bounded buffer, within the breakers and the time bound of its own
//! cluster. Nothing here can delay the request or make it fail.

use std::error::Error;
use std::sync::Arc;

use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Request, Response, Version};
use http_body::SizeHint;
use http_body_util::BodyExt;
use tokio::time::Instant;

use super::buffer::{Cut, Guard, Reader, Writer, buffer};
use super::config::{HostRewrite, Mirror};
use super::edit;
use super::plane::Plane;
use super::stats::{DropReason, Stats};
use super::task::Tasks;
use super::upstream::{Admitted, Failure, Upstream};

/// Starts the copies that the sampling chooses, and returns where the body of the request has to be written to. `head` is
/// the request as it goes to its own cluster.
pub(super) fn start(
    mirrors: &[Mirror],
    plane: &Plane,
    head: &Parts,
    size: SizeHint,
    stats: &Stats,
    tasks: &Tasks,
) -> Vec<Writer> {
    // One number for all mirrors of a request, so that a smaller share is a part of a larger one.
    let random = fastrand::u64(..);
    mirrors
        .iter()
        .filter(|mirror| match &mirror.share {
            Some(share) => plane.runtime.samples(share, random),
            None => true,
        })
        .filter_map(|mirror| {
            let Some(upstream) = plane.clusters.get(&mirror.cluster) else {
                stats
                    .cluster(&mirror.cluster)
                    .dropped(DropReason::NoCluster);
                return None;
            };
            let Ok(admitted) = upstream.admit() else {
                upstream.stats().dropped(DropReason::Overflow);
                return None;
            };
            let (writer, reader, guard) = buffer(upstream.cluster.buffer_limit, size);
            let (authority, request) = copy(mirror, head, reader)?;
            upstream.stats().count(|counts| counts.copies += 1);
            tasks.spawn(run(
                Arc::clone(upstream),
                admitted,
                authority,
                request,
                guard,
            ));
            Some(writer)
        })
        .collect()
}

/// The copy of a request, and the authority it goes to. `None` if its Host is not text, which no request has got here
/// with.
fn copy(mirror: &Mirror, head: &Parts, body: Reader) -> Option<(String, Request<Reader>)> {
    let mut headers = head.headers.clone();
    let host = rewritten(&mirror.host, headers.get(header::HOST)?)?;
    let authority = host.to_str().ok()?.to_owned();
    headers.insert(header::HOST, host);
    edit::apply(&mirror.mutations, &mut headers);
    let mut request = Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = head.uri.clone();
    *request.headers_mut() = headers;
    Some((authority, request))
}

fn rewritten(rewrite: &HostRewrite, host: &HeaderValue) -> Option<HeaderValue> {
    match rewrite {
        HostRewrite::Keep => Some(host.clone()),
        HostRewrite::Literal(literal) => Some(literal.clone()),
        HostRewrite::Suffix => {
            let host = host.to_str().ok()?;
            // The colon of a port, not one within an IPv6 address.
            let text = match host.rsplit_once(':') {
                Some((name, port)) if !port.contains(']') => format!("{name}-shadow:{port}"),
                _ => format!("{host}-shadow"),
            };
            HeaderValue::from_str(&text).ok()
        }
    }
}

async fn run(
    upstream: Arc<Upstream>,
    admitted: Admitted,
    authority: String,
    request: Request<Reader>,
    guard: Guard,
) {
    let result = tokio::select! {
        // A cut makes the sending fail as well: it is looked at first, as it is the cause.
        biased;
        cut = guard.cut() => Err(cut.into()),
        result = send(&upstream, admitted, &authority, request) => result,
    };
    let stats = upstream.stats();
    match result {
        Ok(class) => stats.count(|counts| *counts.responses.entry(class).or_default() += 1),
        Err(error) => {
            tracing::debug!(cluster = upstream.cluster.name, error, "copy failed");
            match dropped(&*error) {
                Some(reason) => stats.dropped(reason),
                None => stats.count(|counts| counts.failures += 1),
            }
        }
    }
}

/// Whether the copy was dropped on our side.
fn dropped(error: &(dyn Error + 'static)) -> Option<DropReason> {
    match (error.downcast_ref(), error.downcast_ref()) {
        (Some(Cut::Full), _) => Some(DropReason::BufferFull),
        (Some(Cut::Aborted | Cut::GivenUp), _) => Some(DropReason::Aborted),
        (_, Some(Failure::Timeout)) => Some(DropReason::Timeout),
        (_, Some(Failure::NoEndpoint)) => Some(DropReason::NoEndpoint),
        _ => None,
    }
}

/// Sends the copy and reads its answer to the end; yields the class of its status.
async fn send(
    upstream: &Upstream,
    admitted: Admitted,
    authority: &str,
    request: Request<Reader>,
) -> Result<u16, Box<dyn Error + Send + Sync>> {
    let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
    let begun = Instant::now();
    // As in Envoy, a copy has no caller whose protocol it could follow.
    let response: Response<_> = upstream
        .send(admitted, Version::HTTP_11, authority, request)
        .await?;
    let slow_after = upstream.cluster.filters.slow_after;
    if slow_after.is_some_and(|after| begun.elapsed() >= after) {
        upstream.stats().count(|counts| counts.slow += 1);
    }
    let class = response.status().as_u16() / 100;
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_rewritten_as_told() {
        let literal = HostRewrite::Literal(HeaderValue::from_static("other"));
        for (rewrite, host, expected) in [
            (&HostRewrite::Keep, "a:80", "a:80"),
            (&HostRewrite::Suffix, "a", "a-shadow"),
            (&HostRewrite::Suffix, "a:80", "a-shadow:80"),
            (&HostRewrite::Suffix, "[::1]", "[::1]-shadow"),
            (&literal, "a", "other"),
        ] {
            let host = HeaderValue::from_static(host);
            assert_eq!(rewritten(rewrite, &host).unwrap(), expected);
        }
    }
}
