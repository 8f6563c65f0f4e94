//! Which path is answered with what: no sockets here.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::Response;
use http::StatusCode;
use http::header::ALLOW;
use http::header::CACHE_CONTROL;
use http::header::CONTENT_TYPE;
use http_body_util::Full;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use super::loads::Loads;
use super::nodes::NodeList;
use crate::rollout::Board;
use crate::server::Stats;
use crate::snapshot::World;

const TEXT: &str = "text/plain; charset=utf-8";
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const JSON: &str = "application/json";

const INDEX: &str = "mirrorplane\n\n/livez\n/readyz\n/metrics\n/nodes\n";

/// What the pages are made of.
pub struct Pages {
    registry: Registry,
    stats: Arc<Stats>,
    loads: Arc<Loads>,
    board: Arc<Board>,
    world: watch::Receiver<Option<Arc<World>>>,
    stopping: watch::Receiver<bool>,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

/// The answer to a request.
pub(super) type Page = Response<Full<Bytes>>;

impl Pages {
    /// Pages about a server, its configuration, what is tried of that, what it serves now, and whether it was asked to stop.
    pub fn new(
        stats: Arc<Stats>,
        loads: Arc<Loads>,
        board: Arc<Board>,
        world: watch::Receiver<Option<Arc<World>>>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let mut registry = Registry::with_prefix("mirrorplane");
        registry.register(
            "build",
            "The program that answers",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        stats.register(&mut registry);
        loads.register(&mut registry);
        board.register(&mut registry);
        Self {
            registry,
            stats,
            loads,
            board,
            world,
            stopping,
        }
    }

    /// Adds what others count to the metrics.
    #[must_use]
    pub fn counting(mut self, register: impl FnOnce(&mut Registry)) -> Self {
        register(&mut self.registry);
        self
    }

    /// The answer to a request. Total: every method and path has one.
    pub(super) fn answer(&self, method: &Method, path: &str) -> Page {
        if method != Method::GET && method != Method::HEAD {
            let mut refusal = page(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n");
            let allow = http::HeaderValue::from_static("GET, HEAD");
            refusal.headers_mut().insert(ALLOW, allow);
            return refusal;
        }
        match path {
            "/" => page(StatusCode::OK, TEXT, INDEX),
            "/livez" => page(StatusCode::OK, TEXT, "ok\n"),
            "/readyz" => match self.not_ready() {
                None => page(StatusCode::OK, TEXT, "ok\n"),
                Some(why) => page(StatusCode::SERVICE_UNAVAILABLE, TEXT, why),
            },
            "/metrics" => {
                let mut text = String::new();
                match encode(&mut text, &self.registry) {
                    Ok(()) => page(StatusCode::OK, METRICS, text),
                    Err(error) => failed(&error),
                }
            }
            "/nodes" => {
                let nodes = NodeList::new(
                    self.loads.generation(),
                    self.stats.sidecars(),
                    self.board.rollouts(),
                );
                match serde_json::to_vec(&nodes) {
                    Ok(json) => page(StatusCode::OK, JSON, json),
                    Err(error) => failed(&error),
                }
            }
            _ => page(
                StatusCode::NOT_FOUND,
                TEXT,
                "no such page; there is a list at /\n",
            ),
        }
    }

    /// Why sidecars should not be sent here, if so.
    fn not_ready(&self) -> Option<&'static str> {
        if *self.stopping.borrow() {
            Some("stopping\n")
        } else if self.world.borrow().is_none() {
            Some("the sources are not read yet\n")
        } else {
            None
        }
    }
}

fn page(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Page {
    let mut page = Response::new(Full::new(body.into()));
    *page.status_mut() = status;
    let headers = page.headers_mut();
    headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    page
}

fn failed(error: &dyn fmt::Display) -> Page {
    tracing::warn!(%error, "cannot write a page");
    page(
        StatusCode::INTERNAL_SERVER_ERROR,
        TEXT,
        "cannot write this page\n",
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::Method;
    use tokio::sync::watch;

    use super::Pages;
    use crate::model::GroupId;
    use crate::snapshot::World;

    /// Of a control plane that has counted nothing yet.
    fn pages(world: watch::Receiver<Option<Arc<World>>>, stopping: watch::Receiver<bool>) -> Pages {
        let (stats, loads, board) = Default::default();
        Pages::new(stats, loads, board, world, stopping)
    }

    #[test]
    fn ready_is_from_the_first_world_to_the_order_to_stop() {
        let (worlds, world) = watch::channel(None);
        let (stop, stopping) = watch::channel(false);
        let pages = pages(world, stopping);
        let status = |path| pages.answer(&Method::GET, path).status().as_u16();
        assert_eq!((status("/livez"), status("/readyz")), (200, 503));
        worlds.send_replace(Some(Arc::new(World {
            groups: Default::default(),
            nodes: Default::default(),
            fallback: GroupId::new("fallback"),
            exceptions: Default::default(),
        })));
        assert_eq!((status("/livez"), status("/readyz")), (200, 200));
        stop.send_replace(true);
        assert_eq!((status("/livez"), status("/readyz")), (200, 503));
    }

    #[test]
    fn every_method_and_path_has_an_answer() {
        let (_worlds, world) = watch::channel(None);
        let (_stop, stopping) = watch::channel(false);
        let pages = pages(world, stopping);
        for (method, path, expected) in [
            (Method::GET, "/", 200),
            (Method::HEAD, "/metrics", 200),
            (Method::GET, "/nodes", 200),
            (Method::GET, "/nodes/", 404),
            (Method::GET, "/ü", 404),
            (Method::POST, "/nodes", 405),
            (Method::DELETE, "/", 405),
        ] {
            let page = pages.answer(&method, path);
            assert_eq!(page.status().as_u16(), expected, "{method} {path}");
        }
    }
}
