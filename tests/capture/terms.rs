//! What a mirror says beyond its share, where connections are captured.

use std::collections::BTreeSet;

use super::rig::caller::ask;
use super::rig::eventually;
use super::rig::stage::Stage;

const SHADOW: &str = "10.0.0.2";

/// Sends a request, and then one that is copied in any case; yields whether the first was copied, to this path.
fn is_copied(stage: &Stage, request: &str, path: &str, at: &str) -> bool {
    let mut stream = stage.network.pod.connect("10.96.0.10:8080").unwrap();
    let answer = ask(&mut stream, request).unwrap();
    assert!(answer.ends_with("10.0.0.1:3000"), "{request}: {answer}");
    assert_eq!(stage.server.of_path("10.0.0.1", path).len(), 1, "{request}");
    is_followed(stage, &format!("/after{path}"));
    !stage.server.of_path(SHADOW, at).is_empty()
}

/// Waits for the copy of a request that suits the mirror.
fn is_followed(stage: &Stage, by: &str) {
    eventually(format_args!("a copy of {by}"), || {
        let request = format!("GET /api{by} HTTP/1.1\r\nhost: live.pipy\r\nx-tenant: blue\r\n\r\n");
        let mut stream = stage.network.pod.connect("10.96.0.10:8080").unwrap();
        ask(&mut stream, &request).unwrap();
        let copies = stage.server.of_path(SHADOW, &format!("/v2{by}"));
        (!copies.is_empty()).then_some(())
    });
}

#[test]
fn only_the_requests_that_a_mirror_asks_for_are_copied_and_to_its_own_path() {
    let Some(stage) = Stage::mirrored() else {
        return;
    };
    stage.say(
        "methods: safe,
        match: { path: { prefix: /api }, headers: [{ name: x-tenant, exact: blue }] },
        path: { replacePrefix: { from: /api, to: /v2 } }",
    );
    is_followed(&stage, "/warm-up");
    for (number, (method, path, tenant, copied)) in [
        ("GET", "/api", "blue", true),
        ("DELETE", "/api", "blue", false),
        ("GET", "/other", "blue", false),
        ("GET", "/api", "green", false),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("{path}/{number}");
        let request =
            format!("{method} {path} HTTP/1.1\r\nhost: live.pipy\r\nx-tenant: {tenant}\r\n\r\n");
        let at = path.replace("/api", "/v2");
        assert_eq!(is_copied(&stage, &request, &path, &at), copied, "{request}");
    }
    assert!(!stage.log().contains("MP503"), "{}", stage.log());
}

#[test]
fn a_user_is_always_copied_or_never() {
    const USERS: usize = 200;
    let Some(stage) = Stage::mirrored() else {
        return;
    };
    stage.say("sticky: { header: x-user }");
    stage.edit("value: 1.0", "value: 0.5");
    let copied = |round: usize| {
        for user in 0..USERS {
            let mut stream = stage.network.pod.connect("10.96.0.10:8080").unwrap();
            let request = format!(
                "GET /{round}/{user} HTTP/1.1\r\nhost: live.pipy\r\nx-user: user-{user}\r\n\r\n"
            );
            assert!(
                ask(&mut stream, &request)
                    .unwrap()
                    .ends_with("10.0.0.1:3000")
            );
        }
        let of = |user: usize| {
            let copies = stage.server.of_path(SHADOW, &format!("/{round}/{user}"));
            (copies.len() == 1).then_some(user)
        };
        (0..USERS).filter_map(of).collect::<BTreeSet<_>>()
    };
    let mut rounds = 0..;
    let mut before = BTreeSet::new();
    eventually("half of the users are copied, again and again", || {
        let now = copied(rounds.next()?);
        // Four standard deviations of a fair coin.
        let is_half = now.len().abs_diff(USERS / 2) <= 28;
        let is_same = std::mem::replace(&mut before, now.clone()) == now;
        (is_half && is_same).then_some(())
    });
    assert!(!stage.log().contains("MP503"), "{}", stage.log());
}
