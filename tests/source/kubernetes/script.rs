//! An API server that answers what a test says, on loopback.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::Mutex;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use http::Request;
use http::Response;
use http_body_util::BodyExt;
use http_body_util::StreamBody;
use http_body_util::combinators::BoxBody;
use hyper::body::Frame;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::Config;
use serde_json::Value;
use serde_json::json;
use tokio::net::TcpListener;

/// What a client asks for of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ask {
    /// Which kinds there are beside it.
    Kinds,
    List,
    Watch,
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    lines: Vec<String>,
    /// Whether nothing follows; else the connection is held, and nothing comes.
    ends: bool,
}

impl Answer {
    /// A page of a list, with the token of the next one.
    pub(crate) fn page(objects: &[Value], version: &str, next: &str) -> Self {
        let metadata = json!({"resourceVersion": version, "continue": next});
        Self::text(
            200,
            &json!({"metadata": metadata, "items": objects}).to_string(),
        )
    }

    /// A whole list.
    pub(crate) fn list(objects: &[Value], version: &str) -> Self {
        Self::page(objects, version, "")
    }

    /// An error as the API server puts it.
    pub(crate) fn error(status: u16, message: &str) -> Self {
        let body = json!({"kind": "Status", "status": "Failure", "code": status, "message": message, "reason": ""});
        Self::text(status, &body.to_string())
    }

    /// Anything.
    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self {
            status,
            lines: vec![body.to_owned()],
            ends: true,
        }
    }

    /// Events of a watch, which then goes on in silence.
    pub(crate) fn events(events: &[(&str, Value)]) -> Self {
        let lines = events
            .iter()
            .map(|(ty, object)| format!("{}\n", json!({"type": ty, "object": object})));
        Self {
            status: 200,
            lines: lines.collect(),
            ends: false,
        }
    }

    /// The same, and then the watch ends.
    pub(crate) fn ends(mut self) -> Self {
        self.ends = true;
        self
    }
}

type Script = HashMap<(&'static str, Ask), VecDeque<Answer>>;

/// The server. What is not scripted is as in a cluster without objects in which nothing happens.
#[derive(Clone, Default)]
pub(crate) struct Server {
    script: Arc<Mutex<Script>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Adds an answer to what is asked of a kind, given by its plural. The last one is given again and again.
    pub(crate) fn answer(&self, plural: &'static str, ask: Ask, answer: Answer) {
        let mut script = self.script.lock().unwrap();
        script.entry((plural, ask)).or_default().push_back(answer);
    }

    /// The queries of a kind so far.
    pub(crate) fn asked(&self, plural: &str, watch: bool) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        let of_kind = asked.iter().filter_map(|uri| uri.split_once('?'));
        of_kind
            .filter(|(path, query)| path.ends_with(plural) && query.contains("watch=") == watch)
            .map(|(_, query)| query.to_owned())
            .collect()
    }

    /// Starts it, for as long as the runtime of the test runs.
    pub(crate) async fn start(&self) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = self.clone();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let server = server.clone();
                let service = service_fn(move |request| {
                    let answer = server.respond(&request);
                    async move { Ok::<_, Infallible>(answer) }
                });
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(socket), service);
                tokio::spawn(async move { connection.await.ok() });
            }
        });
        let mut config = Config::new(url.parse().unwrap());
        config.default_retry = false;
        Client::try_from(config).unwrap()
    }

    fn respond(&self, request: &Request<Incoming>) -> Response<BoxBody<Bytes, Infallible>> {
        let uri = request.uri();
        self.asked.lock().unwrap().push(uri.to_string());
        let path = uri.path().trim_start_matches('/');
        let parts: Vec<&str> = path.split('/').collect();
        let (group_version, plural) = match parts.as_slice() {
            ["api", version] => (format!("/{version}"), None),
            ["api", version, plural] => (format!("/{version}"), Some(*plural)),
            ["apis", group, version] => (format!("{group}/{version}"), None),
            ["apis", group, version, plural] => (format!("{group}/{version}"), Some(*plural)),
            _ => return send(Answer::error(404, path)),
        };
        let Some(plural) = plural else {
            return send(self.kinds(&group_version));
        };
        let is_watch = uri.query().unwrap_or_default().contains("watch=");
        let ask = if is_watch { Ask::Watch } else { Ask::List };
        let scripted = self.next(plural, ask);
        send(scripted.unwrap_or_else(|| match ask {
            Ask::Watch => Answer::events(&[]),
            _ => Answer::list(&[], "1"),
        }))
    }

    fn next(&self, plural: &str, ask: Ask) -> Option<Answer> {
        let mut script = self.script.lock().unwrap();
        let mut answers = script.iter_mut();
        let (_, answers) = answers.find(|((of, asked), _)| *of == plural && *asked == ask)?;
        if answers.len() > 1 {
            answers.pop_front()
        } else {
            answers.front().cloned()
        }
    }

    fn kinds(&self, group_version: &str) -> Answer {
        let kinds: &[(&str, &str)] = match group_version {
            "/v1" => &[
                ("pods", "Pod"),
                ("services", "Service"),
                ("namespaces", "Namespace"),
            ],
            "discovery.k8s.io/v1" => &[("endpointslices", "EndpointSlice")],
            "plugin.flomesh.io/v1alpha1" => &[
                ("plugins", "Plugin"),
                ("pluginchains", "PluginChain"),
                ("pluginconfigs", "PluginConfig"),
            ],
            "config.openservicemesh.io/v1alpha2" => &[("meshconfigs", "MeshConfig")],
            _ => return Answer::error(404, group_version),
        };
        for (plural, _) in kinds {
            if let Some(answer) = self.next(plural, Ask::Kinds) {
                return answer;
            }
        }
        kinds_answer(kinds)
    }
}

/// The kinds of a group, by plural and name.
pub(crate) fn kinds_answer(kinds: &[(&str, &str)]) -> Answer {
    let resources: Vec<_> = kinds
        .iter()
        .map(|(plural, kind)| {
            json!({"name": plural, "kind": kind, "singularName": "", "namespaced": true, "verbs": []})
        })
        .collect();
    let list = json!({"kind": "APIResourceList", "groupVersion": "", "resources": resources});
    Answer::text(200, &list.to_string())
}

fn send(answer: Answer) -> Response<BoxBody<Bytes, Infallible>> {
    let lines = answer.lines.into_iter();
    let lines = stream::iter(lines.map(|line| Ok(Frame::data(Bytes::from(line)))));
    let body = if answer.ends {
        BodyExt::boxed(StreamBody::new(lines))
    } else {
        BodyExt::boxed(StreamBody::new(lines.chain(stream::pending())))
    };
    let response = Response::builder().status(answer.status);
    response
        .header("content-type", "application/json")
        .body(body)
        .unwrap()
}
