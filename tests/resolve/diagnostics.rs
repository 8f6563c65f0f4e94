//! What is said, where, and that it says what happens and what to do.

use mirrorplane::diag::Code;
use serde_json::Value;
use serde_json::json;

use crate::world::World;
use crate::world::codes;
use crate::world::to;

/// What is said about the guide's world after a change: `PluginConfig curl/m spec.config.port: TargetPortMissing`.
fn said(change: impl FnOnce(&mut World)) -> Vec<String> {
    let mut world = World::mirrored();
    change(&mut world);
    let resolved = world.resolve();
    for diagnostic in &resolved.report {
        assert!(
            !diagnostic.message.is_empty()
                && !diagnostic.effect.is_empty()
                && !diagnostic.help.is_empty()
        );
        assert!(
            !diagnostic.message.ends_with('.') && !diagnostic.effect.ends_with('.'),
            "{diagnostic:?}"
        );
    }
    let said = resolved.report.iter().map(|d| {
        let object = d
            .object
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        format!("{object} {}: {:?}", d.path, d.code)
    });
    said.collect()
}

fn config(plugin: &str, from: &[&str], config: Value) -> Vec<String> {
    said(|world| world.add_config("traffic-mirror-config", plugin, from, config))
}

#[test]
fn every_fault_names_its_object_and_field() {
    let v1 = ["pipy-ok-v1"];
    let subject = "PluginConfig curl/traffic-mirror-config";
    for (said, expected) in [
        (
            config("traffic-mirror", &["none"], to("pipy-ok-v2", 8080, 1.0)),
            "spec.destinationRefs[0].name: DestinationMissing",
        ),
        (
            config("traffic-mirror", &[], to("pipy-ok-v2", 8080, 1.0)),
            "spec.destinationRefs: NoDestinations",
        ),
        (
            config("traffic-mirror", &v1, to("none", 8080, 1.0)),
            "spec.config.service: TargetMissing",
        ),
        (
            config("traffic-mirror", &v1, to("pipy-ok-v2", 1, 1.0)),
            "spec.config.port: TargetPortMissing",
        ),
        (
            config("traffic-mirror", &v1, to("pipy-ok-v2", 0, 1.0)),
            "spec.config.port: BadConfigValue",
        ),
        (
            config("traffic-mirror", &v1, to("pipy-ok-v2", 8080, -1.0)),
            "spec.config.percentage.value: BadFraction",
        ),
        (config("gone", &v1, json!({})), "spec.plugin: PluginMissing"),
    ] {
        assert_eq!(said, [format!("{subject} {expected}")]);
    }
}

#[test]
fn another_plugin_is_one_warning_and_no_more() {
    let said = said(|world| {
        world.add(
            json!({"kind": "Plugin", "metadata": {"name": "cors"}, "spec": {"priority": 165}}),
        );
        world.add_config("cors", "cors", &["none"], json!({"origins": ["*"]}));
        world.add(json!({
            "kind": "PluginChain", "metadata": {"name": "cors", "namespace": "x"},
            "spec": {
                "chains": [{"name": "inbound-http", "plugins": ["cors"]}],
                "selectors": {"podSelector": {"matchLabels": {"app": "none"}}},
            },
        }));
    });
    assert_eq!(said, ["Plugin cors : UnsupportedPlugin"]);
}

#[test]
fn a_mirror_in_no_chain_is_unused() {
    let said = said(|world| world.objects.plugin_chains.clear());
    assert_eq!(
        said,
        ["PluginConfig curl/traffic-mirror-config spec.plugin: PluginUnused"]
    );
}

#[test]
fn ports_that_are_not_http_are_skipped() {
    let subject = "PluginConfig curl/traffic-mirror-config spec.destinationRefs[0]";
    let ports =
        json!([{"name": "http", "port": 443}, {"name": "quic", "port": 443, "protocol": "UDP"}]);
    let said = said(|world| {
        world.add_service("x", ports);
        world.add_config(
            "traffic-mirror-config",
            "traffic-mirror",
            &["x"],
            to("pipy-ok-v2", 8080, 1.0),
        );
    });
    assert_eq!(said, [format!("{subject}: PortNotHttp")]);
}

#[test]
fn a_target_that_is_not_http_is_refused() {
    for port in [
        json!({"name": "tcp-x", "port": 9}),
        json!({"name": "x", "port": 9, "appProtocol": "https"}),
    ] {
        let said = said(|world| {
            world.add_service("x", json!([port]));
            world.add_config(
                "traffic-mirror-config",
                "traffic-mirror",
                &["pipy-ok-v1"],
                to("x", 9, 1.0),
            );
        });
        assert_eq!(
            said,
            ["PluginConfig curl/traffic-mirror-config spec.config.port: TargetNotHttp"]
        );
    }
}

#[test]
fn endpoints_that_are_missing_or_bad_are_reported_once() {
    let said = said(|world| {
        world.objects.endpoint_slices.clear();
        world.add(json!({
            "kind": "EndpointSlice",
            "metadata": {"name": "s", "namespace": "pipy", "labels": {"kubernetes.io/service-name": "pipy-ok-v1"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["pod.example"]}],
            "ports": [{"name": "pipy", "port": 8080}],
        }));
    });
    assert_eq!(
        said,
        [
            "EndpointSlice pipy/s endpoints[0].addresses[0]: BadEndpoint",
            "PluginConfig curl/traffic-mirror-config spec.config.service: TargetEmpty",
            "PluginConfig curl/traffic-mirror-config spec.destinationRefs[0]: DestinationEmpty",
        ]
    );
}

#[test]
fn a_slip_is_answered_with_what_was_meant() {
    for (from, config, meant) in [
        (
            "pipy-ok-v11",
            to("pipy-ok-v2", 8080, 1.0),
            "`pipy/pipy-ok-v1`",
        ),
        (
            "pipy-ok-v1",
            to("pipy-ok-v22", 8080, 1.0),
            "`pipy/pipy-ok-v2`",
        ),
        (
            "pipy-ok-v1",
            json!({"namespace": "curl", "service": "pipy-ok-v2", "port": 8080, "percentage": {"value": 1}}),
            "`pipy/pipy-ok-v2`",
        ),
        ("pipy-ok-v1", to("pipy-ok-v2", "http", 1.0), "8080 (pipy)"),
    ] {
        let mut world = World::mirrored();
        world.add_config("traffic-mirror-config", "traffic-mirror", &[from], config);
        let resolved = world.resolve();
        let helps: Vec<_> = resolved.report.iter().map(|d| d.help.clone()).collect();
        assert!(helps.len() == 1 && helps[0].contains(meant), "{helps:?}");
    }
}

#[test]
fn a_second_mesh_config_is_ignored() {
    let mut world = World::mirrored();
    world.add(json!({"kind": "MeshConfig", "metadata": {"name": "a", "namespace": "a"}}));
    let resolved = world.resolve();
    assert_eq!(codes(&resolved.report), ["SeveralMeshConfigs"]);
    assert_eq!(
        resolved.report.iter().next().unwrap().code,
        Code::SeveralMeshConfigs
    );
}

#[test]
fn the_report_is_in_the_order_of_kind_object_and_field() {
    let mut world = World::mirrored();
    world.add_config(
        "traffic-mirror-config",
        "traffic-mirror",
        &["z", "y"],
        json!({}),
    );
    world.add_config("a", "traffic-mirror", &["pipy-ok-v2"], to("none", 1, 7.0));
    world.objects.namespaces.clear();
    let resolved = world.resolve();
    let places: Vec<_> = resolved
        .report
        .iter()
        .map(|d| (&d.object, &d.path))
        .collect();
    assert!(places.len() > 8 && places.is_sorted(), "{places:?}");
}
