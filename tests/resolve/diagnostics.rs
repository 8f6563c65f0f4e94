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
fn a_mirror_without_a_configuration_mirrors_nothing() {
    let said = said(|world| world.objects.plugin_configs.clear());
    assert_eq!(
        said,
        ["Plugin traffic-mirror metadata.name: PluginUnconfigured"]
    );
}

/// The help of the one diagnostic with this code.
fn help(code: Code, change: impl FnOnce(&mut World)) -> String {
    let mut world = World::mirrored();
    change(&mut world);
    let resolved = world.resolve();
    let mut found = resolved.report.iter().filter(|d| d.code == code);
    let help = found.next().unwrap().help.clone();
    assert_eq!(found.next(), None);
    help
}

#[test]
fn what_is_proposed_is_not_what_the_rule_names_already() {
    let typo = |from: &'static str, to: &'static str| {
        move |world: &mut World| {
            let spec = self::to(to, 8080, 1.0);
            world.add_config("traffic-mirror-config", "traffic-mirror", &[from], spec);
        }
    };
    let target = help(Code::TargetMissing, typo("pipy-ok-v1", "pipy-ok-v3"));
    assert_eq!(target, "did you mean `pipy/pipy-ok-v2`?");
    let from = help(Code::DestinationMissing, typo("pipy-ok-v0", "pipy-ok-v2"));
    assert_eq!(from, "did you mean `pipy/pipy-ok-v1`?");
    let from = help(Code::DestinationMissing, typo("pipy-ok-v3", "pipy-ok-v1"));
    assert_eq!(from, "did you mean `pipy/pipy-ok-v2`?");
}

#[test]
fn without_endpoints_it_is_said_what_is_not_there() {
    let slice = |ports: Value, ready: bool| {
        move |world: &mut World| {
            world.add(json!({
                "kind": "EndpointSlice",
                "metadata": {
                    "name": "x-1", "namespace": "pipy",
                    "labels": {"kubernetes.io/service-name": "x"},
                },
                "addressType": "IPv4",
                "endpoints": [{"addresses": ["10.9.0.1"], "conditions": {"ready": ready}}],
                "ports": ports,
            }));
        }
    };
    let x = |world: &mut World| {
        let ports = json!([{"name": "http", "port": 80, "appProtocol": "http"}]);
        world.add_service("x", ports);
        world
            .objects
            .endpoint_slices
            .retain(|name, _| name.name != "x-1");
    };
    let rule = |world: &mut World, from: &str, to: &str| {
        let spec = self::to(to, if to == "x" { 80 } else { 8080 }, 1.0);
        world.add_config("traffic-mirror-config", "traffic-mirror", &[from], spec);
    };
    let missing = "no EndpointSlice in the namespace `pipy` has the label `kubernetes.io/service-name: x`; add one";
    let unready =
        "its EndpointSlices have that port, but no endpoint that is ready: look at its Pods";
    let unnamed =
        "name a port of its EndpointSlices as the Service does, `http`; they have `a`, `b`";
    let (there, others) = (
        json!([{"name": "http", "port": 1}]),
        json!([{"name": "b", "port": 1}, {"name": "a", "port": 2}]),
    );
    let as_target = |world: &mut World| rule(world, "pipy-ok-v1", "x");
    let as_destination = |world: &mut World| rule(world, "x", "pipy-ok-v2");
    for (ports, expected) in [
        (None, missing),
        (Some(&there), unready),
        (Some(&others), unnamed),
    ] {
        let with = |world: &mut World| {
            x(world);
            if let Some(ports) = ports {
                slice(ports.clone(), false)(world);
            }
        };
        let target = help(Code::TargetEmpty, |world| {
            with(world);
            as_target(world);
        });
        assert_eq!(target, expected);
        let code = match ports {
            None => Code::DestinationUnserved,
            Some(_) => Code::DestinationEmpty,
        };
        let destination = help(code, |world| {
            with(world);
            as_destination(world);
        });
        assert_eq!(destination, expected);
    }
}

#[test]
fn a_destination_that_nobody_serves_is_left_alone_and_one_without_ready_endpoints_is_not() {
    let mut world = World::mirrored();
    let slices = std::mem::take(&mut world.objects.endpoint_slices);
    let (served, said) = world.outcome();
    assert_eq!(served, [""; 0]);
    assert!(said.contains(&"DestinationUnserved".to_owned()), "{said:?}");
    world.objects.endpoint_slices = slices;
    for slice in world.objects.endpoint_slices.values_mut() {
        slice.object.endpoints.clear();
    }
    let (served, said) = world.outcome();
    assert_eq!(served, [crate::world::MIRRORED]);
    assert!(said.contains(&"DestinationEmpty".to_owned()), "{said:?}");
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
        json!({"name": "x", "port": 9, "appProtocol": "tls"}),
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
