//! How many mirrors one destination can have, and for how many kinds of request.

use mirrorplane::diag::Code;
use serde_json::{Value, json};

use crate::world::{World, served, to};

/// How many mirrors `curl/curl` has of the guide's destination, and how many were left out, if there are as many plugins with
/// these keys, each with a target of its own.
fn of(keys: &[Value]) -> (usize, usize) {
    let mut world = World::mirrored();
    world.objects.plugin_configs.keep(|_| false);
    for (number, more) in keys.iter().enumerate() {
        let name = format!("m{number:03}");
        world.add(json!({
            "kind": "Plugin", "spec": {"priority": 114.0 - 0.1 * number as f64},
            "metadata": {"name": name, "annotations": {"mirrorplane.io/plugin": "traffic-mirror"}},
        }));
        world.add(json!({
            "kind": "PluginChain", "metadata": {"name": name, "namespace": "pipy"},
            "spec": {
                "chains": [{"name": "outbound-http", "plugins": [name]}],
                "selectors": {"podSelector": {"matchLabels": {"app": "curl"}}},
            },
        }));
        world.add(json!({
            "kind": "Service", "metadata": {"name": name, "namespace": "pipy"},
            "spec": {"selector": {"app": name}, "ports": [{"port": 8080}]},
        }));
        let mut config = to(&name, 8080, 1.0);
        for (key, value) in more.as_object().unwrap() {
            config[key] = value.clone();
        }
        world.add_config(&name, &name, &["pipy-ok-v1"], config);
    }
    let resolved = world.resolve();
    let lines = served(&resolved.model, "curl/curl");
    let mirrors = lines.concat().matches("100%").count();
    let codes = resolved.report.iter().map(|one| one.code);
    let left_out = codes
        .filter(|code| *code == Code::TooManySelections)
        .count();
    (mirrors, left_out)
}

#[test]
fn what_would_multiply_the_routes_is_bounded() {
    let path = |number: usize| json!({"match": {"path": {"exact": format!("/{number}")}}});
    let body = |number: usize| json!({"maxBodyBytes": 1024 * (number + 1)});
    let sticky = |_| json!({"sticky": {"header": "x-user"}});
    let plain = |_| json!({});
    let many =
        |count: usize, each: &dyn Fn(usize) -> Value| (0..count).map(each).collect::<Vec<_>>();
    for (what, keys, expected) in [
        ("plain ones", many(16, &plain), (16, 0)),
        ("too many plain ones", many(20, &plain), (16, 4)),
        ("the same selection", many(10, &|_| path(1)), (10, 0)),
        ("selections", many(6, &path), (4, 2)),
        ("users", many(6, &sticky), (4, 2)),
        (
            "sizes of bodies, of which one is no other",
            many(7, &body),
            (5, 2),
        ),
        (
            "some of all",
            [many(2, &path), many(1, &sticky), many(3, &body)].concat(),
            (4, 2),
        ),
    ] {
        assert_eq!(of(&keys), expected, "{what}");
    }
}
