//! Which ports are mirrored, and which port of the target gets the copies.

use std::num::NonZeroU16;

use mirrorplane::name::Namespaced;
use serde_json::json;

use crate::world::MIRRORED;
use crate::world::V1;
use crate::world::World;
use crate::world::codes;
use crate::world::served;
use crate::world::to;

#[test]
fn a_target_port_is_found_behind_the_services_own() {
    let ports = json!([
        {"name": "a", "port": 80, "targetPort": 8080},
        {"name": "b", "port": 8080, "targetPort": 9090},
        {"name": "c", "port": 81, "targetPort": "web"},
        {"name": "d", "port": 82, "targetPort": 9090},
    ]);
    for (port, found, code) in [
        (json!(80), Some(80), None),
        (json!(8080), Some(8080), None),
        (json!(9090), Some(8080), Some("TargetPortIndirect")),
        (json!("b"), Some(8080), None),
        (json!("82"), Some(82), None),
        (json!("web"), Some(81), Some("TargetPortIndirect")),
        (json!(7070), Some(81), Some("TargetPortIndirect")),
        (json!(1), None, Some("TargetPortMissing")),
        (json!("e"), None, Some("TargetPortMissing")),
    ] {
        let mut world = World::mirrored();
        world.add_service("many", ports.clone());
        let slice = world
            .objects
            .endpoint_slices
            .get_mut(&Namespaced::new("pipy", "many-1"))
            .unwrap();
        slice.object.ports[2].port = Some(7070);
        world.add_config(
            "traffic-mirror-config",
            "traffic-mirror",
            &["pipy-ok-v1"],
            to("many", port.clone(), 1.0),
        );
        let expected = match found {
            Some(found) => format!("{V1} => pipy/many:{found} 100% (curl/traffic-mirror-config)"),
            None => V1.to_owned(),
        };
        let code: Vec<_> = code.map(str::to_owned).into_iter().collect();
        assert_eq!(world.outcome(), (vec![expected], code), "{port}");
    }
}

#[test]
fn a_configuration_is_for_all_http_ports_of_its_destination() {
    let mut world = World::mirrored();
    world.add_service(
        "many",
        json!([{"name": "a", "port": 81}, {"name": "b", "port": 80}, {"name": "grpc", "port": 82}]),
    );
    world.add_config(
        "traffic-mirror-config",
        "traffic-mirror",
        &["many"],
        to("pipy-ok-v2", 8080, 1.0),
    );
    let resolved = world.resolve();
    let line = |port| {
        format!("pipy/many:{port} => pipy/pipy-ok-v2:8080 100% (curl/traffic-mirror-config)")
    };
    assert_eq!(
        served(&resolved.model, "curl/curl"),
        [line(81), line(80), line(82)]
    );
    assert_eq!(codes(&resolved.report), ["TargetProtocol"]);
    let group = &resolved.model.groups[resolved.model.group_of(&Namespaced::new("curl", "curl"))];
    let default = group.destinations[0].default_port;
    assert_eq!(default.map(NonZeroU16::get), Some(80));
}

#[test]
fn a_port_80_that_is_not_http_keeps_the_requests_that_name_no_port() {
    for (ports, expected) in [
        (
            json!([{"name": "a", "port": 81}, {"name": "b", "port": 82}]),
            Some(81),
        ),
        (
            json!([{"name": "a", "port": 81}, {"name": "b", "port": 80}]),
            Some(80),
        ),
        (
            json!([{"name": "a", "port": 81}, {"name": "tcp-b", "port": 80}]),
            None,
        ),
        (
            json!([{"name": "u", "port": 80, "protocol": "UDP"}, {"name": "b", "port": 80}]),
            Some(80),
        ),
    ] {
        let mut world = World::mirrored();
        world.add_service("many", ports.clone());
        world.add_config(
            "traffic-mirror-config",
            "traffic-mirror",
            &["many"],
            to("pipy-ok-v2", 8080, 1.0),
        );
        let model = world.resolve().model;
        let group = &model.groups[model.group_of(&Namespaced::new("curl", "curl"))];
        let default = group.destinations[0].default_port;
        assert_eq!(default.map(NonZeroU16::get), expected, "{ports}");
    }
}

#[test]
fn a_target_may_have_no_endpoints_and_may_go() {
    let mut world = World::mirrored();
    let there = world.resolve().model;
    let name = Namespaced::new("pipy", "pipy-ok-v2-x");
    let slice = world.objects.endpoint_slices.remove(&name).unwrap();
    let empty = world.resolve();
    assert_eq!(
        served(&empty.model, "curl/curl"),
        [MIRRORED],
        "only its endpoints change"
    );
    assert_eq!(codes(&empty.report), ["TargetEmpty"]);
    world.objects.endpoint_slices.insert(name, slice);
    assert_eq!(world.resolve().model, there);
    world
        .objects
        .services
        .remove(&Namespaced::new("pipy", "pipy-ok-v2"));
    let gone = world.resolve();
    assert_eq!(served(&gone.model, "curl/curl"), [V1]);
    assert_eq!(codes(&gone.report), ["TargetMissing"]);
    assert_eq!(gone.model.nodes, there.nodes);
}

#[test]
fn grpc_is_mirrored_and_tcp_is_not() {
    for (port, mirrored, codes) in [
        (
            json!({"name": "grpc-api", "port": 80}),
            true,
            vec!["TargetProtocol"],
        ),
        (
            json!({"name": "x", "port": 80, "appProtocol": "grpc"}),
            true,
            vec!["TargetProtocol"],
        ),
        (
            json!({"name": "tcp-db", "port": 80}),
            false,
            vec!["DestinationNotHttp"],
        ),
        (
            json!({"name": "x", "port": 80, "appProtocol": "tcp-server-first"}),
            false,
            vec!["DestinationNotHttp"],
        ),
        (
            json!({"name": "x", "port": 80, "protocol": "UDP"}),
            false,
            vec!["DestinationNotHttp"],
        ),
    ] {
        let mut world = World::mirrored();
        world.add_service("x", json!([port]));
        world.add_config(
            "traffic-mirror-config",
            "traffic-mirror",
            &["x"],
            to("pipy-ok-v2", 8080, 1.0),
        );
        let expected = mirrored.then(|| MIRRORED.replace(V1, "pipy/x:80"));
        let codes: Vec<_> = codes.into_iter().map(str::to_owned).collect();
        assert_eq!(
            world.outcome(),
            (expected.into_iter().collect(), codes),
            "{port}"
        );
    }
}

#[test]
fn a_port_that_speaks_tls_is_a_target_if_it_is_said_whom_to_believe() {
    for (port, tls, expected) in [
        (json!({"name": "https"}), None, Some("port: TargetTls")),
        (
            json!({"appProtocol": "https"}),
            None,
            Some("port: TargetTls"),
        ),
        (
            json!({"appProtocol": "kubernetes.io/wss"}),
            None,
            Some("port: TargetTls"),
        ),
        (json!({"name": "https"}), Some(json!({})), None),
        (
            json!({"appProtocol": "kubernetes.io/wss"}),
            Some(json!({})),
            None,
        ),
        (json!({}), Some(json!({})), None),
        (
            json!({"name": "http"}),
            Some(json!({})),
            Some("tls: TargetPlain"),
        ),
        (
            json!({"name": "tcp-x"}),
            Some(json!({})),
            Some("port: TargetNotHttp"),
        ),
        (
            json!({"appProtocol": "tls"}),
            Some(json!({})),
            Some("port: TargetNotHttp"),
        ),
        (
            json!({"name": "https", "protocol": "UDP"}),
            Some(json!({})),
            Some("port: TargetNotHttp"),
        ),
    ] {
        let mut world = World::mirrored();
        let mut port = port.clone();
        port["port"] = json!(443);
        world.add_service("x", json!([port]));
        let mut config = to("x", 443, 1.0);
        config["tls"] = tls.clone().unwrap_or_default();
        world.add_config(
            "traffic-mirror-config",
            "traffic-mirror",
            &["pipy-ok-v1"],
            config,
        );
        let resolved = world.resolve();
        let said = resolved.report.iter();
        let said: Vec<_> = said
            .map(|one| format!("{}: {:?}", one.path, one.code))
            .collect();
        let is_refused = expected.is_some_and(|expected| expected.starts_with("port"));
        let mirrors = served(&resolved.model, "curl/curl")[0].contains("=> pipy/x:443");
        assert_eq!(mirrors, !is_refused, "{port} {tls:?}");
        let expected = expected.map(|expected| format!("spec.config.{expected}"));
        assert_eq!(said, Vec::from_iter(expected), "{port} {tls:?}");
    }
}
