//! Sets and removes the annotation in the Kubernetes API.

use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context;
use anyhow::bail;
use kube::Api;
use kube::Client;
use kube::api::DynamicObject;
use kube::api::ListParams;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::core::ApiResource;
use prost_types::Timestamp;
use serde_json::json;

use super::Switch;
use crate::api::annotation::RESUMED;
use crate::api::annotation::STOP;
use crate::api::mesh_config;
use crate::api::mesh_config::MeshConfig;
use crate::api::mesh_config::MeshConfigSpec;
use crate::api::meta::ObjectMeta;
use crate::api::plugin;
use crate::cli::output;
use crate::diag::Origin;
use crate::diag::Report;
use crate::dialect::mesh_config_in_force;
use crate::name::Namespaced;
use crate::source::Sourced;
use crate::source::Table;

/// How long after the first of several replicas another one may find the same budget exceeded: there are no copies any more.
const SECONDS_APART: i64 = 20;

/// Sets the annotation of each, or removes it. The others are changed also if one cannot be.
pub(super) async fn set(
    client: &Client,
    switches: &[Switch],
    stop: Option<&str>,
) -> anyhow::Result<ExitCode> {
    let mut failed = 0;
    for switch in switches {
        match one(client, switch, stop).await {
            Ok(said) => output::talk(said),
            Err(error) => {
                failed += 1;
                output::talk(format_args!("error: {error:#}"));
            }
        }
    }
    if failed > 0 {
        bail!("{} left as they were", output::count(failed, "object"));
    }
    Ok(ExitCode::SUCCESS)
}

async fn one(client: &Client, switch: &Switch, stop: Option<&str>) -> anyhow::Result<String> {
    let (resource, name) = match switch {
        Switch::Config(name) => (
            resource(plugin::GROUP, "v1alpha1", "PluginConfig"),
            name.clone(),
        ),
        Switch::Namespace(name) => (resource("", "v1", "Namespace"), Namespaced::cluster(name)),
        Switch::Everything => in_force(client).await?,
    };
    let api: Api<DynamicObject> = match &*name.namespace {
        "" => Api::all_with(client.clone(), &resource),
        namespace => Api::namespaced_with(client.clone(), namespace, &resource),
    };
    let kind = &resource.kind;
    let found = api.get_opt(&name.name).await?;
    let found = found.with_context(|| format!("there is no {kind} `{name}`"))?;
    let before = found.metadata.annotations.as_ref();
    let is_stopped = before.is_some_and(|annotations| annotations.contains_key(STOP));
    // Kept by the leader, in what only it may write.
    let blown_at = found.data.pointer("/status/budget/blownAt");
    let blown_at = blown_at.and_then(|at| at.as_str()?.parse::<Timestamp>().ok());
    if stop.is_none() && !is_stopped && blown_at.is_none() {
        return Ok(format!("warning: {kind} `{name}` stops nothing as it is"));
    }
    let mut annotations = json!({ STOP: stop });
    if let (None, Some(at)) = (stop, blown_at) {
        // Now, but not before it was found, nor long after that: this clock may be another than the one that found it.
        let now = Timestamp::from(SystemTime::now());
        let latest = at.seconds.saturating_add(SECONDS_APART);
        let resumed = match now.seconds {
            seconds if seconds <= at.seconds => at,
            seconds if seconds >= latest => Timestamp {
                seconds: latest,
                ..at
            },
            _ => now,
        };
        annotations[RESUMED] = json!(resumed.to_string());
    }
    let patch = json!({"metadata": { "annotations": annotations }});
    let patch = Patch::Merge(patch);
    api.patch(&name.name, &PatchParams::default(), &patch)
        .await?;
    let what = match switch {
        Switch::Config(name) => format!("`{name}`"),
        Switch::Namespace(name) => format!("all that has to do with the namespace `{name}`"),
        Switch::Everything => format!("everything, by the {kind} `{name}`"),
    };
    Ok(match stop {
        Some(_) => format!("stopped: {what}"),
        None => format!("resumed: {what}, unless something else stops it"),
    })
}

fn resource(group: &str, version: &str, kind: &str) -> ApiResource {
    let api_version = match group {
        "" => version.to_owned(),
        group => format!("{group}/{version}"),
    };
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version,
        kind: kind.to_owned(),
        plural: format!("{}s", kind.to_lowercase()),
    }
}

/// The MeshConfig that counts, and where the API server has it.
async fn in_force(client: &Client) -> anyhow::Result<(ApiResource, Namespaced)> {
    let mut configs: Table<MeshConfig> = Table::default();
    let mut places = Vec::new();
    for (group, versions) in [mesh_config::OSM, mesh_config::FSM] {
        for version in versions.iter().rev() {
            let resource = resource(group, version, "MeshConfig");
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
            let list = match api.list(&ListParams::default()).await {
                Ok(list) => list,
                Err(kube::Error::Api(status)) if status.code == 404 => continue,
                Err(error) => return Err(error).context("cannot read the MeshConfigs"),
            };
            for object in list {
                let name = Namespaced::new(
                    object.metadata.namespace.clone().unwrap_or_default(),
                    object.metadata.name.clone().unwrap_or_default(),
                );
                // Of two of a name the first group's counts.
                if configs.get(&name).is_none() {
                    configs.insert(name.clone(), aged(&name, &object));
                    places.push((resource.clone(), name));
                }
            }
            break;
        }
    }
    let chosen = mesh_config_in_force(&configs, &mut Report::default());
    let chosen = chosen.map(|config| config.object.metadata.key());
    let place = places
        .into_iter()
        .find(|(_, name)| chosen.as_ref() == Some(name));
    place.context("there is no MeshConfig, and so nothing is mirrored")
}

/// As much of it as decides which one counts.
fn aged(name: &Namespaced, object: &DynamicObject) -> Sourced<MeshConfig> {
    let created = object.metadata.creation_timestamp.as_ref();
    let created = created.and_then(|time| serde_json::to_value(time).ok());
    Sourced {
        object: MeshConfig {
            metadata: ObjectMeta {
                name: name.name.clone(),
                namespace: Some(name.namespace.clone()),
                creation_timestamp: created.and_then(|time| Some(time.as_str()?.to_owned())),
                ..ObjectMeta::default()
            },
            spec: MeshConfigSpec::default(),
        },
        origin: Origin {
            object: None,
            document: None,
            within: Vec::new(),
        },
    }
}
