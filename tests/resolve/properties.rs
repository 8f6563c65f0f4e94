//! What holds whatever the objects are.

use std::collections::BTreeSet;

use mirrorplane::diag::Code;
use mirrorplane::model::Mirror;
use mirrorplane::model::Model;
use mirrorplane::name::Namespaced;
use mirrorplane::pipeline::Pipeline;
use mirrorplane::resolve::Kept;
use mirrorplane::resolve::Resolved;
use mirrorplane::resolve::Settings;
use mirrorplane::resolve::resolve;
use mirrorplane::snapshot::build;
use proptest::collection::vec;
use proptest::prelude::ProptestConfig;
use proptest::prelude::Strategy;
use proptest::prelude::any;
use proptest::prop_assert;
use proptest::prop_assert_eq;
use proptest::prop_assert_ne;
use proptest::proptest;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use serde_json::json;

use crate::generated::objects;
use crate::world::World;

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

#[test]
fn some_generated_worlds_mirror() {
    let mut runner = TestRunner::deterministic();
    let mirroring = (0..600).filter(|_| {
        let objects = objects().new_tree(&mut runner).unwrap().current();
        mirrors(&world(&objects).resolve().model).next().is_some()
    });
    assert!(
        mirroring.count() >= 20,
        "or the properties would hold of nothing"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

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
    fn what_is_kept_decides_nothing(first in objects(), others in objects(), turns in vec((any::<Index>(), any::<bool>()), 1..8)) {
        // The one shares with its past whatever is not replaced; the other is made anew each time, so that nothing is kept.
        let mut one = world(&first);
        let mut all = first;
        let mut kept = Kept::default();
        for (turn, loses_a_pod) in turns {
            let object = turn.get(&others).clone();
            one.add(object.clone());
            all.push(object);
            let pod = one.objects.pods.keys().next().cloned();
            if let Some(pod) = pod.filter(|_| loses_a_pod) {
                one.objects.pods.take(&pod);
                let is_it = |object: &Value| {
                    let metadata = &object["metadata"];
                    object["kind"] == "Pod" && metadata["namespace"] == pod.namespace.as_str() && metadata["name"] == pod.name.as_str()
                };
                all.retain(|object| !is_it(object));
            }
            for _ in 0..2 {
                let other = resolve(&world(&all).objects, &Settings::default(), &kept);
                prop_assert_eq!(&one.resolve(), &other);
                kept = other.kept;
            }
        }
    }

    #[test]
    fn a_step_after_another_serves_what_a_first_step_would(objects in objects(), lost in any::<proptest::sample::Index>(), share in 0.0..=1.0) {
        let mut fewer = objects.clone();
        fewer.remove(lost.index(fewer.len()));
        let mut changed = objects.clone();
        for share_now in changed.iter_mut().filter_map(|object| object.pointer_mut("/spec/config/percentage/value")) {
            *share_now = json!(share);
        }
        let mut pipeline = Pipeline::new(Settings::default());
        for state in [&objects, &changed, &fewer, &objects, &objects] {
            let step = pipeline.step(&world(state).objects);
            prop_assert!(step.faults.is_empty());
            let model = pipeline.model().expect("there was a step").clone();
            let (anew, _) = build(model, None);
            prop_assert_eq!(&step.world.groups, &anew.world.groups);
            prop_assert_eq!(&step.world.nodes, &anew.world.nodes);
        }
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
                prop_assert!(destination.default_port.is_none_or(|port| ports.contains(&port)));
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
            prop_assert_ne!(destination, &mirror.target.backend().unwrap().service);
            let text = |key: &str| config.config[key].as_str().unwrap_or_default();
            prop_assert_eq!(&mirror.target.backend().unwrap().service, &Namespaced::new(text("namespace"), text("service")));
            let names = |name: &Namespaced| config.destination_refs.iter().any(|given| {
                given.kind == "Service" && given.namespace == name.namespace && given.name == name.name
            });
            prop_assert!(names(destination));
        }
    }

    #[test]
    fn a_configuration_alone_on_its_destination_is_not_touched_by_others(objects in objects()) {
        // What each configuration comes to alone, it comes to among the others, unless they share plugin and destination, or
        // it is said that one of its mirrors is cut for the sake of others.
        let Resolved { model: all, report, .. } = world(&objects).resolve();
        let is_cut = |config: &Value| report.iter().any(|said| {
            let is_its_own = said.object.as_ref().is_some_and(|object| config["metadata"]["name"] == object.name.name.as_str());
            is_its_own && matches!(said.code, Code::MirrorCircle | Code::SameMirror)
        });
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
            for (node, id) in &*alone.nodes {
                for destination in &alone.groups[id].destinations {
                    let among = &all.groups[all.group_of(node)].destinations;
                    let among = among.iter().find(|other| other.service == destination.service);
                    prop_assert!(among.is_some(), "{} lost {}", node, destination.service);
                    if claimed(&destination.service) || is_cut(config) {
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
