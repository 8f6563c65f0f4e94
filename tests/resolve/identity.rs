//! Who shares a group, and what a group outlives.

use std::collections::BTreeSet;

use mirrorplane::model::Model;
use mirrorplane::name::Namespaced;
use serde_json::json;

use crate::world::World;
use crate::world::codes;
use crate::world::served;
use crate::world::to;

fn group_ids(model: &Model) -> BTreeSet<String> {
    model.groups.keys().map(ToString::to_string).collect()
}

#[test]
fn a_group_outlives_everything_that_its_rules_say() {
    let mut world = World::mirrored();
    let before = world.resolve().model;
    let still = |world: &mut World, what: &str| {
        let model = world.resolve().model;
        assert_eq!(
            (&model.nodes, group_ids(&model)),
            (&before.nodes, group_ids(&before)),
            "{what}"
        );
    };
    world.add_config(
        "traffic-mirror-config",
        "traffic-mirror",
        &["pipy-ok-v1"],
        to("pipy-ok-v2", 8080, 0.1),
    );
    still(&mut world, "a share");
    world.add_config(
        "traffic-mirror-config",
        "traffic-mirror",
        &["pipy-ok-v1"],
        to("pipy-ok", 8080, 0.1),
    );
    still(&mut world, "a target");
    world.add_config(
        "traffic-mirror-config",
        "traffic-mirror",
        &["pipy-ok-v1"],
        to("pipy-ok", 1, 0.1),
    );
    still(&mut world, "a port that does not exist");
    world.add_config(
        "traffic-mirror-config",
        "traffic-mirror",
        &["pipy-ok-v1"],
        json!({}),
    );
    still(&mut world, "a configuration that makes no sense");
    for slice in world.objects.endpoint_slices.values_mut() {
        slice.object.endpoints.clear();
    }
    still(&mut world, "endpoints");
    world.add_service(
        "pipy-ok-v1",
        json!([{"port": 80}, {"name": "b", "port": 81}]),
    );
    still(&mut world, "ports");
}

#[test]
fn callers_in_the_namespace_of_a_destination_are_apart() {
    let mut world = World::mirrored();
    let chain = &mut world
        .objects
        .plugin_chains
        .values_mut()
        .next()
        .unwrap()
        .object;
    chain.spec.selectors = serde_json::from_value(json!({})).unwrap();
    for namespace in ["a", "b"] {
        world.add(json!({"kind": "Pod", "metadata": {"name": "p", "namespace": namespace}}));
    }
    let model = world.resolve().model;
    let group = |node: &str| model.group_of(&node.parse().unwrap());
    assert_eq!(group("a/p"), group("b/p"));
    assert_eq!(group("a/p"), group("curl/curl"));
    assert_ne!(group("a/p"), group("pipy/pipy-ok-v1"));
    assert!(model.groups[group("pipy/pipy-ok-v1")].destinations[0].local);
    assert!(!model.groups[group("a/p")].destinations[0].local);
}

#[test]
fn who_has_no_rules_shares_the_fallback_unless_it_listens_elsewhere() {
    let mut world = World::demo();
    world.add(json!({
        "kind": "Pod",
        "metadata": {"name": "own", "namespace": "a", "annotations": {"mirrorplane.io/listen": "127.0.0.1:9000"}},
    }));
    world.add(json!({
        "kind": "Pod",
        "metadata": {"name": "bad", "namespace": "a", "annotations": {"mirrorplane.io/listen": "here"}},
    }));
    let resolved = world.resolve();
    assert_eq!(codes(&resolved.report), ["BadListenAddress"]);
    let model = resolved.model;
    let group = |node: &str| model.group_of(&node.parse().unwrap());
    assert_eq!(group("curl/curl"), &model.fallback);
    assert_eq!(group("a/bad"), &model.fallback);
    assert_ne!(group("a/own"), &model.fallback);
    assert_eq!(
        model.groups[group("a/own")].capture.to_string(),
        "127.0.0.1:9000"
    );
    assert_eq!(model.groups.len(), 2);
}

#[test]
fn an_edit_that_makes_no_sense_keeps_the_last_that_did() {
    let mut world = World::mirrored();
    let before = world.resolve().model;
    let name = Namespaced::new("curl", "traffic-mirror-config");
    world.add_config(
        "traffic-mirror-config",
        "traffic-mirror",
        &["pipy-ok-v1"],
        json!({"service": "pipy-ok"}),
    );
    for _ in 0..2 {
        let resolved = world.resolve();
        assert_eq!(resolved.model, before);
        assert!(
            resolved
                .report
                .iter()
                .any(|d| d.effect.contains("last valid configuration stays in force"))
        );
    }
    // Another rule for the destination is junior to what is kept, and no longer when nothing is.
    world.add_config(
        "z",
        "traffic-mirror",
        &["pipy-ok-v1"],
        to("pipy-ok", 8080, 0.5),
    );
    assert_eq!(world.resolve().model, before);
    let config = world.objects.plugin_configs.remove(&name).unwrap();
    let by_z = "pipy/pipy-ok-v1:8080 => pipy/pipy-ok:8080 50% (curl/z)";
    assert_eq!(served(&world.resolve().model, "curl/curl"), [by_z]);
    world.objects.plugin_configs.insert(name, config);
    let resolved = world.resolve();
    assert_eq!(
        served(&resolved.model, "curl/curl"),
        [by_z],
        "what was removed is forgotten"
    );
    assert!(
        resolved
            .report
            .iter()
            .any(|d| d.effect.contains("nothing is mirrored by it"))
    );
}
