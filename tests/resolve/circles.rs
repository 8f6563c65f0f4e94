//! What holds of any mirrors among a handful of Services, however they lead on and back.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use mirrorplane::diag::Code;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::ProptestConfig;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::proptest;
use proptest::sample::Index;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use serde_json::json;

use crate::world::World;

/// The Services; the last two have the same Pods.
const SERVICES: [&str; 5] = ["a", "b", "c", "d", "d-again"];
/// The number of the target that is some of the Pods of `d`.
const SOME_OF_D: usize = SERVICES.len();
const PLUGINS: [(&str, u32); 3] = [("traffic-mirror", 115), ("equal", 115), ("higher", 120)];

/// A rule: its destination, its target, its plugin and when it was made.
type Rule = (usize, usize, usize, Option<&'static str>);

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let created = select(vec!["2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"]);
    let rule = (
        0..SERVICES.len(),
        0..=SOME_OF_D,
        0..PLUGINS.len(),
        option::of(created),
    );
    vec(rule, 1..14)
}

/// A number for the Pods behind a Service, and for all of those that some are of.
fn pods(service: usize) -> usize {
    service.min(3)
}

/// A number for the Pods that get copies.
fn place(target: usize) -> usize {
    match target {
        SOME_OF_D => SOME_OF_D,
        service => pods(service),
    }
}

fn objects(rules: &[Rule]) -> Vec<Value> {
    let service = |number: usize| {
        json!({
            "kind": "Service", "metadata": {"name": SERVICES[number], "namespace": "pipy"},
            "spec": {"selector": {"app": SERVICES[pods(number)]}, "ports": [{"port": 80}]},
        })
    };
    let slice = |number: usize| {
        json!({
            "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {
                "name": SERVICES[number], "namespace": "pipy",
                "labels": {"kubernetes.io/service-name": SERVICES[number]},
            },
            "endpoints": [{"addresses": [format!("10.1.2.{}", pods(number))]}], "ports": [{"port": 80}],
        })
    };
    let plugin = |(name, priority): (&str, u32)| {
        json!({
            "kind": "Plugin", "spec": {"priority": priority},
            "metadata": {"name": name, "annotations": {"mirrorplane.io/plugin": "traffic-mirror"}},
        })
    };
    let rule = |(number, (from, to, plugin, created)): (usize, &Rule)| {
        let (service, subset) = match SERVICES.get(*to) {
            Some(service) => (service, json!(null)),
            None => (&"d", json!({"labels": {"v": "1"}})),
        };
        json!({
            "kind": "PluginConfig",
            "metadata": {"name": format!("m{number:02}"), "namespace": "curl", "creationTimestamp": created},
            "spec": {
                "plugin": PLUGINS[*plugin].0,
                "destinationRefs": [{"kind": "Service", "namespace": "pipy", "name": SERVICES[*from]}],
                "config": {
                    "namespace": "pipy", "service": service, "port": 80, "subset": subset, "percentage": {"value": 1},
                },
            },
        })
    };
    let chain = json!({
        "kind": "PluginChain", "metadata": {"name": "chain", "namespace": "pipy"},
        "spec": {"chains": [{"name": "outbound-http", "plugins": PLUGINS.map(|(name, _)| name)}], "selectors": {}},
    });
    let mesh = json!({
        "kind": "MeshConfig", "metadata": {"name": "osm-mesh-config", "namespace": "o"},
        "spec": {"featureFlags": {"enablePluginPolicy": true}},
    });
    let pod = json!({"kind": "Pod", "metadata": {"name": "curl", "namespace": "curl"}});
    let parts = (0..SERVICES.len()).flat_map(|number| [service(number), slice(number)]);
    let rules = rules.iter().enumerate().map(rule);
    parts
        .chain(PLUGINS.map(plugin))
        .chain(rules)
        .chain([chain, mesh, pod])
        .collect()
}

fn world<'a>(objects: impl IntoIterator<Item = &'a Value>) -> World {
    let mut world = World::default();
    for object in objects {
        world.add(object.clone());
    }
    world
}

/// Whether mirrors from Pods to Pods lead in a circle.
fn is_circular(mirrors: &BTreeSet<(usize, usize)>) -> bool {
    let mut left = mirrors.clone();
    loop {
        let from: BTreeSet<usize> = left.iter().map(|(from, _)| *from).collect();
        let before = left.len();
        left.retain(|(_, to)| from.contains(to));
        if left.len() == before {
            return before > 0;
        }
    }
}

#[test]
fn some_generated_rules_lead_in_circles() {
    let mut runner = TestRunner::deterministic();
    let mut seen: BTreeMap<Code, usize> = BTreeMap::new();
    for _ in 0..100 {
        let rules = rules().new_tree(&mut runner).unwrap().current();
        let report = world(&objects(&rules)).resolve().report;
        let codes: BTreeSet<_> = report.iter().map(|said| said.code).collect();
        for code in codes {
            *seen.entry(code).or_default() += 1;
        }
    }
    for code in [
        Code::MirrorCircle,
        Code::SameMirror,
        Code::SelfDisguised,
        Code::MirrorCascade,
    ] {
        assert!(
            seen.get(&code).is_some_and(|count| *count >= 10),
            "{seen:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_cut_would_lead_in_a_circle_and_what_is_not_does_not(rules in rules()) {
        let resolved = world(&objects(&rules)).resolve();
        let id = resolved.model.group_of(&"curl/curl".parse().unwrap());
        let mut kept = BTreeSet::new();
        let mut served = BTreeSet::new();
        let number = |name: &str| SERVICES.iter().position(|service| *service == name).unwrap();
        for destination in &resolved.model.groups[id].destinations {
            for mirror in destination.ports.iter().flat_map(|port| &port.mirrors) {
                let target = mirror.target.backend().unwrap();
                let to = if target.subset.is_all() { number(&target.service.name) } else { SOME_OF_D };
                let from = number(&destination.service.name);
                prop_assert!(served.insert((from, place(to))), "twice from {} to {}", from, to);
                kept.insert((pods(from), pods(to)));
            }
        }
        prop_assert!(!is_circular(&kept), "{:?}", kept);
        for (index, (from, to, _, _)) in rules.iter().enumerate() {
            let name = format!("m{index:02}");
            let said = resolved.report.iter().filter(|said| said.object.as_ref().is_some_and(|object| object.name.name == name));
            let codes: BTreeSet<_> = said.map(|said| said.code).collect();
            let closes_circle = || {
                let mut more = kept.clone();
                more.insert((pods(*from), pods(*to)));
                is_circular(&more)
            };
            if codes.contains(&Code::MirrorCircle) {
                prop_assert!(closes_circle(), "{} {:?}", name, kept);
            } else if codes.contains(&Code::SameMirror) {
                prop_assert!(served.contains(&(*from, place(*to))) || closes_circle(), "{} {:?}", name, served);
            } else if !codes.iter().any(|code| matches!(code, Code::SelfMirror | Code::SelfDisguised | Code::Conflict)) {
                prop_assert!(served.contains(&(*from, place(*to))), "{} is cut in silence", name);
            }
        }
    }

    #[test]
    fn whatever_order_rules_come_in_the_same_is_cut(rules in rules(), turn in any::<Index>()) {
        let objects = objects(&rules);
        let first = world(&objects).resolve();
        let at = turn.index(objects.len());
        let turned: Vec<_> = objects.iter().skip(at).chain(objects.iter().take(at)).rev().collect();
        prop_assert_eq!(first, world(turned).resolve());
    }
}
