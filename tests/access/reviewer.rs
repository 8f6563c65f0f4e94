//! An API server that reviews tokens as a test tells it to.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use mirrorplane::access::Reviews;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What the API server does with a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    /// Answers after a while.
    Slow,
    /// Answers with 503.
    Away,
    /// Never answers.
    Silent,
}

/// The script, and what came of it.
#[derive(Debug)]
pub(crate) struct Reviewer {
    statuses: Mutex<BTreeMap<String, Value>>,
    mood: Mutex<Mood>,
    asked: AtomicUsize,
    under_way: AtomicUsize,
    most: AtomicUsize,
}

impl Reviewer {
    /// Starts it, with a client of it that asks for tokens of the audience `mirrorplane`.
    pub(crate) async fn start() -> (Arc<Self>, Arc<Reviews>) {
        let this = Arc::new(Self {
            statuses: Mutex::default(),
            mood: Mutex::new(Mood::Well),
            asked: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut config = kube::Config::new(url.parse().unwrap());
        config.default_retry = false;
        let client = kube::Client::try_from(config).unwrap();
        let served = Arc::clone(&this);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let served = Arc::clone(&served);
                let service = service_fn(move |request| Arc::clone(&served).answer(request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        (this, Reviews::new(client, "mirrorplane"))
    }

    pub(crate) fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// A token that is good for so many seconds and belongs to a Pod of `curl`.
    pub(crate) fn issue(&self, pod: &str, seconds: u64) -> String {
        self.issue_as(
            &format!("{pod} {seconds}"),
            seconds,
            json!({
                "authenticated": true,
                "audiences": ["mirrorplane"],
                "user": {
                    "username": "system:serviceaccount:curl:default",
                    "extra": { "authentication.kubernetes.io/pod-name": [pod] },
                },
            }),
        )
    }

    /// A token of which the API server says this.
    pub(crate) fn issue_as(&self, name: &str, seconds: u64, status: Value) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let claims = json!({ "exp": now.unwrap().as_secs() + seconds, "jti": name });
        let claims = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
        let token = format!("e30.{claims}.c2lnbmVk");
        self.revise(&token, status);
        token
    }

    /// From now on it says this of a token.
    pub(crate) fn revise(&self, token: &str, status: Value) {
        let mut statuses = self.statuses.lock().unwrap();
        statuses.insert(token.to_owned(), status);
    }

    /// How many reviews were asked for.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// How many reviews there were at the same time, at most.
    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        assert_eq!(
            request.uri().path(),
            "/apis/authentication.k8s.io/v1/tokenreviews"
        );
        self.asked.fetch_add(1, Ordering::SeqCst);
        let under_way = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(under_way, Ordering::SeqCst);
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let mut review: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(review["spec"]["audiences"], json!(["mirrorplane"]));
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Silent => std::future::pending().await,
            Mood::Slow => tokio::time::sleep(Duration::from_millis(50)).await,
            Mood::Well | Mood::Away => {}
        }
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        let (code, answer) = if mood == Mood::Away {
            let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure",
                "message": "etcd is away", "reason": "ServiceUnavailable", "code": 503 });
            (503, status)
        } else {
            let statuses = self.statuses.lock().unwrap();
            let token = review["spec"]["token"].as_str().unwrap();
            let unknown = json!({ "authenticated": false, "error": "invalid bearer token" });
            let status = statuses.get(token).unwrap_or(&unknown).clone();
            review["status"] = status;
            (201, review)
        };
        let response = Response::builder()
            .status(code)
            .header("content-type", "application/json");
        Ok(response.body(Full::from(answer.to_string())).unwrap())
    }
}
