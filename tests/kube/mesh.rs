//! A whole mesh: a cluster with everything installed, control planes, Pods that are served and a Pod that calls them
//! through its injected sidecar. Everything that runs was started as the objects in the cluster say.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::echo::{Echo, Manner};
use crate::node::{Node, RunningPod, VirtualAddress};
use crate::rig::{Cluster, DEADLINE, Parts, eventually};
use crate::serve::Serve;

/// The namespace of the control plane.
const SYSTEM: &str = "mirrorplane-system";
const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy");
/// How the application names the service that is mirrored.
pub(crate) const HOST: &str = "pipy-ok-v1.pipy:8080";
const SEED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kube/seed");

/// A cluster with everything installed. Nothing is called until there are Pods.
pub(crate) struct Mesh {
    pub(crate) cluster: &'static Cluster,
    pub(crate) node: Node,
    /// The address of the control plane's Service.
    pub(crate) service: VirtualAddress,
    service_ip: String,
    envoy: PathBuf,
    kubelet: JoinHandle<()>,
}

impl Drop for Mesh {
    fn drop(&mut self) {
        self.kubelet.abort();
    }
}

/// The service that is mirrored, and the one that gets the copies.
pub(crate) struct Services {
    pub(crate) primary: Echo,
    pub(crate) shadow: Echo,
    /// Where the primary is reached.
    pub(crate) address: String,
}

impl Mesh {
    /// Installs what `deploy/kubernetes` has; `None` if this machine lacks a part.
    pub(crate) async fn start() -> Option<Self> {
        let envoy = envoy()?;
        let node = Node::new()?;
        // It lives as long as the process, whose end ends it.
        let cluster: &Cluster = Box::leak(Box::new(Cluster::own(Parts::Controllers).await?));
        let kubelet = tokio::spawn(cluster.play_kubelet());
        let kustomization = format!("{DEPLOY}/kubernetes");
        cluster.kubectl(&["apply", "-k", &kustomization]).await.ok();
        let service_ip = cluster_ip(cluster, SYSTEM, "mirrorplane").await;
        let address = format!("{service_ip}:15128").parse().unwrap();
        let service = VirtualAddress::new(node.network.listen(address), Vec::new());
        Some(Self {
            cluster,
            node,
            service,
            service_ip,
            envoy,
            kubelet,
        })
    }

    /// Starts a replica of the control plane with the settings of the Deployment, as far as they can be had here.
    pub(crate) async fn serve(&self) -> Serve {
        let flags = [
            "--certificates=secret".to_owned(),
            format!("--certificate-name={},127.0.0.1", self.service_ip),
            format!("--control-plane={}:15128", self.service_ip),
            "--webhook=127.0.0.1:0".to_owned(),
            "--token-review".to_owned(),
        ];
        Serve::start(self.cluster, &flags).await
    }

    /// Tells the API server to call the webhooks of this replica: it is not on the network of the Pods.
    pub(crate) async fn call_webhooks_of(&self, serve: &Serve) {
        let address = serve.said_address("webhooks address=").await;
        for kind in [
            "mutatingwebhookconfiguration",
            "validatingwebhookconfiguration",
        ] {
            let get = ["get", kind, "mirrorplane", "-o", "json"];
            let found = self.cluster.kubectl(&get).await.ok();
            let mut found: Value = serde_json::from_str(&found).unwrap();
            for webhook in found["webhooks"].as_array_mut().unwrap() {
                let config = &mut webhook["clientConfig"];
                if let Some(path) = config["service"]["path"].as_str() {
                    let url = format!("https://{address}{path}");
                    *config = json!({ "url": url, "caBundle": config["caBundle"] });
                }
            }
            let replace = ["replace", "-f", "-"];
            self.cluster
                .kubectl_with(&replace, &found.to_string())
                .await
                .ok();
        }
    }

    /// Runs mirrorplane itself against the cluster.
    pub(crate) fn mirrorplane(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_mirrorplane"))
            .args(arguments)
            .env("KUBECONFIG", self.cluster.kubeconfig())
            .output()
            .unwrap()
    }

    /// Does what the seed does, up to a request that was mirrored; webhooks are those of this replica.
    pub(crate) async fn seed(&self, serve: &Serve) -> (Services, RunningPod) {
        let kubectl = async |arguments: &[&str]| self.cluster.kubectl(arguments).await.ok();
        kubectl(&["apply", "-k", &format!("{DEPLOY}/mesh-config")]).await;
        self.service.set(vec![serve.address.parse().unwrap()]);
        self.call_webhooks_of(serve).await;
        for namespace in ["curl", "pipy"] {
            kubectl(&["create", "namespace", namespace]).await;
            let added = self.mirrorplane(&["namespace", "add", namespace]);
            assert!(added.status.success(), "{added:?}");
        }
        self.apply("curl.yaml", &["-n", "curl"]).await;
        self.apply("pipy.yaml", &["-n", "pipy"]).await;
        let services = self.services().await;
        let caller = self.run(self.pod("curl", "app=curl").await).await;
        caller.ready().await;
        assert_eq!(caller.call(&services.address, HOST).await.unwrap(), "v1");
        assert_eq!(settled(&services.shadow).await, 0);

        let switch = r#"{"spec":{"featureFlags":{"enablePluginPolicy":true}}}"#;
        let on = "patch meshconfig osm-mesh-config -n osm-system --type=merge -p";
        let on: Vec<&str> = on.split(' ').chain([switch]).collect();
        kubectl(&on).await;
        for file in ["plugin.yaml", "chain.yaml", "config.yaml"] {
            self.apply(file, &[]).await;
        }
        eventually("a request is mirrored", async || {
            assert_eq!(caller.call(&services.address, HOST).await.unwrap(), "v1");
            (services.shadow.count() > 0).then_some(())
        })
        .await;
        (services, caller)
    }

    /// Applies a manifest of the seed, with these flags of kubectl.
    pub(crate) async fn apply(&self, file: &str, flags: &[&str]) {
        let path = format!("{SEED}/{file}");
        let arguments = [&["apply", "-f", &path], flags].concat();
        self.cluster.kubectl(&arguments).await.ok();
    }

    /// The Pod of a Deployment that runs, once there is one.
    pub(crate) async fn pod(&self, namespace: &str, selector: &str) -> Pod {
        let pods: Api<Pod> = Api::namespaced(self.cluster.client().await, namespace);
        let params = ListParams::default().labels(selector);
        eventually(format!("a Pod {selector} in {namespace}"), async || {
            let found = pods.list(&params).await.unwrap().items;
            found.into_iter().find(|pod| {
                let status = pod.status.as_ref();
                status.is_some_and(|is| is.pod_ip.is_some())
            })
        })
        .await
    }

    /// Runs the Pods behind the seed's services.
    pub(crate) async fn services(&self) -> Services {
        let listen = |address: String| self.node.network.listen(address.parse().unwrap());
        // There is no kube-proxy between an address of a Service and the Pod behind it, but the sidecar sends copies to
        // the Pod.
        let address = cluster_ip(self.cluster, "pipy", "pipy-ok-v1").await;
        let address = format!("{address}:8080");
        let shadow = self.pod("pipy", "version=v2").await.status.unwrap();
        let shadow = format!("{}:8080", shadow.pod_ip.unwrap());
        Services {
            primary: Echo::on(listen(address.clone()), "v1", Manner::Answers),
            shadow: Echo::on(listen(shadow), "v2", Manner::Answers),
            address,
        }
    }

    /// Runs the sidecar that was injected into a Pod.
    pub(crate) async fn run(&self, pod: Pod) -> RunningPod {
        RunningPod::start(self.cluster, pod, self.node.pod(), &self.envoy).await
    }
}

async fn cluster_ip(cluster: &Cluster, namespace: &str, service: &str) -> String {
    let path = "jsonpath={.spec.clusterIP}";
    let arguments = ["get", "service", service, "-n", namespace, "-o", path];
    cluster.kubectl(&arguments).await.ok()
}

impl RunningPod {
    async fn ask(&self, address: &str, host: &str, path: &str) -> Result<(String, Bytes), String> {
        let exchange = async {
            let stream = self.network.connect(address.parse().unwrap());
            let stream = stream.map_err(|error| error.to_string())?;
            let (mut sender, connection) =
                http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
                    .await
                    .map_err(|error| error.to_string())?;
            tokio::spawn(connection);
            let request = Request::get(path).header("host", host);
            let answer = sender
                .send_request(request.body(Empty::new()).unwrap())
                .await;
            let (head, body) = answer.map_err(|error| error.to_string())?.into_parts();
            let body = body.collect().await.map_err(|error| error.to_string())?;
            if head.status != StatusCode::OK {
                return Err(head.status.to_string());
            }
            let by = head.headers.get("x-served-by");
            let by = by.and_then(|by| by.to_str().ok()).unwrap_or_default();
            Ok((by.to_owned(), body.to_bytes()))
        };
        let late = || format!("no answer after {DEADLINE:?}");
        timeout(DEADLINE, exchange).await.map_err(|_| late())?
    }

    /// Which service answered a request from the Pod's application, or what went wrong.
    pub(crate) async fn call(&self, address: &str, host: &str) -> Result<String, String> {
        Ok(self.ask(address, host, "/").await?.0)
    }

    /// A page of the sidecar's administration.
    pub(crate) async fn admin(&self, page: &str) -> String {
        let page = format!("/{page}");
        let answer = self.ask("127.0.0.1:15000", "sidecar", &page).await;
        let (_, body) = answer.unwrap_or_default();
        String::from_utf8_lossy(&body).into_owned()
    }

    /// The counters of what was updated, by what it was.
    pub(crate) async fn updates(&self) -> Vec<(String, u64)> {
        let stats = self.admin("stats?filter=update_success").await;
        let lines = stats.lines().filter_map(|line| line.split_once(": "));
        lines
            .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
            .collect()
    }

    /// Waits until the sidecar takes connections.
    pub(crate) async fn ready(&self) {
        eventually("the sidecar is ready", async || {
            let ready = self.ask("127.0.0.1:15021", "sidecar", "/ready").await;
            ready.is_ok().then_some(())
        })
        .await;
    }
}

/// How many of the requests that have arrived are copies, once no more arrive.
pub(crate) async fn settled(echo: &Echo) -> usize {
    timeout(Duration::from_secs(30), echo.settled())
        .await
        .unwrap()
}

fn envoy() -> Option<PathBuf> {
    let envoy = std::env::var_os("MIRRORPLANE_ENVOY").map(PathBuf::from);
    if envoy.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "MIRRORPLANE_ENVOY is not set: run tests/run"
        );
        eprintln!("SKIPPED: set MIRRORPLANE_ENVOY to an Envoy binary, or run tests/run");
    }
    envoy
}
