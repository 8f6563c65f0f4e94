use std::time::Duration;

use super::Settings;
use super::machine::What;
use super::scene::Scene;
use super::scene::TIMEOUT;
use super::scene::member;
use super::scene::world;
use super::status::Stage;
use crate::server::Record;
use crate::server::Verdict;
use crate::snapshot::ResourceType;

const FOUR: &str = "a b c d";
const NODES: &str = "a=g b=g c=g d=g";

fn no() -> Verdict {
    Verdict::Rejected(ResourceType::Route, "no".to_owned())
}

/// Four sidecars, of which one tries `g=2/1/1` after `g=1/1/1`.
fn trying() -> Scene {
    let mut scene = Scene::of(FOUR);
    assert_eq!(scene.target(&world("g=1/1/1", NODES)), []);
    assert_eq!(scene.others_have(), "1/1/1", "the first is for everyone");
    assert_eq!(scene.target(&world("g=2/1/1", NODES)), [What::Started]);
    assert_eq!(scene.canaries().len(), 1);
    has(&scene, "2/1/1", "1/1/1");
    scene
}

fn has(scene: &Scene, canaries: &str, others: &str) {
    let found = (scene.canaries_have(), scene.others_have());
    assert_eq!(found, (canaries.to_owned(), others.to_owned()));
}

#[test]
fn what_canaries_accept_goes_to_everyone() {
    let mut scene = trying();
    assert_eq!(scene.judge(), [], "nobody has said anything");
    assert_eq!(scene.canaries_say(&Verdict::Accepted), [What::Accepted]);
    has(&scene, "", "2/1/1");
    assert_eq!(scene.rollout.deadline(), None);
}

#[test]
fn silence_is_consent_after_a_while() {
    let mut scene = trying();
    scene.now += TIMEOUT - Duration::from_millis(1);
    assert_eq!(scene.judge(), []);
    scene.now += Duration::from_millis(1);
    assert_eq!(scene.rollout.deadline(), Some(scene.now));
    assert_eq!(scene.judge(), [What::TimedOut]);
    has(&scene, "", "2/1/1");
}

#[test]
fn a_rejection_stops_it_until_it_changes() {
    let mut scene = trying();
    assert_eq!(scene.canaries_say(&no()), [What::Stopped]);
    has(&scene, "", "1/1/1");
    let [status] = &scene.rollout.statuses()[..] else {
        panic!("one is stopped");
    };
    let Stage::Rejected(rejections) = &status.stage else {
        panic!("it was rejected");
    };
    assert_eq!((status.sidecars, status.canaries.len()), (4, 1));
    assert_eq!((rejections.len(), &*rejections[0].message), (1, "no"));
    scene.now += 10 * TIMEOUT;
    assert_eq!(scene.judge(), []);
    // The same with other shares and endpoints, a newcomer, and then nobody: it stays stopped.
    assert_eq!(scene.target(&world("g=2/5/9", NODES)), []);
    has(&scene, "", "1/5/9");
    scene.crowd.push(member("e"));
    assert_eq!(scene.target(&world("g=2/6/9", &format!("{NODES} e=g"))), []);
    assert_eq!(
        scene.has("e"),
        "1/6/9",
        "the last good for a late joiner, not the fallback"
    );
    scene.crowd.pop();
    let crowd = std::mem::take(&mut scene.crowd);
    assert_eq!(scene.target(&world("g=2/7/9", NODES)), []);
    assert_eq!(scene.has("a"), "1/7/9");
    scene.crowd = crowd;
    // Another content is another try.
    assert_eq!(scene.target(&world("g=3/7/9", NODES)), [What::Started]);
    has(&scene, "3/7/9", "1/7/9");
    assert_eq!(scene.canaries_say(&Verdict::Accepted), [What::Accepted]);
    has(&scene, "", "3/7/9");
    assert!(scene.rollout.statuses().is_empty());
}

#[test]
fn shares_and_endpoints_pass_everything() {
    let mut scene = trying();
    assert_eq!(scene.target(&world("g=2/1/0", NODES)), []);
    has(&scene, "2/1/0", "1/1/0");
    assert_eq!(scene.target(&world("g=2/5/0", NODES)), []);
    has(&scene, "2/5/0", "1/5/0");
    assert_eq!(scene.canaries_say(&Verdict::Accepted), [What::Accepted]);
    let looks = *scene.looks.borrow();
    assert_eq!(scene.target(&world("g=2/6/1", NODES)), []);
    has(&scene, "", "2/6/1");
    assert_eq!(*scene.looks.borrow(), looks, "nobody is looked at for that");
}

#[test]
fn a_newer_target_is_tried_in_its_place() {
    let mut scene = trying();
    let events = scene.target(&world("g=3/1/1", NODES));
    assert_eq!(events, [What::Superseded, What::Started]);
    has(&scene, "3/1/1", "1/1/1");
    // Back to what was good: nothing to try any more, and nobody keeps the other.
    assert_eq!(scene.target(&world("g=1/1/1", NODES)), [What::Superseded]);
    has(&scene, "", "1/1/1");
    assert_eq!(scene.rollout.deadline(), None);
}

#[test]
fn few_get_everything_at_once() {
    let off = Settings {
        threshold: 0,
        canaries: 1,
        timeout: TIMEOUT,
    };
    for mut scene in [Scene::of("a b"), Scene::with(FOUR, off)] {
        scene.target(&world("g=1/1/1", NODES));
        assert_eq!(scene.target(&world("g=2/1/1", NODES)), []);
        has(&scene, "", "2/1/1");
    }
}

#[test]
fn somebody_is_always_spared() {
    let many = Settings {
        threshold: 2,
        canaries: 99,
        timeout: TIMEOUT,
    };
    let mut scene = Scene::with(FOUR, many);
    scene.target(&world("g=1/1/1", NODES));
    scene.target(&world("g=2/1/1", NODES));
    assert_eq!(scene.canaries().len(), 3);
    // All have to agree.
    let first = scene.canaries().remove(0);
    scene.says.insert(first.clone(), Verdict::Accepted);
    assert_eq!(scene.judge(), []);
    let mut others = scene.canaries();
    others.retain(|one| *one != first);
    scene.says.insert(others.remove(0), no());
    assert_eq!(scene.judge(), [What::Stopped]);
    has(&scene, "", "1/1/1");
}

#[test]
fn groups_are_tried_each_by_itself() {
    let nodes = "a=g b=g c=g x=h y=h z=h few=k";
    let mut scene = Scene::of("a b c x y z few");
    scene.target(&world("g=1/1/1 h=1/1/1 k=1/1/1", nodes));
    let events = scene.target(&world("g=2/1/1 h=2/1/1 k=2/1/1", nodes));
    assert_eq!(events, [What::Started, What::Started]);
    assert_eq!(scene.has("few"), "2/1/1");
    for canary in scene.canaries() {
        let bad = ["a", "b", "c"].contains(&&*canary.node);
        let said = if bad { no() } else { Verdict::Accepted };
        scene.says.insert(canary, said);
    }
    assert_eq!(scene.judge(), [What::Stopped, What::Accepted]);
    for (id, expected) in [
        ("a", "1/1/1"),
        ("b", "1/1/1"),
        ("x", "2/1/1"),
        ("y", "2/1/1"),
    ] {
        assert_eq!(scene.has(id), expected, "{id}");
    }
}

#[test]
fn sidecars_that_come_to_a_new_group_try_it_too() {
    // A group is named after its rules: another rule makes another group of the same sidecars.
    let mut scene = Scene::of(FOUR);
    scene.target(&world("g=1/1/1 old=1/1/1", "a=g b=g c=g d=g x=old"));
    let moved = "a=h b=h c=h d=h x=h new=h";
    assert_eq!(scene.target(&world("h=2/5/9", moved)), [What::Started]);
    has(&scene, "2/5/9", "1/5/9");
    // Not connected yet: each has what it had.
    assert_eq!(
        (scene.has("x"), scene.has("new")),
        ("1/5/9".into(), "0/5/9".into())
    );
    assert_eq!(scene.target(&world("h=2/6/9", moved)), []);
    assert_eq!(
        (scene.has("x"), scene.has("new")),
        ("1/6/9".into(), "0/6/9".into())
    );
    let status = &scene.rollout.statuses()[0];
    assert_eq!(
        status
            .from
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["g"]
    );
    assert_eq!(scene.canaries_say(&Verdict::Accepted), [What::Accepted]);
    has(&scene, "", "2/6/9");
    assert_eq!(
        (scene.has("x"), scene.has("new")),
        ("2/6/9".into(), "2/6/9".into())
    );
}

#[test]
fn who_waits_keeps_its_own_although_its_old_group_goes_on() {
    let mut scene = Scene::of("a b c stays");
    scene.target(&world("g=1/1/1", "a=g b=g c=g stays=g"));
    let events = scene.target(&world("g=3/1/1 h=2/1/1", "a=h b=h c=h stays=g"));
    assert_eq!(events, [What::Started]);
    assert_eq!(scene.has("stays"), "3/1/1", "one is few");
    assert_eq!(scene.canaries_say(&no()), [What::Stopped]);
    for id in ["a", "b", "c"] {
        assert_eq!(scene.has(id), "1/1/1", "{id}");
    }
    // All go back: nothing is left of it.
    assert_eq!(
        scene.target(&world("g=3/1/1", "a=g b=g c=g stays=g")),
        [What::Started]
    );
    assert_eq!(scene.canaries_say(&Verdict::Accepted), [What::Accepted]);
    assert_eq!(scene.others_have(), "3/1/1");
}

#[test]
fn canaries_that_disappear_are_replaced_once() {
    let mut scene = trying();
    let mut gone = Vec::new();
    for expected in [&[][..], &[What::Stopped]] {
        let canary = scene.canaries().remove(0);
        scene.crowd.retain(|member| member.sidecar != canary);
        gone.push(canary);
        assert_eq!(scene.judge(), [], "it may have been the network");
        scene.now += TIMEOUT;
        assert_eq!(scene.judge(), expected);
        assert!(!scene.canaries().contains(&gone[0]));
    }
    assert_eq!(scene.others_have(), "1/1/1");
    assert_eq!(scene.rollout.statuses()[0].stage, Stage::Lost);
    // If all are gone, nobody has to be spared.
    let mut scene = trying();
    scene.crowd.clear();
    scene.now += TIMEOUT;
    assert_eq!(scene.judge(), [What::TimedOut]);
}

#[test]
fn one_of_several_that_disappears_is_no_consent() {
    let settings = Settings {
        threshold: 2,
        canaries: 2,
        timeout: TIMEOUT,
    };
    let mut scene = Scene::with("a b c d e f", settings);
    let nodes = "a=g b=g c=g d=g e=g f=g";
    scene.target(&world("g=1/1/1", nodes));
    assert_eq!(scene.target(&world("g=2/1/1", nodes)), [What::Started]);
    for expected in [&[][..], &[What::TimedOut]] {
        let canaries = scene.canaries();
        assert_eq!(canaries.len(), 2);
        scene.says.insert(canaries[0].clone(), Verdict::Accepted);
        scene.crowd.retain(|member| member.sidecar != canaries[1]);
        assert_eq!(scene.judge(), []);
        scene.now += TIMEOUT;
        // The first time others are asked; the second time it may be a Deployment that is being replaced.
        assert_eq!(scene.judge(), expected);
    }
}

#[test]
fn nobody_waits_for_those_whose_word_says_nothing() {
    let mut scene = Scene::of(FOUR);
    scene.target(&world("g=1/1/1", NODES));
    for member in &mut scene.crowd {
        member.record = Record::Rejecting;
    }
    assert_eq!(scene.target(&world("g=2/1/1", NODES)), []);
    has(&scene, "", "2/1/1");
}

#[test]
fn who_has_no_configuration_has_nothing_to_lose() {
    let mut scene = Scene::of(FOUR);
    let mut empty = world("", "");
    std::sync::Arc::make_mut(&mut empty).groups.clear();
    scene.target(&empty);
    assert_eq!(scene.target(&world("g=1/1/1", NODES)), []);
    has(&scene, "", "1/1/1");
}
