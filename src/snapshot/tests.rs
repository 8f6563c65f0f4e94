use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::Arc;

use bytes::Bytes;

use super::{Built, Dangling, ResourceType, Snapshot, build, check, encode, to_json};
use crate::model::{
    Backend, Capture, Certainty, Destination, DestinationPort, Fraction, Group, GroupId, Mirror,
    Model, Protocol,
};
use crate::name::Namespaced;
use crate::translate::{Resources, translate};

pub(super) fn backend(name: &str) -> Arc<Backend> {
    Arc::new(Backend {
        service: Namespaced::new("pipy", name),
        port: NonZeroU16::new(8080).unwrap(),
        subset: Default::default(),
        protocol: Protocol::Http1,
        endpoints: vec!["10.0.0.1:8080".parse().unwrap()],
    })
}

/// A group with one mirror, of so many requests in a million.
pub(super) fn group(share: u32) -> Group {
    Group {
        capture: Capture::Explicit("127.0.0.1:15001".parse().unwrap()),
        destinations: vec![Destination {
            service: Namespaced::new("pipy", "ok-v1"),
            cluster_ips: Vec::new(),
            local: false,
            default_port: NonZeroU16::new(8080),
            ports: vec![DestinationPort {
                backend: backend("ok-v1"),
                addresses: Vec::new(),
                certainty: Certainty::Said,
                mirrors: vec![Mirror::new(
                    Namespaced::new("curl", "rule"),
                    backend("ok-v2"),
                    Fraction::from_millionths(share).unwrap(),
                )],
            }],
        }],
        quarantine: None,
    }
}

pub(super) fn model(groups: &[(&str, Group)]) -> Model {
    let id = |id: &str| GroupId::new(id);
    Model {
        nodes: Arc::new(BTreeMap::from([(
            Namespaced::new("curl", "curl"),
            id(groups[0].0),
        )])),
        groups: groups
            .iter()
            .map(|(name, group)| (id(name), Arc::new(group.clone())))
            .collect(),
        fallback: id("fallback"),
    }
}

pub(super) fn snapshot<'a>(built: &'a Built, id: &str) -> &'a Arc<Snapshot> {
    &built.world.groups[&GroupId::new(id)]
}

/// Where the bytes of a resource are.
fn place(snapshot: &Snapshot, ty: ResourceType, name: &str) -> *const u8 {
    let body: &Bytes = &snapshot.of(ty)[name].body;
    body.as_ptr()
}

#[test]
fn what_is_translated_passes_the_check() {
    assert_eq!(check(&translate(&group(1))), Ok(()));
}

#[test]
fn every_missing_or_doubled_name_is_told() {
    const HOST: &str = "`ok-v1.pipy`";
    type Break = fn(&mut Resources<'_>);
    let cases: [(Break, &str, &str); 6] = [
        (
            |r| r.clusters.retain(|c| c.name != "pipy/ok-v1|8080"),
            "requests for",
            "`pipy/ok-v1|8080`, which does not exist",
        ),
        (
            |r| r.clusters.retain(|c| !c.name.starts_with("shadow")),
            "copies of requests for",
            "`shadow|curl/rule|pipy/ok-v2|8080`, which does not exist",
        ),
        (
            |r| r.endpoints.retain(|e| e.cluster_name != "pipy/ok-v2|8080"),
            "the cluster `shadow|curl/rule|pipy/ok-v2|8080`",
            "from `pipy/ok-v2|8080`, which do not exist",
        ),
        (
            |r| r.routes.clear(),
            "the listener `outbound`",
            "from `outbound`, which do not exist",
        ),
        (
            |r| r.clusters.extend(r.clusters.clone()),
            "there are two clusters",
            "`passthrough`",
        ),
        (
            |r| {
                let hosts = &mut r.routes[0].hosts;
                hosts.extend(hosts.last().cloned());
            },
            "the routes `outbound`",
            "`*` twice",
        ),
    ];
    for (break_it, start, end) in cases {
        let group = group(1);
        let mut resources = translate(&group);
        break_it(&mut resources);
        let faults: Vec<String> = check(&resources)
            .unwrap_err()
            .iter()
            .map(Dangling::to_string)
            .collect();
        let told = |fault: &String| fault.starts_with(start) && fault.ends_with(end);
        assert!(faults.iter().any(told), "{faults:?}");
        if start.ends_with("for") {
            assert_eq!(faults.iter().filter(|f| f.contains(HOST)).count(), 1);
        }
    }
}

#[test]
fn nothing_changed_means_the_same_snapshot() {
    let model = model(&[("a", group(1)), ("fallback", group(0))]);
    let (built, faults) = build(model.clone(), None);
    assert_eq!(faults, []);
    let (again, _) = build(model, Some(&built));
    for id in ["a", "fallback"] {
        assert!(Arc::ptr_eq(snapshot(&built, id), snapshot(&again, id)));
    }
    assert!(Arc::ptr_eq(&built.world.nodes, &again.world.nodes));
}

#[test]
fn a_changed_share_costs_one_resource() {
    let (before, after) = (model(&[("a", group(1))]), model(&[("a", group(2))]));
    let (world, _) = build(before, None);
    let (next, _) = build(after, Some(&world));
    let (old, new) = (snapshot(&world, "a"), snapshot(&next, "a"));
    for ty in ResourceType::ALL {
        for name in new.of(ty).keys() {
            let same = place(old, ty, name) == place(new, ty, name);
            assert_eq!(same, ty != ResourceType::Runtime, "{name}");
            assert_eq!(
                old.of(ty)[name].version == new.of(ty)[name].version,
                same,
                "{name}"
            );
        }
    }
}

#[test]
fn groups_share_what_they_have_in_common() {
    let (world, _) = build(
        model(&[("a", group(1)), ("b", group(1)), ("c", group(2))]),
        None,
    );
    let [a, b, c] = ["a", "b", "c"].map(|id| snapshot(&world, id));
    assert!(Arc::ptr_eq(a, b));
    let cluster = |snapshot| place(snapshot, ResourceType::Cluster, "pipy/ok-v1|8080");
    assert_eq!(cluster(a), cluster(c));
}

#[test]
fn a_group_that_comes_back_equal_in_content_keeps_its_snapshot() {
    // The group differs, but not in anything that is sent.
    let mut other = group(1);
    other.destinations[0].cluster_ips = vec!["127.0.0.1".parse().unwrap()];
    other.capture = Capture::Explicit("127.0.0.1:8080".parse().unwrap());
    let mut same = other.clone();
    same.destinations[0].default_port = NonZeroU16::new(1);
    other.destinations[0].ports.clear();
    same.destinations[0].ports.clear();
    let (before, after) = (model(&[("a", other)]), model(&[("a", same)]));
    assert_ne!(before, after);
    let (world, _) = build(before, None);
    let (next, _) = build(after, Some(&world));
    assert!(Arc::ptr_eq(snapshot(&world, "a"), snapshot(&next, "a")));
}

#[test]
fn removed_groups_are_gone() {
    let before = model(&[("a", group(1)), ("fallback", group(0))]);
    let (built, _) = build(before, None);
    let (next, _) = build(model(&[("fallback", group(0))]), Some(&built));
    assert_eq!(next.world.groups.len(), 1);
}

#[test]
fn json_has_a_list_per_type_in_the_words_of_the_api() {
    let json = to_json(&encode(&translate(&group(255_000)))).unwrap();
    for (pointer, value) in [
        ("/clusters/1/name", "pipy/ok-v1|8080"),
        ("/endpoints/0/cluster_name", "pipy/ok-v1|8080"),
        ("/listeners/0/traffic_direction", "OUTBOUND"),
        ("/routes/0/virtual_hosts/0/name", "ok-v1.pipy"),
        ("/runtime/0/layer/mirror.curl.rule/denominator", "MILLION"),
    ] {
        assert_eq!(json.pointer(pointer).unwrap(), value, "{pointer}");
    }
}
