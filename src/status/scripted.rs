//! Statuses as a scripted API server sees them: minutes pass at once, and it refuses whatever it is told to.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::Mutex;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Request;
use http::Response;
use http_body_util::BodyExt;
use http_body_util::Full;
use kube::Client;
use kube::client::Body;
use serde_json::Value;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::sleep;
use tonic::codegen::Service;

use super::Counts;
use super::Facts;
use super::Settings;
use super::run;
use crate::diag::Code;
use crate::diag::Diagnostic;
use crate::diag::FieldPath;
use crate::diag::ObjectRef;
use crate::diag::Origin;
use crate::model::GroupId;
use crate::model::Model;
use crate::name::Namespaced;

#[derive(Default)]
struct Cluster {
    lease: Option<Value>,
    /// The status of each Plugin.
    plugins: BTreeMap<String, Value>,
    /// Those whose status is too large.
    refused: BTreeSet<String>,
    /// Whether Plugins have no status.
    closed: bool,
    lists: usize,
    /// The Plugins whose status somebody tried to write.
    tries: Vec<String>,
}

impl Cluster {
    fn plugin(&self, name: &str) -> Value {
        json!({ "apiVersion": "plugin.flomesh.io/v1alpha1", "kind": "Plugin",
            "metadata": { "name": name }, "status": self.plugins[name] })
    }

    fn answer(&mut self, method: &str, path: &str, body: Value) -> Result<Value, u16> {
        let parts: Vec<&str> = path.rsplit('/').collect();
        match (method, parts.as_slice()) {
            ("GET", ["mirrorplane-leader", ..]) => self.lease.clone().ok_or(404),
            ("PUT", ["mirrorplane-leader", ..]) | ("POST", ["leases", ..]) => {
                self.lease = Some(body.clone());
                Ok(body)
            }
            ("GET", ["configmaps" | "pluginchains" | "pluginconfigs", ..]) => {
                Ok(json!({ "metadata": {}, "items": [] }))
            }
            ("GET", ["plugins", ..]) => {
                self.lists += 1;
                let items: Vec<_> = self.plugins.keys().map(|name| self.plugin(name)).collect();
                Ok(json!({ "metadata": {}, "items": items }))
            }
            ("GET", [name, "plugins", ..]) => Ok(self.plugin(name)),
            ("PATCH", ["status", name, "plugins", ..]) => {
                self.tries.push((*name).to_owned());
                if self.closed {
                    return Err(404);
                }
                if self.refused.contains(*name) {
                    return Err(500);
                }
                self.plugins
                    .insert((*name).to_owned(), body["status"].clone());
                Ok(self.plugin(name))
            }
            _ => Err(404),
        }
    }
}

#[derive(Clone, Default)]
struct Server(Arc<Mutex<Cluster>>);

impl Service<Request<Body>> for Server {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let server = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let body = serde_json::from_slice(&body).unwrap_or_default();
            let answer =
                server.with(|cluster| cluster.answer(head.method.as_str(), head.uri.path(), body));
            let (code, body) = match answer {
                Ok(body) => (200, body),
                Err(code) => (
                    code,
                    json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
                        "message": "no", "reason": if code == 404 { "NotFound" } else { "InternalError" } }),
                ),
            };
            let response = Response::builder().status(code);
            Ok(response
                .body(Full::from(body.to_string().into_bytes()))
                .unwrap())
        })
    }
}

impl Server {
    fn with<T>(&self, see: impl FnOnce(&mut Cluster) -> T) -> T {
        see(&mut self.0.lock().unwrap())
    }

    fn new(plugins: &[String]) -> Self {
        let server = Self::default();
        let all = plugins.iter().map(|name| (name.clone(), Value::Null));
        server.with(|cluster| cluster.plugins = all.collect());
        server
    }

    /// The Plugins that have a status.
    fn written(&self) -> Vec<String> {
        self.with(|cluster| {
            let all = cluster.plugins.iter();
            let written = all.filter(|(_, status)| status["conditions"].is_array());
            written.map(|(name, _)| name.clone()).collect()
        })
    }

    fn tries(&self, name: &str) -> usize {
        self.with(|cluster| cluster.tries.iter().filter(|one| *one == name).count())
    }

    /// Statuses are written while this goes on.
    async fn during(&self, facts: watch::Receiver<Option<Arc<Facts>>>, scene: impl Future) {
        let settings = Settings {
            client: Client::new(self.clone(), "default"),
            namespace: "mirrorplane-system".to_owned(),
            identity: "this".to_owned(),
            owner: None,
        };
        let (_go_on, stopping) = watch::channel(false);
        let counts = Counts::default();
        tokio::select! {
            () = run(settings, facts, Arc::default(), &counts, stopping) => panic!("it stopped"),
            _ = scene => {}
        }
    }
}

/// Something is said about each of these Plugins.
fn facts(plugins: &[String], message: &str) -> Option<Arc<Facts>> {
    let said = plugins.iter().map(|name| {
        let origin = Origin {
            object: Some(ObjectRef {
                kind: "Plugin".to_owned(),
                name: Namespaced::cluster(name.clone()),
            }),
            document: None,
            within: Vec::new(),
        };
        Diagnostic::new(
            Code::UnsupportedPlugin,
            &origin,
            FieldPath::default(),
            message,
        )
    });
    let model = Model {
        nodes: Arc::default(),
        groups: BTreeMap::new(),
        fallback: GroupId::new("fallback"),
    };
    Some(Arc::new(Facts {
        state: Arc::default(),
        report: said.collect(),
        model: Arc::new(model),
        ramps: Arc::default(),
        budgets: Arc::default(),
        rates: Arc::default(),
        refused: Arc::default(),
        rollouts: Vec::new(),
    }))
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("plugin-{at:02}")).collect()
}

async fn seconds(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_written_keeps_no_other_from_its_status() {
    let plugins = names(3);
    let server = Server::new(&plugins);
    server.with(|cluster| cluster.refused.insert(plugins[0].clone()));
    let (_facts, receiver) = watch::channel(facts(&plugins, "no"));
    let scene = async {
        seconds(60).await;
        assert_eq!(server.written(), plugins[1..]);
        let tries = server.tries(&plugins[0]);
        assert!((4..=6).contains(&tries), "{tries} tries");
        assert_eq!(server.tries(&plugins[1]), 1);
        server.with(|cluster| cluster.refused.clear());
        seconds(70).await;
        assert_eq!(server.written(), plugins);
        assert_eq!(server.tries(&plugins[0]), tries + 1);
    };
    server.during(receiver, scene).await;
}

#[tokio::test(start_paused = true)]
async fn no_object_comes_too_late_because_of_others_that_change_always() {
    let plugins = names(50);
    let server = Server::new(&plugins);
    let (news, receiver) = watch::channel(facts(&plugins, "no"));
    let scene = async {
        for second in 0..20 {
            seconds(1).await;
            news.send_replace(facts(&plugins, &format!("no {second}")));
        }
        assert_eq!(server.written(), plugins);
    };
    server.during(receiver, scene).await;
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_wrote_is_set_right_in_time() {
    let plugins = names(3);
    let server = Server::new(&plugins);
    let (_facts, receiver) = watch::channel(facts(&plugins, "no"));
    let scene = async {
        seconds(30).await;
        assert_eq!(server.written(), plugins);
        server.with(|cluster| cluster.plugins.insert(plugins[1].clone(), json!({})));
        seconds(310).await;
        assert_eq!(server.written(), plugins);
        seconds(3_000).await;
        assert_eq!(server.with(|cluster| cluster.tries.len()), 4);
        let lists = server.with(|cluster| cluster.lists);
        assert!((10..=12).contains(&lists), "{lists} lists");
    };
    server.during(receiver, scene).await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_gets_a_status_later_is_written_then() {
    let plugins = names(3);
    let server = Server::new(&plugins);
    server.with(|cluster| cluster.closed = true);
    let (_facts, receiver) = watch::channel(facts(&plugins, "no"));
    let scene = async {
        seconds(280).await;
        assert_eq!(server.with(|cluster| cluster.tries.len()), 1);
        server.with(|cluster| cluster.closed = false);
        seconds(60).await;
        assert_eq!(server.written(), plugins);
    };
    server.during(receiver, scene).await;
}
