use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use envoy_types::pb::envoy::config::route::v3::RouteConfiguration;
use envoy_types::pb::envoy::config::route::v3::route::Action;
use proptest::prelude::*;
use prost::Message;
use prost_reflect::{DynamicMessage, ReflectMessage, Value};

use super::names::ServicePort;
use super::{Resources, Routes, captured, quarantine, translate};
use crate::model::{
    Backend, Capture, Certainty, Destination, DestinationPort, Fraction, Group, Mirror, Protocol,
};
use crate::name::Namespaced;
use crate::proto;

pub(super) fn backend(name: &str, port: u16, protocol: Protocol, endpoints: usize) -> Arc<Backend> {
    Arc::new(Backend {
        service: Namespaced::new("pipy", name),
        port: NonZeroU16::new(port).unwrap(),
        subset: Default::default(),
        protocol,
        endpoints: (0..endpoints)
            .map(|n| SocketAddr::from(([10, 0, 0, 1], 8080 + n as u16)))
            .collect(),
    })
}

pub(super) fn mirror(rule: &str, target: Arc<Backend>, millionths: u32) -> Mirror {
    Mirror::new(
        Namespaced::new("curl", rule),
        target,
        Fraction::from_millionths(millionths).unwrap(),
    )
}

fn group(destinations: Vec<Destination>) -> Group {
    Group {
        capture: Capture::Explicit("127.0.0.1:15001".parse().unwrap()),
        destinations,
        quarantine: None,
    }
}

fn destination(name: &str, ports: Vec<DestinationPort>) -> Destination {
    Destination {
        service: Namespaced::new("pipy", name),
        cluster_ips: vec!["10.96.0.7".parse().unwrap(), "fd00::7".parse().unwrap()],
        local: true,
        default_port: Some(ports[0].backend.port),
        ports,
    }
}

/// One of everything: two mirrors, a gRPC target, no endpoints, a port without mirrors.
pub(super) fn full() -> Group {
    let v2 = backend("ok-v2", 8080, Protocol::Http2, 2);
    group(vec![destination(
        "ok-v1",
        vec![
            DestinationPort {
                backend: backend("ok-v1", 8080, Protocol::Http1, 2),
                addresses: Vec::new(),
                certainty: Certainty::Said,
                mirrors: vec![
                    mirror("first", v2, 250_000),
                    mirror("second", backend("ok-v3", 80, Protocol::Http1, 0), 0),
                ],
            },
            DestinationPort {
                backend: backend("ok-v1", 9090, Protocol::Http2, 1),
                addresses: Vec::new(),
                certainty: Certainty::Said,
                mirrors: Vec::new(),
            },
        ],
    )])
}

/// The route configurations.
pub(super) fn messages(resources: &Resources<'_>) -> Vec<RouteConfiguration> {
    resources.routes.iter().map(Routes::message).collect()
}

pub(super) fn encoded(resources: &Resources<'_>) -> Vec<(&'static str, Vec<u8>)> {
    fn all<M: Message>(url: &'static str, messages: &[M]) -> Vec<(&'static str, Vec<u8>)> {
        messages.iter().map(|m| (url, m.encode_to_vec())).collect()
    }
    [
        all("envoy.config.cluster.v3.Cluster", &resources.clusters),
        all(
            "envoy.config.endpoint.v3.ClusterLoadAssignment",
            &resources.endpoints,
        ),
        all("envoy.config.listener.v3.Listener", &resources.listeners),
        all(
            "envoy.config.route.v3.RouteConfiguration",
            &messages(resources),
        ),
        all("envoy.service.runtime.v3.Runtime", &resources.runtimes),
    ]
    .concat()
}

#[test]
fn equal_groups_become_equal_bytes() {
    // Fifty times, since a map of two entries would come out in one order or the other.
    let first = encoded(&translate(&full()));
    for _ in 0..50 {
        assert_eq!(encoded(&translate(&full())), first);
    }
}

/// What in a message `proto/` has no name for: fields it lacks, and messages that it holds as mere bytes.
fn nameless(message: &DynamicMessage, path: &str, found: &mut Vec<String>) {
    found.extend(
        message
            .unknown_fields()
            .map(|field| format!("{path}.{}", field.number())),
    );
    let any = message.descriptor().full_name() == "google.protobuf.Any";
    if any {
        let part = |name| message.get_field_by_name(name).unwrap().into_owned();
        let (url, value) = (part("type_url"), part("value"));
        let inner = proto::decode(url.as_str().unwrap(), value.as_bytes().unwrap()).unwrap();
        return nameless(&inner, path, found);
    }
    for (field, value) in message.fields() {
        values(value, &format!("{path}.{}", field.name()), found);
    }
}

fn values(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Message(message) => nameless(message, path, found),
        Value::List(list) => list.iter().for_each(|each| values(each, path, found)),
        Value::Map(map) => map.values().for_each(|each| values(each, path, found)),
        Value::Bytes(_) => found.push(path.to_owned()),
        _ => {}
    }
}

#[test]
fn every_field_has_a_name_in_proto() {
    let groups = [full(), captured::tests::full()];
    let held = groups.each_ref().map(quarantine::tests::held);
    let groups = [groups, held].concat();
    let encoded = groups.iter().flat_map(|group| encoded(&translate(group)));
    for (url, bytes) in encoded {
        let message = proto::decode(url, &bytes).unwrap();
        let mut found = Vec::new();
        nameless(&message, url, &mut found);
        assert_eq!(found, [""; 0]);
        // The descriptors agree with the generated code: through them nothing is lost.
        let again = proto::decode(url, &message.encode_to_vec()).unwrap();
        assert_eq!(again, message);
    }
    let routes = &messages(&translate(&full()))[0];
    let url = "envoy.config.route.v3.RouteConfiguration";
    let through = proto::decode(url, &routes.encode_to_vec()).unwrap();
    let back = RouteConfiguration::decode(through.encode_to_vec().as_slice()).unwrap();
    assert_eq!(&back, routes);
}

#[test]
fn a_change_of_a_share_changes_the_runtime_only() {
    let mut changed = full();
    changed.destinations[0].ports[0].mirrors[0].fraction = Fraction::ONE;
    let full = full();
    let (before, after) = (translate(&full), translate(&changed));
    assert_ne!(before.runtimes, after.runtimes);
    assert_eq!(
        Resources {
            runtimes: before.runtimes.clone(),
            ..after
        },
        before
    );
}

#[test]
fn a_change_of_endpoints_changes_the_endpoints_only() {
    let mut changed = full();
    changed.destinations[0].ports[0].mirrors[1].target =
        backend("ok-v3", 80, Protocol::Http1, 3).into();
    let full = full();
    let (before, after) = (translate(&full), translate(&changed));
    assert_ne!(before.endpoints, after.endpoints);
    assert_eq!(
        Resources {
            endpoints: before.endpoints.clone(),
            ..after
        },
        before
    );
}

#[test]
fn switching_mirrors_off_leaves_the_way_of_the_requests() {
    let mut off = full();
    off.destinations[0].ports[0].mirrors.clear();
    let full = full();
    let before = translate(&full);
    let after = translate(&off);
    for cluster in &after.clusters {
        assert!(before.clusters.contains(cluster), "{}", cluster.name);
    }
    assert_eq!(before.listeners, after.listeners);
    let hosts = |resources: &Resources<'_>| -> Vec<String> {
        let hosts = resources.routes[0].virtual_hosts();
        hosts.map(|host| host.name).collect()
    };
    assert_eq!(hosts(&before), hosts(&after));
}

#[test]
fn every_route_of_a_destination_leads_to_it_without_a_timeout() {
    let routes = &messages(&translate(&full()))[0];
    for host in &routes.virtual_hosts {
        for route in &host.routes {
            let Some(Action::Route(action)) = &route.action else {
                assert_eq!(host.name, "passthrough");
                continue;
            };
            assert_eq!(action.timeout.map(|t| t.seconds), Some(0));
        }
    }
}

#[test]
fn a_host_that_two_destinations_claim_goes_to_the_first() {
    let plain = |name, port| DestinationPort {
        backend: backend(name, port, Protocol::Http1, 1),
        addresses: Vec::new(),
        certainty: Certainty::Said,
        mirrors: Vec::new(),
    };
    let twice = group(vec![
        destination("a", vec![plain("a", 80)]),
        destination("b", vec![plain("b", 80)]),
    ]);
    let mut seen = std::collections::HashSet::new();
    for host in translate(&twice).routes[0].virtual_hosts() {
        for domain in &host.domains {
            assert!(seen.insert(domain.clone()), "{domain} twice");
        }
    }
}

#[test]
fn port_zero_has_no_loop_to_guard() {
    let mut anywhere = group(Vec::new());
    anywhere.capture = Capture::Explicit(([127, 0, 0, 1], 0).into());
    let routes = |group| messages(&translate(group))[0].virtual_hosts[0].routes.len();
    assert_eq!((routes(&anywhere), routes(&group(Vec::new()))), (1, 2));
}

fn any_group() -> impl Strategy<Value = Group> {
    let backend = ("[a-d]", 1..4_u16, 0..3_usize, any::<bool>()).prop_map(|(name, port, n, h2)| {
        let protocol = if h2 { Protocol::Http2 } else { Protocol::Http1 };
        backend(&name, port, protocol, n)
    });
    let mirror = ("[a-c]", backend.clone(), 0..=1_000_000_u32)
        .prop_map(|(rule, target, share)| mirror(&rule, target, share));
    let port = (backend, prop::collection::vec(mirror, 0..3)).prop_map(|(backend, mirrors)| {
        DestinationPort {
            backend,
            addresses: Vec::new(),
            certainty: Certainty::Said,
            mirrors,
        }
    });
    prop::collection::vec(
        prop::collection::vec(port, 1..3)
            .prop_map(|ports| destination(&ports[0].backend.service.name.clone(), ports)),
        0..4,
    )
    .prop_map(group)
}

proptest! {
    #[test]
    fn any_group_is_sorted_free_of_duplicates_and_deterministic(group in any_group()) {
        let resources = translate(&group);
        prop_assert_eq!(encoded(&resources), encoded(&translate(&group.clone())));
        let clusters: Vec<&String> = resources.clusters.iter().map(|c| &c.name).collect();
        prop_assert!(clusters.is_sorted_by(|a, b| a < b));
        let endpoints: Vec<&String> = resources.endpoints.iter().map(|e| &e.cluster_name).collect();
        prop_assert!(endpoints.is_sorted_by(|a, b| a < b));
        for name in endpoints {
            prop_assert!(name.parse::<ServicePort>().is_ok());
        }
        for host in resources.routes[0].virtual_hosts() {
            for route in &host.routes {
                let Some(Action::Route(action)) = &route.action else { continue };
                for policy in &action.request_mirror_policies {
                    prop_assert!(clusters.contains(&&policy.cluster), "{}", policy.cluster);
                }
            }
        }
    }
}
