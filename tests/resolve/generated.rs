//! Generated worlds: small enough that their parts meet, and most of them broken somewhere.

use std::collections::BTreeMap;

use proptest::bool::weighted;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::Just;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_oneof;
use proptest::sample::select;
use proptest::sample::subsequence;
use serde_json::Value;
use serde_json::json;

const NAMESPACES: [&str; 2] = ["a", "b"];
const SERVICES: [&str; 3] = ["s", "t", "u"];
/// The plugins of configurations: `cors` is not known to mirror, and `gone` does not exist.
const CONFIGURED: [&str; 6] = [
    "traffic-mirror",
    "traffic-mirror",
    "traffic-mirror",
    "shadow",
    "cors",
    "gone",
];

/// Distinct objects, in any order.
pub(crate) fn objects() -> impl Strategy<Value = Vec<Value>> {
    let many = (
        services(),
        vec(slice(), 2..8),
        vec(caller(), 1..5),
        plugins(),
        vec(chain(), 1..4),
        vec(config(), 2..7),
    );
    let some = (weighted(0.9), subsequence(NAMESPACES.to_vec(), 0..=2));
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

/// Most of the Services, most of them with an HTTP port 80.
fn services() -> impl Strategy<Value = Vec<Value>> {
    let names = NAMESPACES
        .iter()
        .flat_map(|namespace| SERVICES.map(|name| (*namespace, name)));
    let services: Vec<_> = names
        .map(|(namespace, name)| option::weighted(0.9, service(namespace, name)))
        .collect();
    services.prop_map(|services| services.into_iter().flatten().collect())
}

fn service(namespace: &'static str, name: &'static str) -> impl Strategy<Value = Value> {
    let name_of_port = select(vec![None, None, Some("http"), Some("grpc"), Some("tcp-x")]);
    let target = select(vec![json!(null), json!(81), json!("web"), json!(-1)]);
    let transport = select(vec![None, None, Some("TCP"), Some("UDP")]);
    let port = (name_of_port, select(vec![0, 80, 80, 81]), target, transport).prop_map(|(name, port, target, transport)| {
        json!({"name": name, "port": port, "targetPort": target, "protocol": transport})
    });
    let selector = select(vec![
        json!({}),
        json!({"app": "x"}),
        json!({"app": "y"}),
        json!({"app": "z"}),
    ]);
    (weighted(0.8), vec(port, 0..4), selector).prop_map(move |(is_http, mut ports, selector)| {
        if is_http {
            ports.insert(0, json!({"port": 80}));
        }
        json!({
            "kind": "Service", "metadata": {"namespace": namespace, "name": name},
            "spec": {"ports": ports, "clusterIP": "None", "selector": selector},
        })
    })
}

fn slice() -> impl Strategy<Value = Value> {
    let endpoint = (
        select(vec!["10.0.0.1", "10.0.0.2", "fd00::1", "x"]),
        option::of(any::<bool>()),
        select(vec!["Pod", "Pod", "Node"]),
        select(vec!["c", "d", "gone"]),
    )
        .prop_map(|(address, ready, kind, name)| {
            json!({
                "addresses": [address], "conditions": {"ready": ready},
                "targetRef": {"kind": kind, "name": name},
            })
        });
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

/// Most of the Plugins that exist.
fn plugins() -> impl Strategy<Value = Vec<Value>> {
    let plugins =
        ["traffic-mirror", "shadow", "cors"].map(|name| option::weighted(0.9, plugin(name)));
    plugins.prop_map(|plugins| plugins.into_iter().flatten().collect())
}

fn plugin(name: &'static str) -> impl Strategy<Value = Value> {
    select(vec![None, Some(111.5), Some(-1.0)]).prop_map(move |priority| {
        let annotations = if name == "shadow" { json!({"mirrorplane.io/plugin": "traffic-mirror"}) } else { json!({}) };
        json!({"kind": "Plugin", "metadata": {"name": name, "annotations": annotations}, "spec": {"priority": priority}})
    })
}

fn chain() -> impl Strategy<Value = Value> {
    let selector = prop_oneof![
        3 => Just(json!(null)),
        2 => labels().prop_map(|labels| json!({"matchLabels": labels})),
        1 => (select(vec!["In", "NotIn", "Exists", "DoesNotExist", "?"]), select(vec![json!([]), json!(["x"])]))
            .prop_map(|(operator, values)| json!({"matchExpressions": [{"key": "app", "operator": operator, "values": values}]})),
    ];
    let namespaces = select(vec![
        json!(null),
        json!({}),
        json!({"matchLabels": {"mesh": "osm"}}),
    ]);
    let position = prop_oneof![5 => Just("outbound-http"), 1 => Just("inbound-tcp")];
    (0..3, position, select(vec![
            vec!["traffic-mirror"],
            vec!["shadow", "traffic-mirror"],
            vec!["traffic-mirror", "gone"],
            vec!["cors"],
        ]), selector, namespaces).prop_map(|(number, position, plugins, pods, namespaces)| {
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
        prop_oneof![9 => Just("Service"), 1 => Just("Pod")],
        select(&NAMESPACES),
        select(vec!["s", "s", "s", "t", "t", "t", "u", "none", ""]),
    )
        .prop_map(
            |(kind, namespace, name)| json!({"kind": kind, "namespace": namespace, "name": name}),
        );
    let port = select(vec![
        json!(80),
        json!(80),
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
        json!(0.5),
        json!(0.5),
        json!(1),
        json!(1),
        json!("0.1"),
        json!(9),
        json!(-1),
        json!({}),
    ]);
    let subset = prop_oneof![
        6 => Just(json!(null)),
        1 => select(vec![json!({}), json!({"app": "x"}), json!({"tier": "1"})]).prop_map(|labels| json!({"labels": labels})),
    ];
    let tls = select(vec![json!(null), json!(null), json!(null), json!({})]);
    let valid = (select(&NAMESPACES), select(&SERVICES), port, share, subset, tls).prop_map(|(namespace, service, port, share, subset, tls)| {
        json!({
            "namespace": namespace, "service": service, "port": port, "percentage": {"value": share},
            "subset": subset, "tls": tls,
        })
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
    (0..6, select(&CONFIGURED), vec(reference, 0..5), whole, created).prop_map(|(number, plugin, refs, config, created)| {
        json!({
            "kind": "PluginConfig",
            "metadata": {"name": format!("m{number}"), "namespace": "x", "creationTimestamp": created},
            "spec": {"plugin": plugin, "destinationRefs": refs, "config": config},
        })
    })
}
