//! Mirrors that lead back, on, or to one place twice: what is cut of them, for whom, and what is said.

use mirrorplane::diag::Code;
use serde_json::Value;
use serde_json::json;

use crate::world::World;
use crate::world::served;
use crate::world::to;

/// A world in which `curl/curl` has the plugins `traffic-mirror` and `second`, of lower priority, and `curl/second` has
/// only the latter. The Services `a` to `d` have Pods of their own.
fn world() -> World {
    let mut world = World::mirrored();
    world.objects.plugin_configs.keep(|_| false);
    world.add(json!({
        "kind": "Plugin", "spec": {"priority": 112},
        "metadata": {"name": "second", "annotations": {"mirrorplane.io/plugin": "traffic-mirror"}},
    }));
    for app in ["curl", "second"] {
        world.add(json!({
            "kind": "PluginChain", "metadata": {"name": app, "namespace": "pipy"},
            "spec": {
                "chains": [{"name": "outbound-http", "plugins": ["second"]}],
                "selectors": {"podSelector": {"matchLabels": {"app": app}}},
            },
        }));
    }
    world.add(json!({
        "kind": "Pod", "metadata": {"name": "second", "namespace": "curl", "labels": {"app": "second"}},
    }));
    for (host, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
        service(
            &mut world,
            name,
            json!({"app": name}),
            &format!("10.1.2.{host}"),
        );
    }
    world
}

/// Adds a Service with a port 8080, and an endpoint.
fn service(world: &mut World, name: &str, selector: Value, host: &str) {
    world.add(json!({
        "kind": "Service", "metadata": {"name": name, "namespace": "pipy"},
        "spec": {"selector": selector, "ports": [{"port": 8080}]},
    }));
    world.add(json!({
        "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": name, "namespace": "pipy", "labels": {"kubernetes.io/service-name": name}},
        "endpoints": [{"addresses": [host]}], "ports": [{"port": 8080}],
    }));
}

fn mirror(world: &mut World, rule: &str, plugin: &str, from: &str, target: &str) {
    world.add_config(rule, plugin, &[from], to(target, 8080, 1.0));
}

/// The mirrors of a node, as `a>b`, and the codes with the rules that they are about.
fn outcome(world: &mut World, node: &str) -> (Vec<String>, Vec<String>) {
    let resolved = world.resolve();
    let mirrors = served(&resolved.model, node).into_iter().flat_map(|line| {
        let name = |text: &str| text.split(['/', ':']).nth(1).unwrap().to_owned();
        let mut parts = line.split(" => ");
        let from = name(parts.next().unwrap());
        let to: Vec<_> = parts.map(name).collect();
        to.into_iter().map(move |to| format!("{from}>{to}"))
    });
    let mirrors = mirrors.collect();
    let said = resolved
        .report
        .iter()
        .filter(|said| said.code != Code::PluginUnconfigured);
    let said = said.map(|said| {
        let object = said.object.as_ref().unwrap();
        format!("{:?} {}", said.code, object.name.name)
    });
    (mirrors, said.collect())
}

fn message(world: &mut World, code: Code) -> String {
    let resolved = world.resolve();
    let mut found = resolved.report.iter().filter(|said| said.code == code);
    let message = found.next().unwrap().message.clone();
    assert!(found.next().is_none());
    message
}

#[test]
fn the_destination_by_another_name_is_no_target() {
    for (selector, host, mirrors, said) in [
        (
            json!({"app": "a"}),
            "10.1.2.0",
            vec![],
            vec!["SelfDisguised m"],
        ),
        // Endpoints of two Services over the same Pods change one after the other: that decides nothing.
        (
            json!({"app": "a"}),
            "10.1.2.9",
            vec![],
            vec!["SelfDisguised m"],
        ),
        (json!({"app": "x"}), "10.1.2.9", vec!["a>x"], vec![]),
        (
            json!({"app": "x"}),
            "10.1.2.0",
            vec!["a>x"],
            vec!["TargetShared m"],
        ),
        (
            json!({"app": "a", "v": "1"}),
            "10.1.2.9",
            vec!["a>x"],
            vec!["TargetShared m"],
        ),
        (json!({}), "10.1.2.9", vec!["a>x"], vec![]),
        (json!({}), "10.1.2.0", vec!["a>x"], vec!["TargetShared m"]),
    ] {
        let mut world = world();
        service(&mut world, "x", selector.clone(), host);
        mirror(&mut world, "m", "traffic-mirror", "a", "x");
        let said: Vec<_> = said.into_iter().map(str::to_owned).collect();
        assert_eq!(
            outcome(&mut world, "curl/curl"),
            (mirrors.into_iter().map(str::to_owned).collect(), said),
            "{selector} {host}"
        );
    }
    // By hand written endpoints say themselves what is behind.
    let mut world = world();
    for name in ["x", "y"] {
        service(&mut world, name, json!({}), "10.1.2.9");
    }
    mirror(&mut world, "m", "traffic-mirror", "x", "y");
    assert_eq!(outcome(&mut world, "curl/curl").1, ["SelfDisguised m"]);
}

#[test]
fn the_junior_mirror_of_a_circle_is_cut() {
    let older = |world: &mut World, rule: &str| {
        let name = mirrorplane::name::Namespaced::new("curl", rule);
        let config = world.objects.plugin_configs.get_mut(&name).unwrap();
        config.object.metadata.creation_timestamp = Some("2020-01-01T00:00:00Z".to_owned());
    };
    let mut world = world();
    mirror(&mut world, "one", "traffic-mirror", "a", "b");
    mirror(&mut world, "two", "traffic-mirror", "b", "a");
    // By name, by age, and by the priority of the plugin before both.
    let cut = |mirrors: &[&str], rule: &str| {
        let mirrors = mirrors.iter().map(ToString::to_string).collect();
        (mirrors, vec![format!("MirrorCircle {rule}")])
    };
    assert_eq!(outcome(&mut world, "curl/curl"), cut(&["a>b"], "two"));
    older(&mut world, "two");
    assert_eq!(outcome(&mut world, "curl/curl"), cut(&["b>a"], "one"));
    mirror(&mut world, "two", "second", "b", "a");
    older(&mut world, "two");
    assert_eq!(outcome(&mut world, "curl/curl"), cut(&["a>b"], "two"));
    assert_eq!(
        message(&mut world, Code::MirrorCircle),
        "mirrors lead in a circle: `pipy/b` -> `pipy/a` (curl/two) -> `pipy/b` (curl/one)"
    );
    // Who has only the one plugin goes in no circle.
    assert_eq!(outcome(&mut world, "curl/second").0, ["b>a"]);
    // What is cut comes back with what it was cut for.
    world.objects.plugin_configs.keep(|name| name.name == "two");
    assert_eq!(
        outcome(&mut world, "curl/curl"),
        (vec!["b>a".to_owned()], vec![])
    );
}

#[test]
fn a_circle_is_named_whole_even_if_it_leads_on_by_another_name() {
    let mut world = world();
    service(&mut world, "c-again", json!({"app": "c"}), "10.1.2.2");
    mirror(&mut world, "m1", "traffic-mirror", "a", "b");
    mirror(&mut world, "m2", "traffic-mirror", "b", "c");
    mirror(&mut world, "m3", "traffic-mirror", "c-again", "a");
    let (mirrors, said) = outcome(&mut world, "curl/curl");
    assert_eq!(mirrors, ["a>b", "b>c"]);
    assert_eq!(said, ["MirrorCascade m1", "MirrorCircle m3"]);
    assert_eq!(
        message(&mut world, Code::MirrorCircle),
        "mirrors lead in a circle: `pipy/c-again` -> `pipy/a` (curl/m3) -> `pipy/b` (curl/m1) -> `pipy/c` (curl/m2) = `pipy/c-again`"
    );
}

#[test]
fn of_two_circles_only_the_junior_mirrors_are_cut() {
    // a>b>c>a and c>d>c: one mirror of each is enough.
    let mut world = world();
    mirror(&mut world, "m1", "traffic-mirror", "a", "b");
    mirror(&mut world, "m2", "traffic-mirror", "b", "c");
    mirror(&mut world, "m3", "traffic-mirror", "c", "a");
    mirror(&mut world, "m4", "second", "c", "d");
    mirror(&mut world, "m5", "second", "d", "c");
    let (mirrors, said) = outcome(&mut world, "curl/curl");
    assert_eq!(mirrors, ["a>b", "b>c", "c>d"]);
    let cut: Vec<_> = said
        .iter()
        .filter(|said| said.starts_with("MirrorCircle"))
        .collect();
    assert_eq!(cut, ["MirrorCircle m3", "MirrorCircle m5"]);
}

#[test]
fn a_place_gets_each_request_once() {
    for (target, mirrors, said) in [
        ("b", vec!["a>b"], vec!["SameMirror second"]),
        ("b-again", vec!["a>b"], vec!["SameMirror second"]),
        ("c", vec!["a>b", "a>c"], vec![]),
    ] {
        let mut world = world();
        service(&mut world, "b-again", json!({"app": "b"}), "10.1.2.1");
        mirror(&mut world, "m", "traffic-mirror", "a", "b");
        mirror(&mut world, "second", "second", "a", target);
        let (found, codes) = outcome(&mut world, "curl/curl");
        assert_eq!(
            (found, codes),
            (
                mirrors.into_iter().map(str::to_owned).collect(),
                said.into_iter().map(str::to_owned).collect()
            )
        );
        assert_eq!(
            outcome(&mut world, "curl/second").0,
            [format!("a>{target}")]
        );
    }
}

#[test]
fn a_mirror_is_left_out_only_if_all_its_requests_are_copied_to_there() {
    let of = |methods: Value| {
        let mut config = to("b", 8080, 1.0);
        config["methods"] = methods;
        config
    };
    let (all, get, post) = (Value::Null, json!(["GET"]), json!(["POST"]));
    for (senior, junior, stays) in [
        (&all, &get, false),
        (&get, &get, false),
        (&get, &all, true),
        (&get, &post, true),
    ] {
        let mut world = world();
        world.add_config("m", "traffic-mirror", &["a"], of(senior.clone()));
        world.add_config("second", "second", &["a"], of(junior.clone()));
        let (mirrors, codes) = outcome(&mut world, "curl/curl");
        let expected = if stays { 2 } else { 1 };
        assert_eq!(mirrors, vec!["a>b"; expected], "{senior} {junior}");
        assert_eq!(codes.is_empty(), stays, "{senior} {junior}");
    }
}

#[test]
fn a_shadow_may_have_a_shadow_and_that_is_said() {
    let mut world = world();
    mirror(&mut world, "m1", "traffic-mirror", "a", "b");
    mirror(&mut world, "m2", "second", "b", "c");
    let (mirrors, said) = outcome(&mut world, "curl/curl");
    assert_eq!(mirrors, ["a>b", "b>c"]);
    assert_eq!(said, ["MirrorCascade m1"]);
    assert_eq!(
        message(&mut world, Code::MirrorCascade),
        "requests to the target `pipy/b` are mirrored as well: `pipy/a` -> `pipy/b` (curl/m1) -> `pipy/c` (curl/m2)"
    );
}

#[test]
fn what_is_switched_off_leads_nowhere() {
    let mut world = world();
    mirror(&mut world, "one", "traffic-mirror", "a", "b");
    mirror(&mut world, "two", "traffic-mirror", "b", "a");
    let mesh_configs: Vec<_> = world.objects.mesh_configs.keys().cloned().collect();
    for name in mesh_configs {
        let config = world.objects.mesh_configs.get_mut(&name).unwrap();
        config.object.spec.feature_flags.enable_plugin_policy = false;
    }
    let (mirrors, said) = outcome(&mut world, "curl/curl");
    assert_eq!(mirrors, [""; 0]);
    assert!(
        !said.iter().any(|said| said.starts_with("Mirror")),
        "{said:?}"
    );
}

#[test]
fn a_ring_of_many_is_cut_once() {
    let mut world = world();
    let name = |number: usize| format!("s{:03}", number % 300);
    for number in 0..300 {
        service(
            &mut world,
            &name(number),
            json!({"app": name(number)}),
            "10.1.3.1",
        );
        // The senior ones come last in the ring.
        mirror(
            &mut world,
            &format!("m{:03}", 300 - number),
            "traffic-mirror",
            &name(number),
            &name(number + 1),
        );
    }
    let (mirrors, said) = outcome(&mut world, "curl/curl");
    assert_eq!(mirrors.len(), 299);
    let cut: Vec<_> = said
        .iter()
        .filter(|said| said.starts_with("MirrorCircle"))
        .collect();
    assert_eq!(cut, ["MirrorCircle m300"]);
}

#[test]
fn a_shadow_does_not_mirror_to_itself() {
    let mut world = world();
    for app in ["b", "c"] {
        world.add(json!({
            "kind": "Pod", "metadata": {"name": app, "namespace": "pipy", "labels": {"app": app}},
        }));
        world.add(json!({
            "kind": "PluginChain", "metadata": {"name": app, "namespace": "pipy"},
            "spec": {
                "chains": [{"name": "outbound-http", "plugins": ["traffic-mirror", "second"]}],
                "selectors": {"podSelector": {"matchLabels": {"app": app}}},
            },
        }));
    }
    mirror(&mut world, "m", "traffic-mirror", "a", "b");
    mirror(&mut world, "n", "second", "a", "c");
    for (node, mirrors) in [
        ("curl/curl", ["a>b", "a>c"].as_slice()),
        ("pipy/b", &["a>c"]),
        ("pipy/c", &["a>b"]),
    ] {
        let (found, said) = outcome(&mut world, node);
        assert_eq!(found, mirrors, "{node}");
        assert_eq!(said, ["OwnCalls m", "OwnCalls n"]);
    }
    // Who is behind a target is looked at anew when that changes.
    service(&mut world, "b", json!({"app": "other"}), "10.1.2.1");
    assert_eq!(outcome(&mut world, "pipy/b").0, ["a>b", "a>c"]);
    mirror(&mut world, "n", "second", "a", "d");
    let (found, said) = outcome(&mut world, "pipy/c");
    assert_eq!(
        (found, said),
        (vec!["a>b".to_owned(), "a>d".to_owned()], vec![])
    );
}
