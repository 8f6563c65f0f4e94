//! What stops a mirror, and that it changes nothing but shares.

use mirrorplane::brake;
use mirrorplane::brake::Caps;
use mirrorplane::diag::Code;
use mirrorplane::model::{Changes, Fraction};
use mirrorplane::name::Namespaced;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::world::{World, codes, served, to};

/// Two mirrors of the plugin, from `pipy` to `pipy` and from `shop` to `dark`.
fn two() -> World {
    let mut world = World::mirrored();
    for (namespace, address) in [("shop", "10.9.0.1"), ("dark", "10.9.0.2")] {
        world.add(json!({"kind": "Namespace", "metadata": {"name": namespace}}));
        world.add(json!({
            "kind": "Service", "metadata": {"name": "web", "namespace": namespace},
            "spec": {"ports": [{"name": "http", "port": 80}]},
        }));
        world.add(json!({
            "kind": "EndpointSlice",
            "metadata": {
                "name": "web", "namespace": namespace,
                "labels": {"kubernetes.io/service-name": "web"},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address]}],
            "ports": [{"name": "http", "port": 80}],
        }));
    }
    let mut config = to("web", 80, 0.5);
    config["namespace"] = json!("dark");
    world.add(json!({
        "kind": "PluginConfig", "metadata": {"name": "web", "namespace": "team"},
        "spec": {
            "plugin": "traffic-mirror",
            "destinationRefs": [{"kind": "Service", "namespace": "shop", "name": "web"}],
            "config": config,
        },
    }));
    world
}

/// What is stopped if an object has the annotation, and what is said.
fn stopped(world: &World, annotate: impl FnOnce(&mut World)) -> (Vec<String>, Vec<String>) {
    let mut world = world.clone();
    let before = world.resolve();
    assert_eq!(before.brakes, [].into());
    annotate(&mut world);
    let after = world.resolve();
    assert_eq!(
        after.model, before.model,
        "a stop is no change of the model"
    );
    let names = after.brakes.keys().map(ToString::to_string).collect();
    let said = after.report.iter().filter(|one| one.code == Code::Stopped);
    let said = said.map(|one| one.message.clone());
    (names, said.collect())
}

fn annotated(kind: &str, namespace: Option<&str>, name: &str, value: &str) -> Value {
    json!({"kind": kind, "metadata": {
        "name": name, "namespace": namespace, "annotations": {"mirrorplane.io/stop": value},
        "labels": {"openservicemesh.io/monitored-by": "osm"},
    }})
}

#[test]
fn a_namespace_stops_whatever_has_to_do_with_it() {
    let world = two();
    let [guide, web] = ["curl/traffic-mirror-config", "team/web"];
    for (namespace, expected, how) in [
        ("curl", vec![guide], "in which it is"),
        (
            "pipy",
            vec![guide],
            "in which its destination `pipy/pipy-ok-v1` is",
        ),
        ("shop", vec![web], "in which its destination `shop/web` is"),
        ("dark", vec![web], "in which its target `dark/web` is"),
        ("team", vec![web], "in which it is"),
        ("kube-system", vec![], ""),
    ] {
        let object = annotated("Namespace", None, namespace, "why");
        let (names, said) = stopped(&world, |world| world.add(object));
        assert_eq!(names, expected, "{namespace}");
        let message = format!("it is stopped by the Namespace `{namespace}`, {how}: why");
        assert_eq!(said, vec![message; expected.len()], "once for each mirror");
    }
}

#[test]
fn the_mesh_config_in_force_stops_everything_and_another_one_nothing() {
    let world = two();
    for (name, expected) in [("osm-mesh-config", 2), ("unused", 0)] {
        let mut object = annotated("MeshConfig", Some("osm-system"), name, "");
        object["spec"] = json!({"featureFlags": {"enablePluginPolicy": true}});
        let mut world = world.clone();
        world.add(object);
        let resolved = world.resolve();
        assert_eq!(resolved.brakes.len(), expected, "{name}");
    }
}

#[test]
fn what_makes_no_sense_is_not_said_to_be_stopped() {
    let mut world = World::demo();
    world.add_config("broken", "traffic-mirror", &["pipy-ok-v1"], json!({}));
    let mut object = json!({"kind": "Plugin", "metadata": {"name": "traffic-mirror"}});
    object["spec"] = json!({"priority": 1});
    world.add(object);
    world.add(annotated("Namespace", None, "curl", "why"));
    let resolved = world.resolve();
    assert_eq!(resolved.brakes, [].into());
    assert!(!codes(&resolved.report).contains(&"Stopped".to_owned()));
}

proptest! {
    #[test]
    fn caps_lower_shares_and_change_nothing_else(guide in 0..=1_000_000u32, web in 0..=1_000_000u32) {
        let model = two().resolve().model;
        let limit = |share| Fraction::from_millionths(share).unwrap();
        let caps = Caps::from([
            (Namespaced::new("curl", "traffic-mirror-config"), limit(guide)),
            (Namespaced::new("team", "web"), limit(web)),
            (Namespaced::new("team", "gone"), Fraction::ZERO),
        ]);
        let braked = brake::apply(model.clone(), &caps);
        prop_assert_eq!(brake::apply(braked.clone(), &caps), braked.clone());
        let lines = served(&braked, "curl/curl");
        let shares = [guide, web.min(500_000)].map(|share| format!(" {} (", limit(share)));
        prop_assert!(lines[0].contains(&shares[0]), "{:?}", lines);
        prop_assert!(lines[1].contains(&shares[1]), "{:?}", lines);
        prop_assert_eq!((&braked.nodes, &braked.fallback), (&model.nodes, &model.fallback));
        for (id, group) in &model.groups {
            let changes = Changes::between(group, &braked.groups[id]);
            prop_assert!(!changes.rest && !changes.endpoints);
        }
    }
}
