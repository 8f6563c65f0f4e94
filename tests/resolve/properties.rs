//! What holds whatever the objects are.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use mirrorplane::model::Mirror;
use mirrorplane::model::Model;
use mirrorplane::name::Namespaced;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::Just;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::prop_assert_ne;
use proptest::prop_oneof;
use proptest::proptest;
use proptest::sample::select;
use proptest::sample::subsequence;
use serde_json::Value;
use serde_json::json;

use crate::world::World;

const NAMESPACES: [&str; 2] = ["a", "b"];
const SERVICES: [&str; 3] = ["s", "t", "u"];
/// The third is not known to mirror, the fourth does not exist.
const PLUGINS: [&str; 4] = ["traffic-mirror", "shadow", "cors", "gone"];

/// Distinct objects, in any order.
fn objects() -> impl Strategy<Value = Vec<Value>> {
    let many = (
        vec(service(), 0..6),
        vec(slice(), 0..5),
        vec(caller(), 0..5),
        vec(plugin(), 0..4),
        vec(chain(), 0..4),
        vec(config(), 0..6),
    );
    let some = (any::<bool>(), subsequence(NAMESPACES.to_vec(), 0..=2));
    (many, some)
        .prop_map(|((services, slices, callers, plugins, chains, configs), (is_on, namespaces))| {
            let mesh = json!({
                "kind": "MeshConfig", "metadata": {"name": "osm-mesh-config", "namespace": "o"},
                "spec": {"featureFlags": {"enablePluginPolicy": is_on}},
            });
            let namespaces = namespaces
                .into_iter()
                .map(|name| json!({"kind": "Namespace", "metadata": {"name": name, "labels": {"mesh": "osm"}}}));
            let all = [services, slices, callers, plugins, chains, configs].concat();
            let all = all.into_iter().chain(namespaces).chain([mesh]);
            let key = |object: &Value| format!("{} {}", object["kind"], object["metadata"]["name"]) + &object["metadata"]["namespace"].to_string();
            let distinct: BTreeMap<_, _> = all.map(|object| (key(&object), object)).collect();
            distinct.into_values().collect::<Vec<_>>()
        })
        .prop_shuffle()
}

fn service() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just(None),
        select(vec!["http", "grpc", "tcp-x"]).prop_map(Some)
    ];
    let target = prop_oneof![
        Just(json!(null)),
        Just(json!(81)),
        Just(json!("web")),
        Just(json!(-1))
    ];
    let transport = select(vec![None, Some("TCP"), Some("UDP")]);
    let port = (name, select(vec![0, 80, 81]), target, transport).prop_map(|(name, port, target, transport)| {
        json!({"name": name, "port": port, "targetPort": target, "protocol": transport})
    });
    (select(&NAMESPACES), select(&SERVICES), vec(port, 0..4)).prop_map(
        |(namespace, name, ports)| {
            json!({
                "kind": "Service", "metadata": {"namespace": namespace, "name": name},
                "spec": {"ports": ports, "clusterIP": "None"},
            })
        },
    )
}

fn slice() -> impl Strategy<Value = Value> {
    let endpoint = (
        select(vec!["10.0.0.1", "10.0.0.2", "fd00::1", "x"]),
        option::of(any::<bool>()),
    )
        .prop_map(
            |(address, ready)| json!({"addresses": [address], "conditions": {"ready": ready}}),
        );
    let (namespace, service) = (select(&NAMESPACES), select(&SERVICES));
    let port = (
        select(vec![None, Some("http"), Some("grpc")]),
        select(vec![None, Some(0), Some(81)]),
    )
        .prop_map(|(name, port)| json!({"name": name, "port": port}));
    (namespace, service, 0..2, vec(endpoint, 0..3), vec(port, 0..3)).prop_map(|(namespace, service, number, endpoints, ports)| {
        json!({
            "kind": "EndpointSlice", "addressType": "IPv4", "endpoints": endpoints, "ports": ports,
            "metadata": {
                "namespace": namespace, "name": format!("{service}-{number}"),
                "labels": {"kubernetes.io/service-name": service},
            },
        })
    })
}

fn labels() -> impl Strategy<Value = Value> {
    select(vec![
        json!({}),
        json!({"app": "x"}),
        json!({"app": "y"}),
        json!({"app": "x", "tier": "1"}),
    ])
}

fn caller() -> impl Strategy<Value = Value> {
    let kind = select(vec!["Pod", "Deployment", "DaemonSet"]);
    let listen = select(vec![None, Some("127.0.0.1:1"), Some("nowhere")]);
    (kind, select(&NAMESPACES), select(vec!["c", "d"]), labels(), listen).prop_map(|(kind, namespace, name, labels, listen)| {
        let mut metadata = json!({"namespace": namespace, "name": name, "labels": labels});
        if let Some(listen) = listen {
            metadata["annotations"] = json!({"mirrorplane.io/listen": listen});
        }
        json!({"kind": kind, "metadata": metadata, "spec": {"template": {"metadata": metadata}}})
    })
}

fn plugin() -> impl Strategy<Value = Value> {
    (select(vec!["traffic-mirror", "shadow", "cors"]), select(vec![None, Some(111.5), Some(-1.0)])).prop_map(|(name, priority)| {
        let annotations = if name == "shadow" { json!({"mirrorplane.io/plugin": "traffic-mirror"}) } else { json!({}) };
        json!({"kind": "Plugin", "metadata": {"name": name, "annotations": annotations}, "spec": {"priority": priority}})
    })
}

fn chain() -> impl Strategy<Value = Value> {
    let selector = prop_oneof![
        Just(json!(null)),
        labels().prop_map(|labels| json!({"matchLabels": labels})),
        (select(vec!["In", "NotIn", "Exists", "DoesNotExist", "?"]), select(vec![json!([]), json!(["x"])]))
            .prop_map(|(operator, values)| json!({"matchExpressions": [{"key": "app", "operator": operator, "values": values}]})),
    ];
    let namespaces = select(vec![
        json!(null),
        json!({}),
        json!({"matchLabels": {"mesh": "osm"}}),
    ]);
    let position = select(vec!["outbound-http", "outbound-http", "inbound-tcp"]);
    (0..3, position, subsequence(PLUGINS.to_vec(), 0..=4), selector, namespaces).prop_map(|(number, position, plugins, pods, namespaces)| {
        json!({
            "kind": "PluginChain", "metadata": {"name": format!("chain-{number}"), "namespace": "x"},
            "spec": {
                "chains": [{"name": position, "plugins": plugins}],
                "selectors": {"podSelector": pods, "namespaceSelector": namespaces},
            },
        })
    })
}

fn config() -> impl Strategy<Value = Value> {
    let reference = (
        select(vec!["Service", "Service", "Service", "Pod"]),
        select(&NAMESPACES),
        select(vec!["s", "t", "u", "none", ""]),
    )
        .prop_map(
            |(kind, namespace, name)| json!({"kind": kind, "namespace": namespace, "name": name}),
        );
    let port = select(vec![
        json!(80),
        json!(80),
        json!(81),
        json!("http"),
        json!(0),
        json!(true),
    ]);
    let share = select(vec![
        json!(null),
        json!(0.5),
        json!(1),
        json!("0.1"),
        json!(9),
        json!(-1),
        json!({}),
    ]);
    let valid = (select(&NAMESPACES), select(&SERVICES), port, share).prop_map(|(namespace, service, port, share)| {
        json!({"namespace": namespace, "service": service, "port": port, "percentage": {"value": share}})
    });
    let whole = prop_oneof![
        8 => valid,
        1 => select(vec![json!(null), json!({}), json!([1]), json!("x"), json!({"percentage": [0.5], "port": {}})]),
    ];
    let created = select(vec![
        None,
        Some("2020-01-01T00:00:00Z"),
        Some("2021-01-01T00:00:00Z"),
    ]);
    (0..6, select(&PLUGINS), vec(reference, 0..4), whole, created).prop_map(|(number, plugin, refs, config, created)| {
        json!({
            "kind": "PluginConfig",
            "metadata": {"name": format!("m{number}"), "namespace": "x", "creationTimestamp": created},
            "spec": {"plugin": plugin, "destinationRefs": refs, "config": config},
        })
    })
}

fn world(objects: &[Value]) -> World {
    let mut world = World::default();
    for object in objects {
        world.add(object.clone());
    }
    world
}

/// Every mirror, with its destination.
fn mirrors(model: &Model) -> impl Iterator<Item = (&Namespaced, &Mirror)> {
    let destinations = model.groups.values().flat_map(|group| &group.destinations);
    destinations.flat_map(|destination| {
        let mirrors = destination.ports.iter().flat_map(|port| &port.mirrors);
        mirrors.map(|mirror| (&destination.service, mirror))
    })
}

proptest! {
    #[test]
    fn the_order_in_which_objects_come_means_nothing(objects in objects(), turn in any::<proptest::sample::Index>()) {
        let mut turned = objects.clone();
        turned.rotate_left(turn.index(objects.len()));
        turned.reverse();
        let (one, other) = (world(&objects).resolve(), world(&turned).resolve());
        prop_assert_eq!(&one, &other);
        let again = world(&objects).resolve();
        prop_assert_eq!(&one, &again);
    }

    #[test]
    fn resolving_again_changes_nothing(objects in objects()) {
        let mut world = world(&objects);
        let first = world.resolve();
        let second = world.resolve();
        prop_assert_eq!(first.model, second.model);
        prop_assert_eq!(first.kept, second.kept);
    }

    #[test]
    fn a_model_is_whole_and_its_services_are_named_once(objects in objects()) {
        let world = &mut world(&objects);
        let model = world.resolve().model;
        let groups: BTreeSet<_> = model.groups.keys().collect();
        let used: BTreeSet<_> = model.nodes.values().chain([&model.fallback]).collect();
        prop_assert_eq!(groups, used);
        for name in world.objects.pods.keys().chain(world.objects.workloads.keys().map(|(_, name)| name)) {
            prop_assert!(model.nodes.contains_key(name));
        }
        for group in model.groups.values() {
            prop_assert!(group.destinations.is_sorted_by(|a, b| a.service < b.service));
            for destination in &group.destinations {
                let ports: Vec<_> = destination.ports.iter().map(|port| port.backend.port).collect();
                let distinct: BTreeSet<_> = ports.iter().collect();
                prop_assert_eq!(distinct.len(), ports.len());
                prop_assert!(ports.contains(&destination.default_port));
                for port in &destination.ports {
                    prop_assert_eq!(&port.backend.service, &destination.service);
                    prop_assert!(port.backend.endpoints.is_sorted_by(|a, b| a < b));
                }
            }
        }
    }

    #[test]
    fn a_mirror_is_what_its_own_configuration_says(objects in objects()) {
        let mut world = world(&objects);
        let model = world.resolve().model;
        for (destination, mirror) in mirrors(&model) {
            let config = &world.objects.plugin_configs[&mirror.rule].object.spec;
            prop_assert_ne!(destination, &mirror.target.service);
            let text = |key: &str| config.config[key].as_str().unwrap_or_default();
            prop_assert_eq!(&mirror.target.service, &Namespaced::new(text("namespace"), text("service")));
            let names = |name: &Namespaced| config.destination_refs.iter().any(|given| {
                given.kind == "Service" && given.namespace == name.namespace && given.name == name.name
            });
            prop_assert!(names(destination));
        }
    }

    #[test]
    fn a_configuration_alone_on_its_destination_is_not_touched_by_others(objects in objects()) {
        // What each configuration comes to alone, it comes to among the others, unless they share plugin and destination.
        let all = world(&objects).resolve().model;
        let is_config = |object: &Value| object["kind"] == "PluginConfig";
        let configs: Vec<_> = objects.iter().filter(|object| is_config(object)).collect();
        for config in &configs {
            let claimed = |destination: &Namespaced| configs.iter().any(|other| {
                let refs = other["spec"]["destinationRefs"].as_array().expect("generated so");
                other != config && other["spec"]["plugin"] == config["spec"]["plugin"] && refs.iter().any(|given| {
                    given["name"] == destination.name.as_str() && given["namespace"] == destination.namespace.as_str()
                })
            });
            let without: Vec<_> = objects.iter().filter(|object| !is_config(object) || object == config).cloned().collect();
            let alone = world(&without).resolve().model;
            for (node, id) in &alone.nodes {
                for destination in &alone.groups[id].destinations {
                    let among = &all.groups[all.group_of(node)].destinations;
                    let among = among.iter().find(|other| other.service == destination.service);
                    prop_assert!(among.is_some(), "{} lost {}", node, destination.service);
                    if claimed(&destination.service) {
                        continue;
                    }
                    for (port, among) in destination.ports.iter().zip(among.map_or(&[][..], |among| &among.ports)) {
                        prop_assert!(port.mirrors.iter().all(|mirror| among.mirrors.contains(mirror)));
                    }
                }
            }
        }
    }

    #[test]
    fn a_share_changes_shares_only(objects in objects(), share in 0.0..=1.0) {
        let mut changed = objects.clone();
        for object in &mut changed {
            let value = object.pointer_mut("/spec/config/percentage/value");
            if let Some(value) = value.filter(|value| value.as_f64().is_some_and(|value| value >= 0.0)) {
                *value = json!(share);
            }
        }
        let (before, after) = (world(&objects).resolve().model, world(&changed).resolve().model);
        prop_assert_eq!(&before.nodes, &after.nodes);
        prop_assert!(before.groups.keys().eq(after.groups.keys()));
        let targets = |model: &Model| -> Vec<_> {
            mirrors(model).map(|(from, mirror)| (from.clone(), mirror.rule.clone(), mirror.target.clone())).collect()
        };
        prop_assert_eq!(targets(&before), targets(&after));
    }

    #[test]
    fn the_flag_changes_mirrors_only(objects in objects()) {
        let flag = |is_on: bool| {
            let mut objects = objects.clone();
            for object in objects.iter_mut().filter(|object| object["kind"] == "MeshConfig") {
                object["spec"]["featureFlags"]["enablePluginPolicy"] = json!(is_on);
            }
            world(&objects).resolve().model
        };
        let (on, off) = (flag(true), flag(false));
        prop_assert_eq!(&on.nodes, &off.nodes);
        prop_assert_eq!(mirrors(&off).count(), 0);
    }
}
