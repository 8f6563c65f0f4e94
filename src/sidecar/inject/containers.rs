//! The containers that are added to a Pod, and the volume that one of them needs.

use serde_json::Value;
use serde_json::json;

use super::resources::Resources;
use super::settings::Placement;
use super::settings::Settings;
use crate::api::annotation::TOKEN_SDS;
use crate::model::READY_PORT;
use crate::sidecar::ENVOY_FLAGS;

/// The proxy.
pub(super) const SIDECAR: &str = "mirrorplane-sidecar";
/// What redirects the application's connections to the proxy, before the application starts.
pub(super) const INIT: &str = "mirrorplane-init";
/// What the proxy shows to the control plane.
const VOLUME: &str = "mirrorplane-identity";

/// The user that the proxy runs as. Connections of this user are not redirected, or they would come back for ever.
pub(super) const USER: u32 = 1500;
/// What the proxy is asked for to know whether it is ready.
const READY_PATH: &str = "/ready";

/// The folder of the token.
const IDENTITY_FOLDER: &str = "/var/run/secrets/mirrorplane";
/// Its files.
const TOKEN: &str = "token";
const SDS: &str = "sds.json";
/// How long a token is good for, in seconds. The kubelet replaces it at four fifths of that.
const TOKEN_LIFE: u32 = 3_600;

/// How long an ordinary sidecar outlives the order to stop, in seconds, for what the application still has to say. Much
/// less than the thirty seconds that Pods have by default.
const LINGER: u32 = 10;

/// The path of the token.
pub(super) fn token_path() -> String {
    format!("{IDENTITY_FOLDER}/{TOKEN}")
}

/// The path of the SDS file.
pub(super) fn sds_path() -> String {
    format!("{IDENTITY_FOLDER}/{SDS}")
}

/// Redirects the connections of the Pod, but for those that `exclusions` name.
pub(super) fn init(settings: &Settings, resources: &Resources, exclusions: &[String]) -> Value {
    let resources = if resources.is_guaranteed() {
        // One container that is not would make the Pod another sort. It is done before the sidecar starts.
        resources.to_json()
    } else {
        json!({
            "requests": { "cpu": "10m", "memory": "16Mi" },
            "limits": { "cpu": "1", "memory": "64Mi" },
        })
    };
    let mut arguments = vec![
        "redirect".to_owned(),
        "--proxy-uid".to_owned(),
        USER.to_string(),
        "--ip-families".to_owned(),
        settings.ip_families.to_string(),
    ];
    arguments.extend_from_slice(exclusions);
    let mut capabilities = vec!["NET_ADMIN"];
    if settings.legacy_iptables {
        arguments.extend(["--backend", "iptables"].map(str::to_owned));
        capabilities.push("NET_RAW");
    }
    json!({
        "name": INIT,
        "image": settings.image,
        "command": ["mirrorplane"],
        "args": arguments,
        "resources": resources,
        "securityContext": {
            // Only root may change the rules of the Pod's network, even with the capability.
            "runAsUser": 0,
            "runAsGroup": 0,
            "runAsNonRoot": false,
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"], "add": capabilities },
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
    })
}

/// The proxy, which starts with `bootstrap`, an argument.
pub(super) fn sidecar(settings: &Settings, resources: &Resources, bootstrap: String) -> Value {
    let ready = json!({ "path": READY_PATH, "port": READY_PORT, "scheme": "HTTP" });
    let mut arguments = vec![
        "--config-yaml".to_owned(),
        bootstrap,
        "--service-node".to_owned(),
        "$(POD_NAMESPACE)/$(POD_NAME)".to_owned(),
        "--service-cluster".to_owned(),
        "$(POD_NAMESPACE)".to_owned(),
        "--concurrency".to_owned(),
        settings.concurrency.to_string(),
        "--log-level".to_owned(),
        settings.log_level.clone(),
        // It would keep files in a folder that cannot be written.
        "--disable-hot-restart".to_owned(),
    ];
    arguments.extend(ENVOY_FLAGS.map(str::to_owned));
    let mut container = json!({
        "name": SIDECAR,
        "image": settings.proxy_image,
        "command": ["envoy"],
        "args": arguments,
        // Where the Pod is made from a template, it has no name yet when it is injected.
        "env": [
            variable("POD_NAME", "metadata.name"),
            variable("POD_NAMESPACE", "metadata.namespace"),
        ],
        "resources": resources.to_json(),
        // The application waits for this. A control plane that is away delays it by a few seconds and no more.
        "startupProbe": {
            "httpGet": ready,
            "periodSeconds": 1,
            "timeoutSeconds": 5,
            "failureThreshold": 120,
        },
        "readinessProbe": {
            "httpGet": ready,
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
        "securityContext": {
            "runAsUser": USER,
            "runAsGroup": USER,
            "runAsNonRoot": true,
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
    });
    match settings.placement {
        // It ends after the application, and starts again if it fails.
        Placement::Native => container["restartPolicy"] = json!("Always"),
        Placement::Ordinary => {
            container["lifecycle"] = json!({
                "preStop": { "exec": { "command": ["sleep", LINGER.to_string()] } },
            });
        }
    }
    if settings.ca.is_some() {
        container["volumeMounts"] = json!([
            { "name": VOLUME, "mountPath": IDENTITY_FOLDER, "readOnly": true },
        ]);
    }
    container
}

fn variable(name: &str, field: &str) -> Value {
    json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": field } } })
}

/// The token of the Pod's service account, and the file by which Envoy follows it.
pub(super) fn volume(settings: &Settings) -> Value {
    json!({
        "name": VOLUME,
        "projected": {
            "sources": [
                {
                    "serviceAccountToken": {
                        "audience": settings.token_audience,
                        "expirationSeconds": TOKEN_LIFE,
                        "path": TOKEN,
                    },
                },
                {
                    "downwardAPI": {
                        "items": [{
                            "path": SDS,
                            "fieldRef": {
                                "fieldPath": format!("metadata.annotations['{TOKEN_SDS}']"),
                            },
                        }],
                    },
                },
            ],
        },
    })
}
