//! A projected volume, in the way a kubelet keeps it: all files change at once.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

use crate::rig::Cluster;

/// Fills a folder with what a projected volume has for a Pod; again, if it is there already.
pub(crate) async fn project(cluster: &Cluster, pod: &Pod, sources: &Value, folder: &Path) {
    let version = format!("..{}", fastrand::u64(..));
    fs::create_dir(folder.join(&version)).unwrap();
    for source in sources.as_array().unwrap() {
        for (path, content) in files(cluster, pod, source).await {
            fs::write(folder.join(&version).join(&path), content).unwrap();
            let link = folder.join(&path);
            if fs::symlink_metadata(&link).is_err() {
                symlink(Path::new("..data").join(&path), link).unwrap();
            }
        }
    }
    let (new, data) = (folder.join("..data_tmp"), folder.join("..data"));
    symlink(version, &new).unwrap();
    fs::rename(new, data).unwrap();
}

async fn files(cluster: &Cluster, pod: &Pod, source: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    if let Some(token) = source.get("serviceAccountToken") {
        return vec![(text(&token["path"]), request(cluster, pod, token).await)];
    }
    if let Some(downward) = source.get("downwardAPI") {
        let items = downward["items"].as_array().unwrap();
        return items
            .iter()
            .map(|item| {
                let field = item["fieldRef"]["fieldPath"].as_str().unwrap();
                (text(&item["path"]), super::pod::field(pod, field))
            })
            .collect();
    }
    panic!("a source of a projected volume that the test's kubelet does not know: {source}");
}

/// A token of the Pod's service account that is bound to the Pod.
async fn request(cluster: &Cluster, pod: &Pod, token: &Value) -> String {
    let meta = &pod.metadata;
    let namespace = meta.namespace.as_deref().unwrap();
    let account = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.service_account_name.as_deref());
    let request: TokenRequest = serde_json::from_value(json!({
        "spec": {
            "audiences": [token["audience"]],
            "expirationSeconds": token["expirationSeconds"],
            "boundObjectRef": {
                "apiVersion": "v1", "kind": "Pod", "name": meta.name, "uid": meta.uid,
            },
        },
    }))
    .unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(cluster.client().await, namespace);
    let made = accounts
        .create_token_request(
            account.unwrap_or("default"),
            &PostParams::default(),
            &request,
        )
        .await
        .unwrap();
    made.status.unwrap().token
}
