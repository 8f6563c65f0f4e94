//! What osm-edge's users rely on, and what they were promised and did not get.

use mirrorplane::name::Namespaced;
use serde_json::Value;
use serde_json::json;

use crate::world::MIRRORED;
use crate::world::V1;
use crate::world::World;
use crate::world::codes;
use crate::world::served;
use crate::world::to;

fn mesh_config(plugins: bool) -> Value {
    json!({
        "kind": "MeshConfig", "metadata": {"name": "osm-mesh-config", "namespace": "osm-system"},
        "spec": {"featureFlags": {"enablePluginPolicy": plugins}},
    })
}

#[test]
fn the_guide_mirrors_for_its_caller_and_nobody_else() {
    let resolved = World::mirrored().resolve();
    assert!(resolved.report.is_empty(), "{:?}", resolved.report);
    let model = &resolved.model;
    for node in ["curl/curl", "curl/curl-7f9c"] {
        assert_eq!(served(model, node), [MIRRORED]);
    }
    for node in ["pipy/pipy-ok-v1", "pipy/pipy-ok-v2", "pipy/unknown"] {
        assert!(served(model, node).is_empty(), "{node}");
    }
    assert_eq!(model.nodes.len(), 4);
    assert_eq!(model.groups.len(), 2);
    let group = &model.groups[model.group_of(&Namespaced::new("curl", "curl"))];
    assert_eq!(group.capture.to_string(), "127.0.0.1:15001");
    let destination = &group.destinations[0];
    assert_eq!(
        destination.cluster_ips,
        ["10.96.0.11".parse::<std::net::IpAddr>().unwrap()]
    );
    assert!(!destination.local);
    let mirror = &destination.ports[0].mirrors[0];
    assert_eq!(
        mirror.target.backend().unwrap().endpoints,
        ["10.1.0.2:8080".parse().unwrap()]
    );
}

#[test]
fn the_flag_switches_the_mirror_and_nothing_else() {
    let mut world = World::mirrored();
    let on = world.resolve().model;
    for _ in 0..2 {
        world.add(mesh_config(false));
        let off = world.resolve();
        assert_eq!(served(&off.model, "curl/curl"), [V1]);
        assert_eq!(codes(&off.report), ["PluginPolicyOff"]);
        assert_eq!(off.model.nodes, on.nodes);
        world.add(mesh_config(true));
        assert_eq!(world.resolve().model, on);
    }
    world.objects.mesh_configs.clear();
    assert_eq!(
        world.outcome(),
        (vec![V1.to_owned()], vec!["NoMeshConfig".to_owned()])
    );
    world.objects.plugin_configs.clear();
    world.add(mesh_config(false));
    assert!(
        world.resolve().report.is_empty(),
        "nothing is missed while nothing is to be mirrored"
    );
}

#[test]
fn a_percentage_is_a_fraction() {
    for (percentage, share, code) in [
        (json!({"value": 0}), "0%", None),
        (json!(null), "0%", Some("FractionAbsent")),
        (json!({}), "0%", Some("FractionAbsent")),
        (json!({"value": 0.5}), "50%", None),
        (json!({"value": 1}), "100%", None),
        (json!({"value": 50}), "100%", Some("FractionTooLarge")),
        (json!({"value": "0.5"}), "50%", Some("FractionAsText")),
        (json!({"value": 1e-7}), "0.0001%", Some("FractionTooSmall")),
    ] {
        let mut world = World::mirrored();
        let mut config = to("pipy-ok-v2", 8080, 0.0);
        config["percentage"] = percentage.clone();
        world.add_config(
            "traffic-mirror-config",
            "traffic-mirror",
            &["pipy-ok-v1"],
            config,
        );
        let expected = MIRRORED.replace("100%", share);
        let code: Vec<_> = code.map(str::to_owned).into_iter().collect();
        assert_eq!(world.outcome(), (vec![expected], code), "{percentage}");
    }
}

#[test]
fn who_leaves_the_chain_is_not_mirrored() {
    let mut world = World::mirrored();
    world.add(json!({"kind": "Pod", "metadata": {"name": "curl-7f9c", "namespace": "curl"}}));
    let resolved = world.resolve();
    assert!(served(&resolved.model, "curl/curl-7f9c").is_empty());
    assert_eq!(served(&resolved.model, "curl/curl"), [MIRRORED]);
    world.add(json!({"kind": "Namespace", "metadata": {"name": "curl"}}));
    assert_eq!(world.outcome(), (vec![], vec!["SelectsNothing".to_owned()]));
}

#[test]
fn a_plugin_may_come_last_and_go_first() {
    let mut world = World::mirrored();
    let there = world.resolve().model;
    let plugins = std::mem::take(&mut world.objects.plugins);
    let gone = world.resolve();
    assert_eq!(served(&gone.model, "curl/curl"), [V1]);
    assert_eq!(codes(&gone.report), ["ChainPluginMissing", "PluginMissing"]);
    assert_eq!(gone.model.nodes, there.nodes);
    world.objects.plugins = plugins;
    assert_eq!(world.resolve().model, there);
}

#[test]
fn two_configurations_of_one_plugin_keep_to_their_destinations() {
    let mut world = World::mirrored();
    world.add_service("a", json!([{"port": 80}]));
    world.add_config("a", "traffic-mirror", &["a"], to("pipy-ok", 8080, 0.25));
    let (served, _) = world.outcome();
    assert_eq!(
        served,
        ["pipy/a:80 => pipy/pipy-ok:8080 25% (curl/a)", MIRRORED]
    );
}

#[test]
fn of_two_configurations_for_one_destination_the_oldest_wins() {
    let mut world = World::mirrored();
    world.add_config(
        "a",
        "traffic-mirror",
        &["pipy-ok-v1"],
        to("pipy-ok-v2", 8080, 0.5),
    );
    let mut created = |name: &str, time: Option<&str>| {
        let name = Namespaced::new("curl", name);
        let config = world.objects.plugin_configs.get_mut(&name).unwrap();
        config.object.metadata.creation_timestamp = time.map(str::to_owned);
        let resolved = world.resolve();
        let lost: Vec<_> = resolved
            .report
            .iter()
            .map(|d| (d.object.clone().unwrap().name.name, d.message.clone()))
            .collect();
        (served(&resolved.model, "curl/curl"), lost)
    };
    let by_a = MIRRORED.replace("100% (curl/traffic-mirror-config)", "50% (curl/a)");
    let (served, lost) = created("a", None);
    assert_eq!(served, vec![by_a.clone()], "by name");
    assert_eq!(lost[0].0, "traffic-mirror-config");
    assert!(
        lost[0].1.contains("`curl/a`"),
        "the winner is named: {}",
        lost[0].1
    );
    assert_eq!(
        created("traffic-mirror-config", Some("2024-01-01T00:00:00Z")).0,
        [MIRRORED]
    );
    assert_eq!(created("a", Some("2023-01-01T00:00:00Z")).0, [by_a]);
}

#[test]
fn two_plugins_mirror_one_destination_twice() {
    let mut world = World::mirrored();
    world.add_config(
        "second",
        "shadow",
        &["pipy-ok-v1"],
        to("pipy-ok", 8080, 0.5),
    );
    world.add(json!({
        "kind": "PluginChain", "metadata": {"name": "second", "namespace": "x"},
        "spec": {"chains": [{"name": "outbound-http", "plugins": ["shadow"]}], "selectors": {}},
    }));
    let (first, second) = (
        "pipy/pipy-ok-v2:8080 100% (curl/traffic-mirror-config)",
        "pipy/pipy-ok:8080 50% (curl/second)",
    );
    for (priority, order) in [
        (120, [second, first]),
        (112, [first, second]),
        (115, [second, first]),
    ] {
        world.add(json!({
            "kind": "Plugin", "spec": {"priority": priority},
            "metadata": {"name": "shadow", "annotations": {"mirrorplane.io/plugin": "traffic-mirror"}},
        }));
        let (served, _) = world.outcome();
        assert_eq!(
            served,
            [format!("{V1} => {} => {}", order[0], order[1])],
            "{priority}"
        );
    }
}

#[test]
fn other_chains_mirror_nothing() {
    for chain in [
        "inbound-http",
        "outbound-tcp",
        "inbound-tcp",
        "outbound-grpc",
    ] {
        let mut world = World::mirrored();
        let object = &mut world
            .objects
            .plugin_chains
            .values_mut()
            .next()
            .unwrap()
            .object;
        object.spec.chains[0].name = chain.to_owned();
        let codes = ["UnsupportedChain", "PluginUnused"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(world.outcome(), (vec![], codes), "{chain}");
    }
}

#[test]
fn selectors_may_be_empty_and_exists_needs_no_values() {
    for (selectors, others) in [
        (json!({}), true),
        (json!({"podSelector": {}, "namespaceSelector": {}}), true),
        (
            json!({"podSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}}),
            true,
        ),
        (
            json!({"podSelector": {"matchExpressions": [{"key": "version", "operator": "DoesNotExist"}]}}),
            false,
        ),
    ] {
        let mut world = World::mirrored();
        let object = &mut world
            .objects
            .plugin_chains
            .values_mut()
            .next()
            .unwrap()
            .object;
        object.spec.selectors = serde_json::from_value(selectors.clone()).unwrap();
        let resolved = world.resolve();
        let said = codes(&resolved.report);
        assert_eq!(served(&resolved.model, "curl/curl"), [MIRRORED]);
        assert_eq!(
            !served(&resolved.model, "pipy/pipy-ok-v1").is_empty(),
            others,
            "{selectors}"
        );
        // The shadow is among them.
        let expected = if others { &["OwnCalls"][..] } else { &[] };
        assert_eq!(said, expected, "{selectors}");
    }
}

#[test]
fn objects_in_the_shape_of_fsm_are_read() {
    let mut world = World::mirrored();
    world.objects.mesh_configs.clear();
    world.apply("
kind: MeshConfig
metadata: { name: fsm-mesh-config, namespace: fsm-system }
spec: { featureFlags: { enablePluginPolicy: true, enableEgressPolicy: true } }
---
kind: PluginConfig
metadata: { name: traffic-mirror-config, namespace: curl }
spec:
  plugin: traffic-mirror
  destinationRefs:
    - { apiVersion: v1, kind: Service, name: pipy-ok-v1, namespace: pipy, uid: '1234', resourceVersion: '7' }
  config: { namespace: pipy, service: pipy-ok-v2, port: 8080, percentage: { value: 1 } }
".trim());
    assert_eq!(world.outcome(), (vec![MIRRORED.to_owned()], vec![]));
}

#[test]
fn a_service_account_with_dots_changes_nothing() {
    let mut world = World::mirrored();
    world.add(json!({
        "kind": "Deployment", "metadata": {"name": "curl", "namespace": "curl"},
        "spec": {"template": {"metadata": {"labels": {"app": "curl"}}, "spec": {"serviceAccountName": "a.b.c"}}},
    }));
    assert_eq!(world.outcome(), (vec![MIRRORED.to_owned()], vec![]));
}

#[test]
fn a_destination_is_not_mirrored_to_itself() {
    let mut world = World::mirrored();
    world.add_config(
        "traffic-mirror-config",
        "traffic-mirror",
        &["pipy-ok-v2", "pipy-ok-v1"],
        to("pipy-ok-v2", 8080, 1.0),
    );
    let served = vec![MIRRORED.to_owned(), "pipy/pipy-ok-v2:8080".to_owned()];
    assert_eq!(world.outcome(), (served, vec!["SelfMirror".to_owned()]));
}

#[test]
fn the_mirror_belongs_to_the_service_that_is_addressed() {
    // `pipy-ok` has the Pods of v1 and v2 behind it, as the apex of a TrafficSplit has: a request to it is not one to v1.
    let mut world = World::mirrored();
    world.add_service("pipy-ok", json!([{"name": "pipy", "port": 8080}]));
    assert_eq!(world.outcome(), (vec![MIRRORED.to_owned()], vec![]));
    world.add_config(
        "apex",
        "traffic-mirror",
        &["pipy-ok"],
        to("pipy-ok-v2", 8080, 0.1),
    );
    let apex = "pipy/pipy-ok:8080 => pipy/pipy-ok-v2:8080 10% (curl/apex)".to_owned();
    assert_eq!(world.outcome(), (vec![apex, MIRRORED.to_owned()], vec![]));
}
