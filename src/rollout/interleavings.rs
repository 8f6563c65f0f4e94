//! Random orders of targets, answers, comings and goings: what nobody accepted is held by canaries alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::Settings;
use super::machine::What;
use super::scene::Scene;
use super::scene::TIMEOUT;
use super::scene::member;
use super::scene::world;
use crate::server::Verdict;
use crate::snapshot::ResourceType;

const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

#[derive(Clone, Debug)]
enum Step {
    /// Routes of the two groups, endpoints and share, and which nodes are in the second group.
    Target(u8, u8, u8, u8, u8),
    /// A canary says so.
    Says(usize, bool),
    Waits(u32),
    Comes(usize),
    Goes(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..4_u8, 0..4_u8, 0..3_u8, 0..3_u8, prop_oneof![Just(0x0f), any::<u8>()])
            .prop_map(|(g, h, e, s, m)| Step::Target(g, h, e, s, m)),
        3 => (any::<usize>(), prop::bool::weighted(0.7)).prop_map(|(n, yes)| Step::Says(n, yes)),
        2 => (1..8_u32).prop_map(Step::Waits),
        1 => (0..NAMES.len()).prop_map(Step::Comes),
        1 => (0..NAMES.len()).prop_map(Step::Goes),
    ]
}

/// The parts of `ROUTE/ENDPOINTS/SHARE`.
fn parts(text: &str) -> (&str, &str, &str) {
    let mut parts = text.splitn(3, '/');
    let mut next = || parts.next().unwrap();
    (next(), next(), next())
}

proptest! {
    #[test]
    fn only_canaries_hold_what_was_never_let_through(
        steps in prop::collection::vec(step(), 1..60),
        canaries in 1..3_usize,
    ) {
        // A change that reaches one sidecar alone is for it at once; of two, one has to wait.
        let settings = Settings { threshold: 1, canaries, timeout: TIMEOUT };
        let mut scene = Scene::with("a b c d e f", settings);
        let mut served: BTreeMap<&str, String> = BTreeMap::new();
        let mut newest: Option<Arc<crate::snapshot::World>> = None;
        for step in steps {
            let before = scene.crowd.clone();
            let canaries_before = scene.canaries_or_none();
            let said_no = matches!(step, Step::Says(_, false)) && !canaries_before.is_empty();
            let events = match step {
                Step::Target(g, h, e, s, members) => {
                    let group = |n: usize| if members >> n & 1 == 1 { "two" } else { "one" };
                    let nodes: Vec<_> = (0..NAMES.len())
                        .map(|n| format!("{}={}", NAMES[n], group(n)))
                        .collect();
                    let groups = format!("one={g}/{e}/{s} two={h}/{e}/{s}");
                    let target = world(&groups, &nodes.join(" "));
                    newest = Some(Arc::clone(&target));
                    scene.target(&target)
                }
                Step::Says(n, yes) if !canaries_before.is_empty() => {
                    let canary = canaries_before[n % canaries_before.len()].clone();
                    let no = || Verdict::Rejected(ResourceType::Route, "no".to_owned());
                    scene.says.insert(canary, if yes { Verdict::Accepted } else { no() });
                    scene.judge()
                }
                Step::Says(..) => scene.judge(),
                Step::Waits(seconds) => {
                    scene.now += std::time::Duration::from_secs(seconds.into());
                    scene.judge()
                }
                Step::Comes(n) => {
                    if !scene.crowd.iter().any(|m| &*m.sidecar.node == NAMES[n]) {
                        scene.crowd.push(member(NAMES[n]));
                    }
                    Vec::new()
                }
                Step::Goes(n) => {
                    scene.crowd.retain(|m| &*m.sidecar.node != NAMES[n]);
                    Vec::new()
                }
            };
            if said_no {
                prop_assert!(events.contains(&What::Stopped), "one no is enough");
            }
            let Some(target) = &newest else { continue };
            let canaries_now = scene.canaries_or_none();
            let let_through = events.iter().any(|e| matches!(e, What::Accepted | What::TimedOut));
            // Who is connected and tries nothing gets another route only by a verdict, or alone.
            let mut changed: BTreeMap<String, usize> = BTreeMap::new();
            for name in NAMES {
                let has = scene.has(name);
                let (route, endpoints, share) = parts(&has);
                let wanted = target.snapshot_for(name);
                let of = |ty| String::from_utf8_lossy(&wanted.of(ty)["it"].body).into_owned();
                prop_assert_eq!(share, of(ResourceType::Runtime), "shares are for everyone at once");
                prop_assert_eq!(endpoints, of(ResourceType::Endpoint), "and endpoints");
                let tries = canaries_now.iter().any(|c| &*c.node == name);
                let tried = canaries_before.iter().any(|c| &*c.node == name);
                let connected = before.iter().any(|m| &*m.sidecar.node == name);
                if let Some(old) = served.get(name)
                    && old != route && !tries && !tried && connected && !let_through
                {
                    *changed.entry(target.group_for(name).to_string()).or_default() += 1;
                }
                if !tries {
                    served.insert(name, route.to_owned());
                }
            }
            for (group, count) in changed {
                prop_assert!(count <= 1, "{} of {} changed at once", count, group);
            }
        }
        // In the end all agree, and all have all that was not stopped.
        for _ in 0..4 {
            scene.now += TIMEOUT;
            scene.judge();
        }
        prop_assert!(scene.canaries_or_none().is_empty());
        if let Some(target) = newest {
            let stopped: Vec<_> = scene.rollout.statuses().into_iter().map(|s| s.group).collect();
            for name in NAMES {
                let group = target.group_for(name);
                if !stopped.contains(group) {
                    let has = scene.has(name);
                    let wanted = target.snapshot_for(name);
                    let wanted = &wanted.of(ResourceType::Route)["it"].body;
                    prop_assert_eq!(parts(&has).0.as_bytes(), &wanted[..]);
                }
            }
        }
    }
}
