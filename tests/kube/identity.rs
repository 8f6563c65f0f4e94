//! Sidecars that show the token of their Pod's service account.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use k8s_openapi::api::authentication::v1::{
    BoundObjectReference, TokenRequest, TokenRequestSpec, TokenReview,
};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::{Api, PostParams};
use serde_json::json;
use tonic::Code;

use crate::rig::{Cluster, TestPod, delete_pod, eventually};
use crate::serve::{Serve, mesh};
use crate::sidecar::ask;

/// A namespace with a service account, and what its tokens are asked for.
struct Accounts {
    cluster: &'static Cluster,
    namespace: String,
}

impl Accounts {
    async fn new(cluster: &'static Cluster) -> Self {
        let namespace = cluster.namespace("identity").await;
        let account = json!({ "metadata": { "name": "curl" } });
        let account: ServiceAccount = serde_json::from_value(account).unwrap();
        let accounts: Api<ServiceAccount> = Api::namespaced(cluster.client().await, &namespace);
        accounts
            .create(&PostParams::default(), &account)
            .await
            .unwrap();
        Self { cluster, namespace }
    }

    async fn pod(&self, name: &str) -> Pod {
        TestPod::new(&self.namespace, name)
            .service_account("curl")
            .create(self.cluster)
            .await
    }

    /// A token as the kubelet gets it for a Pod, or one that is bound to nothing.
    async fn token(&self, audience: &str, pod: Option<&Pod>) -> String {
        let request = TokenRequest {
            spec: TokenRequestSpec {
                audiences: vec![audience.to_owned()],
                bound_object_ref: pod.map(|pod| BoundObjectReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("Pod".to_owned()),
                    name: pod.metadata.name.clone(),
                    uid: pod.metadata.uid.clone(),
                }),
                expiration_seconds: Some(600),
            },
            ..TokenRequest::default()
        };
        let client = self.cluster.client().await;
        let accounts: Api<ServiceAccount> = Api::namespaced(client, &self.namespace);
        let issued = accounts
            .create_token_request("curl", &PostParams::default(), &request)
            .await
            .unwrap();
        issued.status.unwrap().token
    }
}

fn refusals(reason: &str) -> String {
    format!("xds_refusals_total{{reason=\"{reason}\"}}")
}

#[tokio::test]
async fn a_sidecar_is_told_what_concerns_its_own_pod_and_nothing_else() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let accounts = Accounts::new(cluster).await;
    let (one, gone) = (accounts.pod("curl-1").await, accounts.pod("curl-3").await);
    accounts.pod("curl-2").await;
    let ours = |pod| accounts.token("mirrorplane", pod);
    let own = ours(Some(&one)).await;
    let foreign = accounts.token("vault", Some(&one)).await;
    let unbound = ours(None).await;
    let orphan = ours(Some(&gone)).await;
    delete_pod(cluster, &accounts.namespace, "curl-3").await;
    let (signed, signature) = own.rsplit_once('.').unwrap();
    let tampered = format!("{signed}.{}", signature.chars().rev().collect::<String>());

    let folder = tempfile::tempdir().unwrap();
    mesh(
        folder.path(),
        &accounts.namespace,
        &["curl-1", "curl-2", "curl-3"],
    );
    let folder = folder.path().display().to_string();
    let control_plane = Serve::start(cluster, &["--config-dir", &folder, "--token-review"]).await;
    let address = control_plane.address.as_str();
    let node = |pod: &str| format!("{}/{pod}", accounts.namespace);

    for (pod, token, code, reason) in [
        (
            "curl-1",
            Some(&foreign),
            Code::Unauthenticated,
            "wrong_token",
        ),
        (
            "curl-1",
            Some(&tampered),
            Code::Unauthenticated,
            "wrong_token",
        ),
        (
            "curl-1",
            Some(&unbound),
            Code::Unauthenticated,
            "unbound_token",
        ),
        ("curl-1", None, Code::Unauthenticated, "no_credential"),
        ("curl-2", Some(&own), Code::PermissionDenied, "other_node"),
        ("curl", Some(&own), Code::PermissionDenied, "other_node"),
    ] {
        let before = control_plane.metric(&refusals(reason)).await;
        let end = ask(address, &node(pod), token.map(String::as_str)).await;
        assert_eq!(end.err(), Some(code), "{pod} {reason}");
        assert_eq!(control_plane.metric(&refusals(reason)).await, before + 1);
    }
    // The API server hears of a deleted Pod like everyone else, a moment later.
    eventually("the token of a Pod that is gone is refused", async || {
        let end = ask(address, &node("curl-3"), Some(&orphan)).await;
        (end.err() == Some(Code::Unauthenticated)).then_some(())
    })
    .await;
    let pushes = "xds_pushes_total{type=\"cds\"}";
    let before = control_plane.metric(pushes).await;
    let sidecar = ask(address, &node("curl-1"), Some(&own)).await.unwrap();
    assert!(sidecar.clusters > 0, "it is told of its mirror");
    assert_eq!(control_plane.metric(pushes).await, before + 1);

    let log = control_plane.log();
    assert!(log.contains("MP504") && log.contains("curl-2"), "{log}");
    for token in [&own, &foreign, &unbound, &orphan, &tampered] {
        let (_, secret) = token.rsplit_once('.').unwrap();
        assert!(!log.contains(secret), "a token is in the log");
    }
}

/// Replaces a token as the kubelet does: by a link to the folder with all new files.
fn project(folder: &Path, generation: &str, token: &str) {
    fs::create_dir(folder.join(generation)).unwrap();
    fs::write(folder.join(generation).join("token"), token).unwrap();
    symlink(generation, folder.join("..new")).unwrap();
    fs::rename(folder.join("..new"), folder.join("..data")).unwrap();
}

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[tokio::test]
async fn envoy_comes_back_with_the_token_that_it_was_given_since() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let Some(envoy) = std::env::var_os("MIRRORPLANE_ENVOY") else {
        assert!(
            std::env::var_os("CI").is_none(),
            "MIRRORPLANE_ENVOY is not set: run tests/run"
        );
        eprintln!("SKIPPED: set MIRRORPLANE_ENVOY to the path of an Envoy binary");
        return;
    };
    let accounts = Accounts::new(cluster).await;
    let pod = accounts.pod("curl-1").await;
    let folder = tempfile::tempdir().unwrap();
    let projected = folder.path().join("projected");
    fs::create_dir(&projected).unwrap();
    let first = accounts.token("mirrorplane", Some(&pod)).await;
    project(&projected, "..first", &first);
    symlink("..data/token", projected.join("token")).unwrap();
    let objects = folder.path().join("mesh");
    fs::create_dir(&objects).unwrap();
    mesh(&objects, &accounts.namespace, &["curl-1"]);
    let objects = objects.display().to_string();
    let flags = ["--config-dir", &objects, "--token-review"];
    let mut control_plane = Serve::start(cluster, &flags).await;

    let put = |name: &str, print: &str| {
        let path = folder.path().join(name);
        let output = Command::new(env!("CARGO_BIN_EXE_mirrorplane"))
            .args(["bootstrap", "--node"])
            .arg(format!("{}/curl-1", accounts.namespace))
            .args(["--control-plane", &control_plane.address, "--print", print])
            .arg("--token-path")
            .arg(projected.join("token"))
            .arg("--sds-path")
            .arg(folder.path().join("sds.yaml"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        fs::write(&path, output.stdout).unwrap();
        path
    };
    put("sds.yaml", "sds");
    let bootstrap = put("bootstrap.yaml", "bootstrap");
    let envoy = Command::new(envoy)
        .arg("-c")
        .arg(&bootstrap)
        .args(["--disable-hot-restart", "-l", "error"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.path().join("envoy.log")).unwrap())
        .spawn()
        .unwrap();
    let _envoy = Running(envoy);
    accepted(&control_plane).await;

    // The Pod is replaced by one of the same name, so that the first token is good no more.
    delete_pod(cluster, &accounts.namespace, "curl-1").await;
    let pod = accounts.pod("curl-1").await;
    let second = accounts.token("mirrorplane", Some(&pod)).await;
    project(&projected, "..second", &second);
    // The API server remembers for some seconds what it has found good.
    let reviews: Api<TokenReview> = Api::all(cluster.client().await);
    let review =
        json!({ "metadata": {}, "spec": { "token": first, "audiences": ["mirrorplane"] } });
    let review: TokenReview = serde_json::from_value(review).unwrap();
    eventually("the first token is good no more", async || {
        let reviewed = reviews.create(&PostParams::default(), &review).await;
        let good = reviewed.unwrap().status.unwrap().authenticated;
        (good != Some(true)).then_some(())
    })
    .await;
    control_plane.kill();
    let listen = control_plane.address.clone();
    drop(control_plane);
    let control_plane = Serve::start_at(cluster, &listen, &flags).await;
    accepted(&control_plane).await;
    let old = ask(
        &listen,
        &format!("{}/curl-1", accounts.namespace),
        Some(&first),
    )
    .await;
    assert_eq!(old.err(), Some(Code::Unauthenticated));
}

async fn accepted(control_plane: &Serve) {
    eventually("Envoy accepts its mirror", async || {
        let acks = control_plane.metric("xds_acks_total{type=\"lds\"}").await;
        (acks > 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_the_right_to_review_tokens_it_does_not_start() {
    let Some(cluster) = Cluster::shared().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(cluster.kubeconfig()).unwrap();
    let mut kubeconfig: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    kubeconfig["users"][0]["user"]["as"] = json!("nobody");
    let path = folder.path().join("kubeconfig");
    fs::write(&path, kubeconfig.to_string()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_mirrorplane"))
        .args(["serve", "--listen", "127.0.0.1:0", "--admin", "off"])
        .args(["--token-review", "--config-dir"])
        .arg(folder.path())
        .env("KUBECONFIG", path)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("the right to create TokenReviews"), "{said}");
}
