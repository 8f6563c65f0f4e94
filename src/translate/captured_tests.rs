use envoy_types::pb::envoy::config::route::v3::route::Action;

use crate::model::{Capture, Certainty, Fraction, Group, Protocol};
use crate::translate::tests;
use crate::translate::{Resources, translate};

/// One of everything, of which two ports are captured, one of them at two addresses.
pub(in crate::translate) fn full() -> Group {
    let mut group = Group {
        capture: Capture::Transparent,
        ..tests::full()
    };
    let ports = &mut group.destinations[0].ports;
    ports[0].addresses = vec![
        "10.96.0.7:8080".parse().unwrap(),
        "[fd00::7]:8080".parse().unwrap(),
    ];
    ports[1].addresses = vec!["10.96.0.7:9090".parse().unwrap()];
    ports[1].certainty = Certainty::Assumed;
    group
}

fn names<T>(all: &[T], name: impl Fn(&T) -> &String) -> Vec<&str> {
    all.iter().map(|one| name(one).as_str()).collect()
}

#[test]
fn each_address_has_a_listener_and_each_port_its_routes() {
    let group = full();
    let resources = translate(&group);
    assert_eq!(
        names(&resources.listeners, |one| &one.name),
        ["10.96.0.7:8080", "10.96.0.7:9090", "[fd00::7]:8080"]
    );
    let patience = |index: usize| resources.listeners[index].listener_filters_timeout;
    assert_eq!(
        [0, 1, 2].map(|index| patience(index).unwrap().seconds),
        [0, 1, 0]
    );
    for listener in &resources.listeners {
        assert_eq!(listener.bind_to_port.map(|bind| bind.value), Some(false));
    }
    assert_eq!(
        names(&resources.routes, |one| &one.name),
        ["pipy/ok-v1|8080", "pipy/ok-v1|9090"]
    );
    for routes in tests::messages(&resources) {
        let hosts = names(&routes.virtual_hosts, |one| &one.name);
        // With the port and without, but with no other.
        let [is_8080, is_9090] =
            ["ok-v1.pipy.svc:8080", "ok-v1:9090"].map(|host| hosts.contains(&host));
        assert!(hosts.contains(&"ok-v1") && is_8080 != is_9090, "{hosts:?}");
        // Any other Host; told by the name of the port, by which the statistics go.
        assert_eq!(hosts.last(), Some(&routes.name.as_str()));
        assert_eq!(routes.virtual_hosts.last().unwrap().domains, ["*"]);
    }
    assert_eq!(dangling(&resources), Vec::<String>::new());
}

/// Clusters that routes name and that are not there.
fn dangling(resources: &Resources<'_>) -> Vec<String> {
    let clusters = names(&resources.clusters, |one| &one.name);
    let routes = tests::messages(resources);
    let hosts = routes.iter().flat_map(|one| &one.virtual_hosts);
    let mut missing = Vec::new();
    for route in hosts.flat_map(|host| &host.routes) {
        let Some(Action::Route(action)) = &route.action else {
            panic!("{route:?}");
        };
        let copies = action
            .request_mirror_policies
            .iter()
            .map(|policy| policy.cluster.clone());
        missing.extend(copies.filter(|name| !clusters.contains(&name.as_str())));
    }
    missing
}

#[test]
fn a_change_of_a_share_changes_the_runtime_only() {
    let mut changed = full();
    changed.destinations[0].ports[0].mirrors[0].fraction = Fraction::ONE;
    let full = full();
    let (before, after) = (translate(&full), translate(&changed));
    assert_ne!(before.runtimes, after.runtimes);
    let runtimes = before.runtimes.clone();
    assert_eq!(Resources { runtimes, ..after }, before);
}

#[test]
fn the_endpoints_of_a_destination_are_of_no_concern() {
    let mut changed = full();
    changed.destinations[0].ports[0].backend = tests::backend("ok-v1", 8080, Protocol::Http1, 0);
    assert_eq!(translate(&changed), translate(&full()));
}

#[test]
fn an_address_more_adds_a_listener_and_changes_none() {
    let mut changed = full();
    changed.destinations[0].ports[0]
        .addresses
        .push("192.0.2.1:8080".parse().unwrap());
    let full = full();
    let (before, mut after) = (translate(&full), translate(&changed));
    after
        .listeners
        .retain(|listener| listener.name != "192.0.2.1:8080");
    assert_eq!(after, before);
}

#[test]
fn switching_mirrors_off_leaves_the_way_of_the_requests() {
    let mut off = full();
    off.destinations[0].ports[0].mirrors.clear();
    let full = full();
    let (before, after) = (translate(&full), translate(&off));
    assert_eq!(before.listeners, after.listeners);
    for cluster in &after.clusters {
        assert!(before.clusters.contains(cluster), "{}", cluster.name);
    }
}
