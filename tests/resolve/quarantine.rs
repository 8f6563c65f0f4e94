//! Who is in quarantine, and that nobody else notices.

use std::collections::BTreeMap;

use mirrorplane::model::{Bounds, Model};
use mirrorplane::name::Namespaced;
use mirrorplane::resolve::Resolved;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::world::{World, to};

/// The guide's world, in which the shadow has Pods of its own, with a workload `shadow` for them, and this in its mirror.
fn world(quarantine: &Value) -> World {
    let mut world = World::mirrored();
    world
        .objects
        .services
        .remove(&Namespaced::new("pipy", "pipy-ok"));
    workload(
        &mut world,
        "shadow",
        &json!({"app": "pipy-ok", "version": "v2"}),
    );
    rule(
        &mut world,
        "traffic-mirror-config",
        "pipy-ok-v1",
        "pipy-ok-v2",
        quarantine,
    );
    world
}

fn workload(world: &mut World, name: &str, labels: &Value) {
    world.add(json!({
        "kind": "Deployment", "metadata": {"name": name, "namespace": "pipy"},
        "spec": {"template": {"metadata": {"labels": labels}}},
    }));
}

fn service(world: &mut World, name: &str, labels: &Value) {
    world.add_service(name, json!([{"name": "http", "port": 80}]));
    let mut service = json!({"kind": "Service", "metadata": {"name": name, "namespace": "pipy"}});
    service["spec"] = json!({"selector": labels, "ports": [{"name": "http", "port": 80}]});
    world.add(service);
}

fn rule(world: &mut World, name: &str, from: &str, target: &str, quarantine: &Value) {
    let port = if target.starts_with("pipy-ok") {
        8080
    } else {
        80
    };
    let mut config = to(target, port, 1.0);
    config["quarantine"] = quarantine.clone();
    world.add_config(name, "traffic-mirror", &[from], config);
}

/// The quarantines of all nodes that have one.
fn held(model: &Model) -> BTreeMap<String, String> {
    let nodes = model.nodes.iter();
    let held = nodes.filter_map(|(node, id)| {
        let quarantine = model.groups[id].quarantine.as_ref()?;
        let rules: Vec<_> = quarantine.rules.iter().map(ToString::to_string).collect();
        let text = format!("{} {}", quarantine.strictness, rules.join(" "));
        Some((node.to_string(), text))
    });
    held.collect()
}

/// What is said of quarantines: by which rule, code and message.
fn said(resolved: &Resolved) -> Vec<String> {
    let report = resolved.report.iter();
    let report = report.filter(|one| one.code.as_str().starts_with("MP35"));
    let said = report.map(|one| {
        let object = &one.object.as_ref().unwrap().name.name;
        format!("{object} {} {}", one.code, one.message)
    });
    said.collect()
}

#[test]
fn those_who_only_receive_copies_are_held_and_the_strictest_rule_counts() {
    let mut world = world(&json!("read-only"));
    let only = |text: &str| {
        // The guide's own workload of v2 is one as well.
        let nodes = ["pipy/pipy-ok-v2", "pipy/shadow"];
        nodes.map(|node| (node.to_owned(), text.to_owned())).into()
    };
    let resolved = world.resolve();
    assert_eq!(
        held(&resolved.model),
        only("read-only curl/traffic-mirror-config")
    );
    assert_eq!(said(&resolved), Vec::<String>::new());

    service(&mut world, "other", &json!({"app": "other"}));
    rule(&mut world, "deny", "other", "pipy-ok-v2", &json!("deny"));
    rule(&mut world, "third", "curl", "pipy-ok-v2", &json!("off"));
    let resolved = world.resolve();
    assert_eq!(
        held(&resolved.model),
        only("deny curl/deny curl/traffic-mirror-config")
    );
    assert_eq!(
        said(&resolved),
        [
            "traffic-mirror-config MP352 the PluginConfig `curl/deny` asks for `quarantine: deny` for Pods of the target `pipy/pipy-ok-v2`"
        ]
    );

    let off = || json!({"enablePluginPolicy": false});
    world.add(json!({
        "kind": "MeshConfig", "metadata": {"name": "osm-mesh-config", "namespace": "osm-system"},
        "spec": {"featureFlags": off()},
    }));
    assert_eq!(held(&world.resolve().model), BTreeMap::new());
}

#[test]
fn pods_that_are_live_as_well_are_not_held_and_the_service_is_named() {
    let mut world = world(&json!("deny"));
    workload(
        &mut world,
        "both",
        &json!({"app": "pipy-ok", "version": "v2", "tier": "live"}),
    );
    service(&mut world, "tier", &json!({"tier": "live"}));
    let resolved = world.resolve();
    let nodes: Vec<_> = held(&resolved.model).into_keys().collect();
    assert_eq!(nodes, ["pipy/pipy-ok-v2", "pipy/shadow"]);
    let told = "traffic-mirror-config MP351 Pods of the target `pipy/pipy-ok-v2` are behind the Service `pipy/tier` too, to which nothing is mirrored";
    assert_eq!(said(&resolved), [told]);

    // A target that is a destination itself.
    service(&mut world, "next", &json!({"app": "next"}));
    rule(&mut world, "on", "pipy-ok-v2", "next", &Value::Null);
    let resolved = world.resolve();
    assert_eq!(held(&resolved.model), BTreeMap::new());
    let said = said(&resolved);
    assert!(
        said.iter()
            .any(|one| one.contains("the target `pipy/pipy-ok-v2` is live")),
        "{said:?}"
    );
}

#[test]
fn a_subset_is_live_by_its_service_unless_that_only_receives_copies_too() {
    let mut world = world(&Value::Null);
    let mut config = to("pipy-ok-v2", 8080, 1.0);
    config["subset"] = json!({"labels": {"version": "v2"}});
    config["quarantine"] = json!("deny");
    service(&mut world, "other", &json!({"app": "other"}));
    world.add_config("subset", "traffic-mirror", &["other"], config);
    assert_eq!(
        held(&world.resolve().model).len(),
        2,
        "a target as a whole as well"
    );
    let rule = Namespaced::new("curl", "traffic-mirror-config");
    world.objects.plugin_configs.remove(&rule);
    let resolved = world.resolve();
    assert_eq!(held(&resolved.model), BTreeMap::new());
    let told = "subset MP351 Pods of the subset are behind the Service `pipy/pipy-ok-v2` as a whole too, to which nothing is mirrored";
    assert_eq!(said(&resolved), [told]);
}

#[test]
fn those_who_only_receive_copies_can_be_asked_and_others_cannot() {
    let mut world = world(&json!("read-only"));
    for (name, labels) in [
        ("live", json!({"app": "live"})),
        ("mine", json!({"app": "mine"})),
        ("part", json!({"app": "part", "version": "v2"})),
        ("whole", json!({"app": "part"})),
    ] {
        service(&mut world, name, &labels);
    }
    // Of `part` all Pods are behind `whole`, which is live.
    rule(&mut world, "to-mine", "live", "mine", &Value::Null);
    rule(&mut world, "to-part", "whole", "part", &Value::Null);
    let model = world.resolve().model;
    let group = &model.groups[model.group_of(&Namespaced::new("pipy", "shadow"))];
    let Bounds::Hosts(open) = &group.quarantine.as_ref().unwrap().bounds else {
        panic!("capture is explicit");
    };
    let open: Vec<_> = open.iter().map(|one| one.service.to_string()).collect();
    assert_eq!(open, ["pipy/mine", "pipy/pipy-ok-v2"]);
}

proptest! {
    #[test]
    fn nobody_else_is_told_anything_else(
        quarantine in prop_oneof![Just("read-only"), Just("deny"), Just("off")],
    ) {
        let without = world(&Value::Null).resolve();
        let with = world(&json!(quarantine)).resolve();
        let held = held(&with.model);
        prop_assert_eq!(held.len(), if quarantine == "off" { 0 } else { 2 });
        for node in without.model.nodes.keys().filter(|node| !held.contains_key(&node.to_string())) {
            let (before, after) = (without.model.group_of(node), with.model.group_of(node));
            prop_assert_eq!(before, after);
            prop_assert_eq!(&without.model.groups[before], &with.model.groups[after]);
        }
    }
}
