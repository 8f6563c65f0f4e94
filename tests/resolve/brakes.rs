//! What holds a share down, in whichever way it is known: written in the object, recorded in its status, seen by this process.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use mirrorplane::brake::{Begun, Held, hold};
use mirrorplane::model::{Blown, Findings, Fraction, Verdict};
use mirrorplane::name::Namespaced;
use mirrorplane::pipeline::Pipeline;
use mirrorplane::resolve::Settings;
use mirrorplane::source;
use serde_json::{Value, json};

use super::world::{World, codes, to};

fn rule() -> Namespaced {
    Namespaced::new("curl", "traffic-mirror-config")
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// The guide's mirror with another key of `spec.config`, a status and annotations, as a cluster has it.
fn object(key: &str, value: Value, status: Value, annotations: Value) -> Value {
    let mut config = to("pipy-ok-v2", 8080, 0.5);
    config[key] = value;
    json!({
        "kind": "PluginConfig",
        "metadata": {"name": "traffic-mirror-config", "namespace": "curl", "annotations": annotations},
        "spec": {
            "plugin": "traffic-mirror",
            "destinationRefs": [{"kind": "Service", "namespace": "pipy", "name": "pipy-ok-v1"}],
            "config": config,
        },
        "status": status,
    })
}

fn held(object: Value, found: &Findings, now: SystemTime) -> Held {
    let mut world = World::mirrored();
    world.add(object);
    let brakes = world.resolve().brakes;
    hold(&brakes, &world.objects, &mut Begun::default(), found, now)
}

/// The cap in percent, and what is said.
fn said(held: &Held) -> (Option<String>, Vec<String>) {
    let cap = held.caps.get(&rule()).map(Fraction::to_string);
    (cap, codes(&held.report))
}

fn steps() -> Value {
    json!([
        {"percentage": {"value": 0.01}, "duration": "10s"},
        {"percentage": {"value": 0.1}, "duration": "10s"},
    ])
}

#[test]
fn a_mistake_is_not_another_budget() {
    let mut world = World::mirrored();
    let budget = |failures: Value| {
        let budget = json!({"maxFailures": failures, "window": "5s"});
        object("budget", budget, json!({}), json!({}))
    };
    let mut of = |object| {
        world.add(object);
        let watched = world.resolve().brakes[&rule()].watched;
        watched.expect("there is a budget").of
    };
    let before = of(budget(json!(0.1)));
    // The copies go on as before, so that what was found of them counts as before.
    assert_eq!(of(budget(json!("a tenth"))), before);
    assert_ne!(of(budget(json!(0.2))), before);
}

#[test]
fn a_ramp_goes_by_its_object_or_else_by_its_status() {
    let none = Findings::default();
    let unknown = held(
        object("ramp", json!({"steps": steps()}), json!({}), json!({})),
        &none,
        at(5),
    );
    let of = unknown.ramps[&rule()].ramp.identity();
    assert_eq!(
        said(&unknown),
        (Some("0%".into()), vec!["RampUnrecorded".into()])
    );
    assert_eq!((unknown.ramps[&rule()].course, unknown.until), (None, None));
    let recorded = |of: &str| json!({"ramp": {"startedAt": "1970-01-01T00:00:10Z", "of": of}});
    for (start, status, now, cap, code, until) in [
        (
            None,
            recorded(&of),
            12,
            Some("1%"),
            "RampUnderWay",
            Some(20),
        ),
        (
            None,
            recorded(&of),
            20,
            Some("10%"),
            "RampUnderWay",
            Some(30),
        ),
        (None, recorded(&of), 30, None, "", None),
        (
            None,
            recorded("other"),
            12,
            Some("0%"),
            "RampUnrecorded",
            None,
        ),
        // Whatever somebody wrote there is no reason to refuse the object.
        (
            None,
            json!({"ramp": 7}),
            12,
            Some("0%"),
            "RampUnrecorded",
            None,
        ),
        (None, json!([]), 12, Some("0%"), "RampUnrecorded", None),
        (
            Some("1970-01-01T00:00:15Z"),
            recorded(&of),
            12,
            Some("0%"),
            "RampUnderWay",
            Some(15),
        ),
        (
            Some("1970-01-01T00:00:15Z"),
            recorded(&of),
            18,
            Some("1%"),
            "RampUnderWay",
            Some(25),
        ),
    ] {
        let ramp = json!({"start": start, "steps": steps()});
        let held = held(
            object("ramp", ramp, status.clone(), json!({})),
            &none,
            at(now),
        );
        let codes: Vec<_> = [code].into_iter().filter(|code| !code.is_empty()).collect();
        let (found, told) = said(&held);
        assert_eq!(
            (found.as_deref(), told),
            (cap, codes.iter().map(ToString::to_string).collect()),
            "{status} at {now}"
        );
        assert_eq!(held.until, until.map(at), "{status} at {now}");
    }
}

#[test]
fn a_budget_is_exceeded_by_what_is_found_or_recorded_until_it_is_resumed() {
    let budget = json!({"maxFailures": 0.1});
    let plain = |status, annotations| object("budget", budget.clone(), status, annotations);
    let none = Findings::default();
    let quiet = held(plain(json!({}), json!({})), &none, at(0));
    assert_eq!(said(&quiet), (None, vec![]));
    let of = quiet.budgets[&rule()].0.of;
    let found = |of| Findings {
        blown: BTreeMap::from([(
            rule(),
            Blown {
                of,
                at: at(10),
                reason: "2 of 2".to_owned(),
            },
        )]),
        ..Findings::default()
    };
    let recorded = |of: u64| {
        let of = format!("{of:016x}");
        json!({"budget": {"blownAt": "1970-01-01T00:00:10Z", "of": of, "reason": "3 of 3"}})
    };
    let resumed =
        |seconds| json!({"mirrorplane.io/resumed": format!("1970-01-01T00:00:{seconds}Z")});
    for (status, annotations, findings, expected) in [
        (json!({}), json!({}), found(of), Some("2 of 2")),
        (json!({}), json!({}), found(of + 1), None),
        (recorded(of), json!({}), none.clone(), Some("3 of 3")),
        (recorded(of), json!({}), found(of), Some("3 of 3")),
        (recorded(of + 1), json!({}), none.clone(), None),
        (recorded(of), resumed("09"), none.clone(), Some("3 of 3")),
        (recorded(of), resumed("11"), found(of), None),
    ] {
        let held = held(plain(status, annotations), &findings, at(20));
        let codes = match expected {
            Some(_) => vec!["BudgetBlown".to_owned()],
            None => vec![],
        };
        assert_eq!(said(&held), (expected.map(|_| "0%".to_owned()), codes));
        let message = held.report.iter().next().map(|one| one.message.clone());
        let reason = expected.map(|reason| format!("its budget is exceeded: {reason}"));
        assert_eq!(message, reason);
    }
    // What would let go by all that is found until then, or nothing.
    for (given, is_found) in [
        ("2099-01-01T00:00:00Z", true),
        ("tomorrow", true),
        ("", true),
        ("1970-01-01T00:01:10Z", false),
    ] {
        let annotations = json!({"mirrorplane.io/resumed": given});
        let held = held(plain(json!({}), annotations), &found(of), at(20));
        let codes = ["BadResumption", "BudgetBlown"].map(str::to_owned);
        let expected = match is_found {
            true => (Some("0%".to_owned()), codes.to_vec()),
            false => (None, vec![]),
        };
        assert_eq!(said(&held), expected, "{given:?}");
    }
}

#[test]
fn sidecars_that_do_not_report_are_told_of_whatever_they_would_be_judged_by() {
    let silent = Findings {
        silent: BTreeMap::from([(rule(), (1, 3))]),
        ..Findings::default()
    };
    for (key, value) in [
        ("budget", json!({"maxFailures": 0.1})),
        ("maxRequestsPerSecond", json!(100)),
        (
            "ramp",
            json!({"start": "1970-01-01T00:00:00Z", "steps": [{"percentage": {"value": 0.1}, "duration": "1m", "gate": {"minRequests": 1}}]}),
        ),
    ] {
        let held = held(object(key, value, json!({}), json!({})), &silent, at(20));
        let told = held.report.iter().find(|one| one.code.as_str() == "MP707");
        assert_eq!(told.unwrap().path.to_string(), format!("spec.config.{key}"));
    }
}

#[test]
fn in_a_folder_a_ramp_begins_when_it_is_first_seen_and_anew_with_other_steps() {
    let folder = tempfile::tempdir().unwrap();
    let golden = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/ramp-here/input.yaml"
    );
    let text = std::fs::read_to_string(golden).unwrap();
    let file = folder.path().join("input.yaml");
    let mut pipeline = Pipeline::new(Settings::default());
    let mut share = |text: &str, now| {
        std::fs::write(&file, text).unwrap();
        let objects = source::open(folder.path()).unwrap().state().objects;
        pipeline.step_at(&objects, &Findings::default(), now);
        let groups = pipeline.model().unwrap().groups.values();
        let ports = groups
            .flat_map(|group| &group.destinations)
            .flat_map(|one| &one.ports);
        let mirror = ports.flat_map(|port| &port.mirrors).next();
        mirror.unwrap().fraction.to_string()
    };
    // Ten minutes of 1 %, then a day of 10 %, then 50 %.
    let other = text.replace("duration: 10m", "duration: 20m");
    for (text, now, expected) in [
        (&text, 1_000, "1%"),
        (&text, 1_599, "1%"),
        (&text, 1_600, "10%"),
        (&text, 1_600 + 86_400, "50%"),
        (&other, 100_000, "1%"),
        (&other, 101_000, "1%"),
        (&other, 101_200, "10%"),
    ] {
        assert_eq!(share(text, at(now)), expected, "at {now}");
    }
}

#[test]
fn in_a_folder_a_ramp_stands_still_while_it_is_stopped_and_waits_for_its_gate() {
    let folder = tempfile::tempdir().unwrap();
    let golden = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/ramp-gate/input.yaml"
    );
    let text = std::fs::read_to_string(golden).unwrap();
    let text = text.replace("start: 2020-01-31T09:00:00Z", "start: 1970-01-01T00:10:00Z");
    let text = text.replace("duration: 24h", "duration: 10m");
    let name = "metadata: { name: traffic-mirror-config, namespace: curl }";
    let stop = name.replace(" }", ", annotations: { mirrorplane.io/stop: x } }");
    let stopped = text.replace(name, &stop);
    let file = folder.path().join("input.yaml");
    let mut pipeline = Pipeline::new(Settings::default());
    let mut ids = Vec::new();
    for (text, now, verdict, share, said) in [
        (
            &text,
            600,
            None,
            "1%",
            "is at step 1 of 2: at most 1%, until 1970-01-01T00:20:00Z",
        ),
        (
            &stopped,
            900,
            None,
            "0%",
            "stays at step 1 of 2, at most 1%: it is stopped",
        ),
        (
            &stopped,
            2_000,
            None,
            "0%",
            "stays at step 1 of 2, at most 1%: it is stopped",
        ),
        // Half of its time was over.
        (
            &text,
            3_000,
            None,
            "1%",
            "is at step 1 of 2: at most 1%, until 1970-01-01T00:55:00Z",
        ),
        (
            &text,
            3_299,
            Some(Verdict::Open),
            "1%",
            "is at step 1 of 2: at most 1%, until 1970-01-01T00:55:00Z",
        ),
        (
            &text,
            3_300,
            Some(Verdict::Few),
            "1%",
            "for 100 copies within 600s of which at most 1% fail: there were fewer than 100 copies",
        ),
        (
            &text,
            4_000,
            Some(Verdict::Open),
            "10%",
            "is at step 2 of 2: at most 10%, until 1970-01-01T01:16:40Z",
        ),
        (
            &text,
            4_599,
            None,
            "10%",
            "is at step 2 of 2: at most 10%, until 1970-01-01T01:16:40Z",
        ),
        (&text, 4_600, None, "50%", ""),
        (
            &stopped,
            4_700,
            None,
            "0%",
            "it is stopped by its annotation: x",
        ),
        (&text, 5_000, None, "50%", ""),
    ] {
        std::fs::write(&file, text).unwrap();
        let objects = source::open(folder.path()).unwrap().state().objects;
        let gates = ids.last().copied().zip(verdict);
        let found = Findings {
            gates: gates.map(|gate| (rule(), gate)).into_iter().collect(),
            ..Findings::default()
        };
        let step = pipeline.step_at(&objects, &found, at(now));
        ids.extend(step.ramps[&rule()].gated.map(|gated| gated.id));
        let groups = pipeline.model().unwrap().groups.values();
        let ports = groups
            .flat_map(|group| &group.destinations)
            .flat_map(|one| &one.ports);
        let mirror = ports.flat_map(|port| &port.mirrors).next();
        assert_eq!(mirror.unwrap().fraction.to_string(), share, "at {now}");
        let mut told = step.report.iter().map(|one| one.message.clone());
        let is_said = said.is_empty() == step.report.iter().next().is_none()
            && (said.is_empty() || told.any(|message| message.ends_with(said)));
        assert!(is_said, "at {now}: {:?}", step.report);
    }
    // Counted anew after the stop.
    ids.dedup();
    assert_eq!(ids.len(), 2);
}
