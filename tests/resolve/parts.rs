//! Mirrors to some of the Pods of a Service: what is the same Pods, and what leads on from them.

use mirrorplane::diag::Code;
use serde_json::json;

use crate::subsets::mirror;
use crate::subsets::service;
use crate::subsets::slice;
use crate::subsets::world;
use crate::world::World;
use crate::world::served;
use crate::world::to;

/// The mirrors of `curl/curl` as `from>to`, and the codes that are said but for endpoints.
fn graph(world: &mut World) -> (Vec<String>, Vec<Code>) {
    let resolved = world.resolve();
    let mirrors = served(&resolved.model, "curl/curl")
        .into_iter()
        .flat_map(|line| {
            let name = |text: &str| text.split(['/', ' ']).nth(1).unwrap().replace(":8080", "");
            let mut parts = line.split(" => ");
            let from = name(parts.next().unwrap());
            let to: Vec<_> = parts.map(name).collect();
            to.into_iter().map(move |to| format!("{from}>{to}"))
        });
    let quiet = [
        Code::TargetEmpty,
        Code::TargetUnlabelled,
        Code::DestinationEmpty,
        Code::PluginUnconfigured,
    ];
    let said = resolved.report.iter().map(|one| one.code);
    (
        mirrors.collect(),
        said.filter(|code| !quiet.contains(code)).collect(),
    )
}

#[test]
fn some_pods_of_the_destination_are_the_destination() {
    let v2 = || json!({"version": "v2"});
    // A destination with this selector, and what a mirror of it to the Pods of `all` with version v2 comes to.
    for (selector, mirrors, codes) in [
        // All Pods of `all`, by another name.
        (json!({"app": "all"}), vec![], vec![Code::SelfDisguised]),
        // Just those.
        (
            json!({"app": "all", "version": "v2"}),
            vec![],
            vec![Code::SelfDisguised],
        ),
        // Some of those.
        (
            json!({"app": "all", "version": "v2", "tier": "x"}),
            vec!["d>all[version=v2]"],
            vec![Code::TargetShared],
        ),
        // Those and others.
        (
            json!({"version": "v2"}),
            vec!["d>all[version=v2]"],
            vec![Code::TargetShared],
        ),
        // Others.
        (
            json!({"app": "all", "version": "v1"}),
            vec!["d>all[version=v2]"],
            vec![],
        ),
        (json!({"app": "d"}), vec!["d>all[version=v2]"], vec![]),
    ] {
        let mut world = world();
        service(&mut world, "d", selector.clone());
        slice(&mut world, "d", json!([{"addresses": ["10.4.0.1"]}]));
        mirror(&mut world, "m", "traffic-mirror", "d", v2());
        let mirrors: Vec<_> = mirrors.into_iter().map(str::to_owned).collect();
        assert_eq!(graph(&mut world), (mirrors, codes), "{selector}");
    }
    let mut world = world();
    mirror(&mut world, "m", "traffic-mirror", "all", v2());
    assert_eq!(graph(&mut world), (vec![], vec![Code::SelfMirror]));
}

#[test]
fn endpoints_written_by_hand_are_compared_as_those_of_the_subset() {
    for (host, codes) in [
        ("10.3.0.1", vec![]),
        ("10.3.0.2", vec![Code::SelfDisguised]),
    ] {
        let mut world = world();
        service(&mut world, "all", json!({}));
        service(&mut world, "d", json!({}));
        let endpoint =
            json!({"addresses": ["10.3.0.2"], "targetRef": {"kind": "Pod", "name": "v2"}});
        let other = json!({"addresses": ["10.3.0.9"], "targetRef": {"kind": "Pod", "name": "v1"}});
        slice(&mut world, "all", json!([endpoint, other]));
        slice(&mut world, "d", json!([{"addresses": [host]}]));
        mirror(
            &mut world,
            "m",
            "traffic-mirror",
            "d",
            json!({"version": "v2"}),
        );
        assert_eq!(graph(&mut world).1, codes, "{host}");
    }
}

/// The world with a second plugin of lower priority, for the same callers.
fn world_of_two() -> World {
    let mut world = world();
    world.add(json!({
        "kind": "Plugin", "spec": {"priority": 112},
        "metadata": {"name": "second", "annotations": {"mirrorplane.io/plugin": "traffic-mirror"}},
    }));
    world.add(json!({
        "kind": "PluginChain", "metadata": {"name": "second", "namespace": "pipy"},
        "spec": {
            "chains": [{"name": "outbound-http", "plugins": ["second"]}],
            "selectors": {"podSelector": {"matchLabels": {"app": "curl"}}},
        },
    }));
    world
}

#[test]
fn two_subsets_of_a_service_are_two_places() {
    let mut world = world_of_two();
    let from = "pipy-ok-v1";
    mirror(
        &mut world,
        "m",
        "traffic-mirror",
        from,
        json!({"version": "v1"}),
    );
    mirror(&mut world, "n", "second", from, json!({"version": "v2"}));
    let both = ["pipy-ok-v1>all[version=v1]", "pipy-ok-v1>all[version=v2]"];
    assert_eq!(
        graph(&mut world),
        (both.map(str::to_owned).to_vec(), vec![])
    );

    // The same subset twice, and a Service of just these Pods, are one.
    mirror(&mut world, "n", "second", from, json!({"version": "v1"}));
    assert_eq!(graph(&mut world).1, [Code::SameMirror]);
    service(&mut world, "v1", json!({"app": "all", "version": "v1"}));
    world.add_config("n", "second", &[from], to("v1", 8080, 1.0));
    let one = vec!["pipy-ok-v1>all[version=v1]".to_owned()];
    assert_eq!(graph(&mut world), (one, vec![Code::SameMirror]));
}

#[test]
fn copies_for_some_pods_of_a_service_reach_the_service() {
    // To all[v2], and from `all` on.
    for (target, mirrors, code) in [
        (
            "pipy-ok-v2",
            vec!["all>pipy-ok-v2", "pipy-ok-v1>all[version=v2]"],
            Code::MirrorCascade,
        ),
        (
            "pipy-ok-v1",
            vec!["pipy-ok-v1>all[version=v2]"],
            Code::MirrorCircle,
        ),
    ] {
        let mut world = world_of_two();
        mirror(
            &mut world,
            "m",
            "traffic-mirror",
            "pipy-ok-v1",
            json!({"version": "v2"}),
        );
        world.add_config("n", "second", &["all"], to(target, 8080, 1.0));
        let mirrors: Vec<_> = mirrors.into_iter().map(str::to_owned).collect();
        assert_eq!(graph(&mut world), (mirrors, vec![code]), "{target}");
    }
}

#[test]
fn only_pods_of_the_subset_are_behind_it() {
    let mut world = world();
    for chain in world.objects.plugin_chains.values_mut() {
        chain.object.spec.selectors = serde_json::from_value(json!({})).unwrap();
    }
    mirror(
        &mut world,
        "m",
        "traffic-mirror",
        "pipy-ok-v1",
        json!({"version": "v2"}),
    );
    let resolved = world.resolve();
    let mirrored = |node: &str| served(&resolved.model, node)[0].contains(" => ");
    assert!(mirrored("pipy/v1"), "another Pod of the Service");
    assert!(!mirrored("pipy/v2"), "would be copied to itself");
    let said: Vec<_> = resolved
        .report
        .iter()
        .filter(|one| one.code == Code::OwnCalls)
        .collect();
    assert!(
        said[0].message.contains("pipy/all[version=v2]"),
        "{}",
        said[0].message
    );
}
