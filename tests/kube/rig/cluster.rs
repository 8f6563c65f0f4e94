//! etcd, kube-apiserver and kube-controller-manager as one thing.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

use super::DEADLINE;
use super::authority::{Files, prepare};
use super::guarded::{Guarded, Removes};

/// What runs in a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parts {
    /// The API alone: nothing fills EndpointSlices, collects garbage or finishes the deletion of a Namespace.
    Api,
    /// The controllers as well.
    Controllers,
}

/// A Kubernetes API; dropping it ends its programs in order. They end with the test process in any case.
#[derive(Debug)]
pub(crate) struct Cluster {
    // In the order in which they have to end.
    controllers: Option<Guarded>,
    api: Mutex<Option<Guarded>>,
    _etcd: Guarded,
    files: Files,
    ports: Ports,
    assets: PathBuf,
    namespaces: AtomicU32,
    folder: TempDir,
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    api: u16,
    etcd: u16,
    etcd_peer: u16,
}

impl Ports {
    /// Free ones, below the range from which the kernel picks ports for clients.
    fn pick() -> Self {
        let free = || {
            (0..200)
                .map(|_| fastrand::u16(20_000..32_000))
                .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
                .expect("some port is free")
        };
        Self {
            api: free(),
            etcd: free(),
            etcd_peer: free(),
        }
    }
}

impl Cluster {
    /// The cluster of this test binary, with controllers and our kinds; `None` if this machine has no binaries for one.
    pub(crate) async fn shared() -> Option<&'static Self> {
        static SHARED: OnceCell<Option<Cluster>> = OnceCell::const_new();
        let shared = SHARED.get_or_init(async || {
            let cluster = Self::own(Parts::Controllers).await?;
            cluster.define_kinds().await;
            Some(cluster)
        });
        shared.await.as_ref()
    }

    /// A cluster that a test may break, without our kinds; `None` if this machine has no binaries for one.
    pub(crate) async fn own(parts: Parts) -> Option<Self> {
        let assets = assets()?;
        // Two that start at once may pick the same port.
        for _ in 0..3 {
            if let Ok(cluster) = Self::start(&assets, parts).await {
                return Some(cluster);
            }
        }
        match Self::start(&assets, parts).await {
            Ok(cluster) => Some(cluster),
            Err(log) => panic!("the cluster does not start:\n{log}"),
        }
    }

    /// Starts everything; the log of what did not start, if its ports were taken.
    async fn start(assets: &Path, parts: Parts) -> Result<Self, String> {
        let folder = tempfile::Builder::new()
            .prefix("mirrorplane-kube.")
            .tempdir()
            .unwrap();
        let ports = Ports::pick();
        let files = prepare(folder.path(), &format!("https://127.0.0.1:{}", ports.api));
        let etcd = start_etcd(assets, ports, folder.path());
        settled(&etcd, async || {
            let health = format!("http://127.0.0.1:{}/health", ports.etcd);
            ask(&health, None).await.is_some()
        })
        .await?;
        let mut cluster = Self {
            controllers: None,
            api: Mutex::new(None),
            _etcd: etcd,
            files,
            ports,
            assets: assets.to_owned(),
            namespaces: AtomicU32::new(0),
            folder,
        };
        cluster.try_start_api_server().await?;
        if parts == Parts::Controllers {
            cluster.controllers = Some(cluster.start_controllers());
        }
        Ok(cluster)
    }

    /// A client with all rights. It belongs to the runtime that asks for it: one per test.
    pub(crate) async fn client(&self) -> Client {
        Client::try_from(self.config().await).unwrap()
    }

    /// How a client with all rights connects.
    pub(crate) async fn config(&self) -> Config {
        let text = std::fs::read_to_string(self.kubeconfig()).unwrap();
        let kubeconfig = Kubeconfig::from_yaml(&text).unwrap();
        let options = KubeConfigOptions::default();
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .unwrap();
        config.proxy_url = None;
        config
    }

    /// The path of a kubeconfig with all rights.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.files.kubeconfig
    }

    /// `https://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports.api)
    }

    /// A folder for whatever a test keeps; it goes with the cluster.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// One of the programs that belong to this version of Kubernetes.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.assets.join(name)
    }

    /// A Namespace that nobody else has, whose name starts with this.
    pub(crate) async fn namespace(&self, prefix: &str) -> String {
        self.labelled_namespace(prefix, json!({})).await
    }

    /// The same with labels, an object of texts.
    pub(crate) async fn labelled_namespace(&self, prefix: &str, labels: Value) -> String {
        let number = self.namespaces.fetch_add(1, Ordering::Relaxed);
        let name = format!("{prefix}-{number}");
        let namespace = json!({"metadata": {"name": name, "labels": labels}});
        let namespace: Namespace = serde_json::from_value(namespace).unwrap();
        let namespaces = Api::all(self.client().await);
        let params = PostParams::default();
        namespaces.create(&params, &namespace).await.unwrap();
        name
    }

    /// Kills the API server; whoever is connected loses the connection, and new ones are refused.
    pub(crate) fn kill_api_server(&self) {
        let api = self.api.lock().unwrap().take();
        api.expect("the API server runs").kill();
    }

    /// Starts the API server again, at the same address with the same data; returns when it answers.
    ///
    /// It remembers no change from before: a watch that asks for a version older than its start is expired
    /// (`410 Gone`) if etcd has been compacted since, see [`Self::compact_etcd`].
    pub(crate) async fn start_api_server(&self) {
        if let Err(log) = self.try_start_api_server().await {
            panic!("the API server does not start again:\n{log}");
        }
    }

    /// Makes etcd forget all but the present: no version from before can be listed or watched from etcd again. The API
    /// server itself still remembers recent changes; kill it and start it again, and every old watch is expired.
    pub(crate) async fn compact_etcd(&self) {
        let post = async |path: &str, body: Value| {
            let url = format!("http://127.0.0.1:{}{path}", self.ports.etcd);
            let answer = ask(&url, Some(body.to_string())).await;
            let answer = answer.unwrap_or_else(|| panic!("etcd refuses {path}"));
            serde_json::from_str::<Value>(&answer).unwrap()
        };
        let status = post("/v3/maintenance/status", json!({})).await;
        let revision = status["header"]["revision"].clone();
        assert!(revision.is_string(), "{status}");
        let compaction = json!({"revision": revision, "physical": true});
        post("/v3/kv/compaction", compaction).await;
    }

    async fn try_start_api_server(&self) -> Result<(), String> {
        let api = start_api_server(&self.assets, self.ports, &self.files, self.folder.path());
        let client = self.client().await;
        let ready = http::Request::get("/readyz").body(Vec::new()).unwrap();
        let settled = settled(&api, async || {
            client.request_text(ready.clone()).await.is_ok()
        })
        .await;
        *self.api.lock().unwrap() = Some(api);
        settled
    }

    fn start_controllers(&self) -> Guarded {
        let program = self.program("kube-controller-manager");
        let kubeconfig = format!("--kubeconfig={}", self.kubeconfig().display());
        let controllers = [
            "endpointslice-controller",
            "namespace-controller",
            "garbage-collector-controller",
            "deployment-controller",
            "replicaset-controller",
            "serviceaccount-controller",
        ];
        let arguments = [
            kubeconfig,
            format!("--controllers={}", controllers.join(",")),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
            "--bind-address=127.0.0.1".to_owned(),
            "--endpointslice-updates-batch-period=0s".to_owned(),
            "--endpoint-updates-batch-period=0s".to_owned(),
            "--min-resync-period=12h".to_owned(),
        ];
        Guarded::start(&program, arguments, self.folder.path(), Removes::Nothing)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let api = self.api.get_mut().unwrap();
            let log = api.as_ref().map(Guarded::log).unwrap_or_default();
            eprintln!("the end of the API server's log:\n{}", last_lines(&log));
        }
        drop(self.controllers.take());
        drop(self.api.get_mut().unwrap().take());
    }
}

/// Where the binaries are. Without them nothing here can run: in CI that is a failure, elsewhere it is said loudly.
fn assets() -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from) else {
        assert!(
            std::env::var_os("CI").is_none(),
            "KUBEBUILDER_ASSETS is not set: run tests/run"
        );
        eprintln!("SKIPPED: set KUBEBUILDER_ASSETS to a folder with Kubernetes, or run tests/run");
        return None;
    };
    for program in [
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kubectl",
    ] {
        let path = folder.join(program);
        assert!(path.is_file(), "KUBEBUILDER_ASSETS: no {}", path.display());
    }
    Some(folder)
}

fn start_etcd(assets: &Path, ports: Ports, folder: &Path) -> Guarded {
    let client = format!("http://127.0.0.1:{}", ports.etcd);
    let peer = format!("http://127.0.0.1:{}", ports.etcd_peer);
    let arguments = [
        "--name=test".to_owned(),
        format!("--initial-cluster=test={peer}"),
        format!("--data-dir={}", folder.join("etcd").display()),
        "--unsafe-no-fsync".to_owned(),
        "--logger=zap".to_owned(),
        "--log-level=warn".to_owned(),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
    ];
    // The last that ends takes the folder with it, if nobody is left to do so.
    Guarded::start(&assets.join("etcd"), arguments, folder, Removes::Folder)
}

fn start_api_server(assets: &Path, ports: Ports, files: &Files, folder: &Path) -> Guarded {
    let arguments = [
        format!("--etcd-servers=http://127.0.0.1:{}", ports.etcd),
        "--bind-address=127.0.0.1".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        format!("--secure-port={}", ports.api),
        // No Endpoints object takes a loopback address.
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--tls-cert-file={}", files.server_certificate.display()),
        format!("--tls-private-key-file={}", files.server_key.display()),
        format!("--client-ca-file={}", files.ca.display()),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!(
            "--service-account-key-file={}",
            files.accounts_public_key.display()
        ),
        format!(
            "--service-account-signing-key-file={}",
            files.accounts_key.display()
        ),
        "--service-cluster-ip-range=10.0.0.0/16".to_owned(),
        "--allow-privileged=true".to_owned(),
        "--authorization-mode=RBAC".to_owned(),
        // Pods need no ServiceAccount that exists.
        "--disable-admission-plugins=ServiceAccount".to_owned(),
    ];
    let program = assets.join("kube-apiserver");
    Guarded::start(&program, arguments, folder, Removes::Nothing)
}

/// Waits until a program answers; its log, if its port is taken.
async fn settled(program: &Guarded, answers: impl AsyncFn() -> bool) -> Result<(), String> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if answers().await {
            return Ok(());
        }
        let log = program.log();
        if log.contains("address already in use") {
            return Err(log);
        }
        assert!(
            Instant::now() < deadline,
            "no answer after {DEADLINE:?}:\n{}",
            last_lines(&log)
        );
        sleep(Duration::from_millis(50)).await;
    }
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// GET, or POST if there is a body; `None` if the answer is no success.
pub(crate) async fn ask(url: &str, body: Option<String>) -> Option<String> {
    let method = if body.is_some() { "POST" } else { "GET" };
    let request = http::Request::builder()
        .method(method)
        .uri(url)
        .body(Full::new(bytes::Bytes::from(body.unwrap_or_default())))
        .unwrap();
    let client: HttpClient<_, Full<bytes::Bytes>> =
        HttpClient::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request).await.ok()?;
    if !answer.status().is_success() {
        return None;
    }
    let body = answer.into_body().collect().await.ok()?.to_bytes();
    Some(String::from_utf8_lossy(&body).into_owned())
}
