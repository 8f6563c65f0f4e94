//! What the control plane says about objects in their status, and which of several control planes says it.

mod budget;
mod counts;
mod following;
mod leader;
mod quarantine;
mod ramp;
mod rate;
mod refused;
mod reporter;
mod rights;
mod stopped;
mod unkept;

use std::path::Path;

use serde_json::Value;

use crate::rig::{Cluster, Parts, eventually};
use crate::source::mesh::{mesh_config, mesh_config_crd, mirror, workloads};

const CONFIG: [&str; 4] = ["pluginconfig", "traffic-mirror-config", "-n", "curl"];
const CHAIN: [&str; 4] = ["pluginchain", "traffic-mirror-chain", "-n", "pipy"];
const PLUGIN: [&str; 2] = ["plugin", "traffic-mirror"];

/// A cluster with the guide's mesh, our definitions, and a namespace for the Lease.
async fn cluster() -> Option<Cluster> {
    let cluster = Cluster::own(Parts::Api).await?;
    let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/crds");
    let mut definitions = String::new();
    for kind in ["plugins", "pluginchains", "pluginconfigs"] {
        definitions.push_str("---\n");
        definitions.push_str(&std::fs::read_to_string(crds.join(format!("{kind}.yaml"))).unwrap());
        definitions.push('\n');
    }
    cluster.apply_crds(&definitions).await;
    with_mesh(&cluster).await;
    Some(cluster)
}

async fn with_mesh(cluster: &Cluster) {
    cluster.apply_crds(&mesh_config_crd()).await;
    cluster
        .kubectl(&["create", "namespace", "mirrorplane-system"])
        .await
        .ok();
    cluster.apply(&workloads()).await;
    cluster.apply(&mirror(&serde_json::json!(0.25))).await;
    cluster.apply_all(&[mesh_config(true)]).await;
}

/// An object, as the API server has it.
async fn get(cluster: &Cluster, object: &[&str]) -> Value {
    let text = cluster
        .kubectl(&[&["get", "-o", "json"], object].concat())
        .await
        .ok();
    serde_json::from_str(&text).unwrap()
}

/// Its conditions, in short: `Accepted=True:Accepted ...`.
fn conditions(object: &Value) -> String {
    let conditions = object["status"]["conditions"].as_array();
    let conditions = conditions.into_iter().flatten().map(|one| {
        let word = |field: &str| one[field].as_str().unwrap_or_default().to_owned();
        format!("{}={}:{}", word("type"), word("status"), word("reason"))
    });
    conditions.collect::<Vec<_>>().join(" ")
}

/// A message of a condition.
fn message(object: &Value, condition: &str) -> String {
    let conditions = object["status"]["conditions"].as_array().unwrap();
    let condition = conditions.iter().find(|one| one["type"] == condition);
    condition.unwrap()["message"].as_str().unwrap().to_owned()
}

/// Waits until the conditions of an object are these, of its newest generation.
async fn has(cluster: &Cluster, object: &[&str], expected: &str) -> Value {
    eventually(format!("{object:?} has {expected}"), async || {
        let found = get(cluster, object).await;
        let newest = &found["metadata"]["generation"];
        let observed = found["status"]["conditions"].as_array()?;
        let newest = observed
            .iter()
            .all(|one| one["observedGeneration"] == *newest);
        (newest && conditions(&found) == expected).then_some(found)
    })
    .await
}
