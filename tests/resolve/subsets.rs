//! Mirrors to some of the Pods of a Service: which they are, and what is said of the others.

use mirrorplane::diag::Code;
use mirrorplane::model::Changes;
use mirrorplane::model::Target;
use serde_json::Value;
use serde_json::json;

use crate::world::World;
use crate::world::to;

/// The guide's world without its mirror, and with a Service `all` over `app: all`. Of its endpoints `v1` and `v2` have Pods
/// of that version, `late` has one of version v2 and is not ready, `bare` does not say which Pod it is, and the Pod of `gone`
/// is not known.
pub(crate) fn world() -> World {
    let mut world = World::mirrored();
    world.objects.plugin_configs.keep(|_| false);
    for (name, version) in [("v1", "v1"), ("v2", "v2"), ("late", "v2")] {
        pod(&mut world, name, json!({"app": "all", "version": version}));
    }
    service(&mut world, "all", json!({"app": "all"}));
    let endpoint = |host: u8, pod: &str, ready: bool| {
        json!({
            "addresses": [format!("10.3.0.{host}")], "conditions": {"ready": ready},
            "targetRef": {"kind": "Pod", "name": pod, "namespace": "pipy", "uid": "7"},
        })
    };
    let mut endpoints = vec![
        endpoint(1, "v1", true),
        endpoint(2, "v2", true),
        endpoint(3, "late", false),
        endpoint(5, "gone", true),
    ];
    endpoints.push(json!({"addresses": ["10.3.0.4"]}));
    slice(&mut world, "all", json!(endpoints));
    world
}

pub(crate) fn pod(world: &mut World, name: &str, labels: Value) {
    world.add(json!({
        "kind": "Pod", "metadata": {"name": name, "namespace": "pipy", "labels": labels},
    }));
}

pub(crate) fn service(world: &mut World, name: &str, selector: Value) {
    world.add(json!({
        "kind": "Service", "metadata": {"name": name, "namespace": "pipy"},
        "spec": {"selector": selector, "ports": [{"port": 8080}]},
    }));
}

pub(crate) fn slice(world: &mut World, service: &str, endpoints: Value) {
    world.add(json!({
        "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": service, "namespace": "pipy", "labels": {"kubernetes.io/service-name": service}},
        "endpoints": endpoints, "ports": [{"port": 8080}],
    }));
}

/// `spec.config` for the Pods of `all` with these labels.
fn subset(labels: Value) -> Value {
    let mut config = to("all", 8080, 1.0);
    config["subset"] = json!({"labels": labels});
    config
}

/// A mirror of `from` to the Pods of `all` with these labels.
pub(crate) fn mirror(world: &mut World, rule: &str, plugin: &str, from: &str, labels: Value) {
    world.add_config(rule, plugin, &[from], subset(labels));
}

/// The endpoints of the first mirror of `curl/curl`, and what is said of the rule: codes, and all helps together.
fn outcome(world: &mut World) -> (Option<Vec<String>>, Vec<Code>, String) {
    let resolved = world.resolve();
    let group = &resolved.model.groups[resolved.model.group_of(&"curl/curl".parse().unwrap())];
    let ports = group.destinations.iter().flat_map(|one| &one.ports);
    let mirror = ports.flat_map(|port| &port.mirrors).next();
    let endpoints = mirror.map(|mirror| match &mirror.target {
        Target::Service { backend, .. } => {
            backend.endpoints.iter().map(ToString::to_string).collect()
        }
        Target::External(_) => panic!("a host outside"),
    });
    let said = || {
        resolved
            .report
            .iter()
            .filter(|one| one.code != Code::PluginUnconfigured)
    };
    let helps: Vec<_> = said().map(|one| one.help.as_str()).collect();
    (
        endpoints,
        said().map(|one| one.code).collect(),
        helps.join("; "),
    )
}

#[test]
fn copies_go_to_ready_endpoints_whose_pods_have_all_labels() {
    use Code::{TargetEmpty as Empty, TargetUnlabelled as Unlabelled};
    for (labels, endpoints, codes, help) in [
        (
            json!({"version": "v2"}),
            vec!["10.3.0.2:8080"],
            vec![Unlabelled],
            "add the Pod `pipy/gone`",
        ),
        (
            json!({"version": "v2", "app": "all"}),
            vec!["10.3.0.2:8080"],
            vec![Unlabelled],
            "",
        ),
        (
            json!({"version": "v3"}),
            vec![],
            vec![Empty, Unlabelled],
            "the label `version` is `v1`, `v2`",
        ),
        (
            json!({"tier": ""}),
            vec![],
            vec![Empty, Unlabelled],
            "the label `tier` is absent",
        ),
        (
            json!({"app": "other"}),
            vec![],
            vec![Empty, Unlabelled],
            "selects only Pods whose label `app` is `all`",
        ),
    ] {
        let mut world = world();
        mirror(
            &mut world,
            "m",
            "traffic-mirror",
            "pipy-ok-v1",
            labels.clone(),
        );
        let (found, said, helps) = outcome(&mut world);
        let expected: Vec<_> = endpoints.iter().map(ToString::to_string).collect();
        assert_eq!((found, said), (Some(expected), codes), "{labels}");
        assert!(helps.contains(help), "{labels}: {helps}");
    }
}

#[test]
fn where_no_endpoint_says_which_pod_it_is_none_gets_copies() {
    let mut world = world();
    slice(
        &mut world,
        "all",
        json!([{"addresses": ["10.3.0.2"]}, {"addresses": ["10.3.0.3"], "targetRef": {"kind": "Node", "name": "v2"}}]),
    );
    mirror(
        &mut world,
        "m",
        "traffic-mirror",
        "pipy-ok-v1",
        json!({"version": "v2"}),
    );
    let (endpoints, codes, helps) = outcome(&mut world);
    assert_eq!(endpoints, Some(vec![]));
    assert_eq!(codes, [Code::TargetEmpty, Code::TargetUnlabelled]);
    assert!(helps.contains("targetRef: {kind: Pod"), "{helps}");
}

#[test]
fn pods_that_are_not_ready_are_waited_for() {
    let mut world = world();
    pod(&mut world, "v2", json!({"app": "all", "version": "v1"}));
    mirror(
        &mut world,
        "m",
        "traffic-mirror",
        "pipy-ok-v1",
        json!({"version": "v2"}),
    );
    let (endpoints, _, helps) = outcome(&mut world);
    assert_eq!(endpoints, Some(vec![]));
    assert!(helps.contains("not ready"), "{helps}");
}

#[test]
fn a_changed_label_of_a_pod_is_a_change_of_endpoints_and_nothing_else() {
    let mut world = world();
    mirror(
        &mut world,
        "m",
        "traffic-mirror",
        "pipy-ok-v1",
        json!({"version": "v2"}),
    );
    let before = world.resolve();
    pod(&mut world, "v1", json!({"app": "all", "version": "v2"}));
    let after = world.resolve();
    let id = before.model.group_of(&"curl/curl".parse().unwrap());
    assert_eq!(id, after.model.group_of(&"curl/curl".parse().unwrap()));
    let changes = Changes::between(&before.model.groups[id], &after.model.groups[id]);
    let endpoints = Changes {
        endpoints: true,
        ..Changes::default()
    };
    assert_eq!(changes, endpoints);
    assert_eq!(
        outcome(&mut world).0.unwrap(),
        ["10.3.0.1:8080", "10.3.0.2:8080"]
    );

    // One that concerns nobody's subset changes nothing.
    pod(
        &mut world,
        "late",
        json!({"app": "all", "version": "v2", "tier": "x"}),
    );
    let same = world.resolve();
    let changes = Changes::between(&after.model.groups[id], &same.model.groups[id]);
    assert!(!changes.any());
}
