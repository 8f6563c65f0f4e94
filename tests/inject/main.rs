//! Pods in, patches out. `UPDATE_GOLDEN=1 cargo test --test inject` writes the patches anew.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stderr, reason = "what is skipped is said")]

#[path = "../envoy_config/envoy.rs"]
mod envoy;
mod golden;
mod rules;
mod start;

use std::collections::BTreeMap;
use std::path::Path;

use mirrorplane::diag::{Diagnostic, ObjectRef, Origin};
use mirrorplane::name::Namespaced;
use mirrorplane::sidecar::inject::{
    Home, HomeMetadata, Injection, Placement, Resources, Settings, Target, inject,
};
use mirrorplane::sidecar::{Delivery, IpFamilies};
use mirrorplane::source::documents;
use serde_json::Value;

fn settings() -> Settings {
    Settings {
        mesh_name: "osm".to_owned(),
        system_namespace: "mirrorplane-system".to_owned(),
        image: "mirrorplane:test".to_owned(),
        proxy_image: "envoy:test".to_owned(),
        control_plane: "mirrorplane.mirrorplane-system.svc:15128".parse().unwrap(),
        ca: Some("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n".to_owned()),
        token_audience: "mirrorplane".to_owned(),
        placement: Placement::Native,
        ip_families: IpFamilies::Ipv4,
        legacy_iptables: false,
        delivery: Delivery::StateOfTheWorld,
        concurrency: 2,
        log_level: "warning".to_owned(),
        resources: Resources {
            cpu_request: Some("50m".parse().unwrap()),
            memory_request: Some("64Mi".parse().unwrap()),
            cpu_limit: None,
            memory_limit: Some("512Mi".parse().unwrap()),
        },
    }
}

/// A Pod, and the Namespace that stands before it in the text, if any.
fn read(text: &str) -> (Home, Value) {
    let mut values: Vec<Value> = documents(Path::new("input.yaml"), text)
        .unwrap()
        .into_iter()
        .map(|(_, value)| value)
        .collect();
    let pod = values.pop().unwrap();
    let Some(namespace) = values.pop() else {
        let home = Home {
            name: "curl".to_owned(),
            metadata: None,
        };
        return (home, pod);
    };
    let entries = |key: &str| -> BTreeMap<String, String> {
        let given = namespace["metadata"].get(key).cloned();
        given
            .map(|given| serde_json::from_value(given).unwrap())
            .unwrap_or_default()
    };
    let home = Home {
        name: namespace["metadata"]["name"].as_str().unwrap().to_owned(),
        metadata: Some(HomeMetadata {
            labels: entries("labels"),
            annotations: entries("annotations"),
        }),
    };
    (home, pod)
}

fn run(pod: &Value, home: &Home, settings: &Settings) -> Result<Injection, Vec<Diagnostic>> {
    let origin = Origin {
        object: Some(ObjectRef {
            kind: "Pod".to_owned(),
            name: Namespaced::new(&home.name, "pod"),
        }),
        document: None,
        within: Vec::new(),
    };
    let target = Target {
        object: pod,
        at: &[],
        origin: &origin,
    };
    inject(&target, home, settings)
}
