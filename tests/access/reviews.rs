//! Tokens of service accounts, reviewed by an API server.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use mirrorplane::access::Refusal;
use serde_json::json;
use tokio::time::{Instant, sleep};
use tonic::Code;

use crate::reviewer::{Mood, Reviewer};
use crate::rig::{Asks, DEADLINE, Failure, Server};

const HOUR: u64 = 3600;

async fn start() -> (Arc<Reviewer>, Server) {
    let (reviewer, reviews) = Reviewer::start().await;
    let server = Server::reviewing(Asks::Review, "", Some(reviews)).await;
    (reviewer, server)
}

#[tokio::test]
async fn a_pod_is_told_about_itself_and_about_no_other() {
    let (reviewer, server) = start().await;
    let token = reviewer.issue("curl-1", HOUR);
    let client = server.client().token(&token);
    client.ask("curl/curl-1").await.unwrap().lives().await;
    let before = server.stats.streams_total();
    for (count, node) in ["curl/curl-2", "pipy/curl-1", "curl/*", "curl", ""]
        .into_iter()
        .enumerate()
    {
        let end = client.ask(node).await.unwrap_err();
        assert_eq!(end, Failure::Status(Code::PermissionDenied), "{node}");
        server.counts(Refusal::OtherNode, count as u64 + 1).await;
    }
    assert!(server.stats.streams_total() > before);
    assert_eq!(reviewer.asked(), 1, "it is reviewed once for all streams");
}

#[tokio::test]
async fn nothing_is_sent_for_a_token_that_is_not_that_of_a_pod() {
    let (reviewer, server) = start().await;
    let user = |extra| json!({ "username": "system:serviceaccount:curl:default", "extra": extra });
    let pod = json!({ "authentication.kubernetes.io/pod-name": ["curl-1"] });
    let ours = json!(["mirrorplane"]);
    let of = |name, status| reviewer.issue_as(name, HOUR, status);
    let unbound = json!({ "authenticated": true, "audiences": ours, "user": user(json!({})) });
    let foreign =
        json!({ "authenticated": true, "audiences": ["vault"], "user": user(pod.clone()) });
    let person = json!({ "authenticated": true, "audiences": ours,
        "user": { "username": "admin", "extra": pod } });
    let expired = json!({ "authenticated": false, "error": "the token has expired" });
    for (token, code, reason) in [
        (
            of("unbound", unbound),
            Code::Unauthenticated,
            Refusal::Unbound,
        ),
        (
            of("foreign", foreign),
            Code::Unauthenticated,
            Refusal::WrongToken,
        ),
        (
            of("person", person),
            Code::Unauthenticated,
            Refusal::WrongToken,
        ),
        (
            of("expired", expired),
            Code::Unauthenticated,
            Refusal::WrongToken,
        ),
    ] {
        let before = server.stats.refused(reason);
        let end = server.client().token(&token).ask("curl/curl-1").await;
        assert_eq!(end.unwrap_err(), Failure::Status(code), "{reason}");
        server.has_refused(reason, before + 1).await;
    }
    // What cannot be such a token does not trouble the API server.
    let asked = reviewer.asked();
    for token in ["0123456789abcdef", "a.b.c", "e30.e30.e30"] {
        let before = server.stats.refused(Refusal::WrongToken);
        let end = server.client().token(token).ask("curl/curl-1").await;
        assert_eq!(end.unwrap_err(), Failure::Status(Code::Unauthenticated));
        server.has_refused(Refusal::WrongToken, before + 1).await;
    }
    let nothing = server.client().ask("curl/curl-1").await;
    assert_eq!(nothing.unwrap_err(), Failure::Status(Code::Unauthenticated));
    server.has_refused(Refusal::NoCredential, 1).await;
    assert_eq!(reviewer.asked(), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_is_a_few_reviews_at_a_time_and_one_for_each_token() {
    let (reviewer, server) = start().await;
    reviewer.is(Mood::Slow);
    let tokens: Vec<_> = (0..60)
        .map(|pod| reviewer.issue(&format!("curl-{pod}"), HOUR))
        .collect();
    let streams = (0..300).map(|stream| {
        let pod = stream % tokens.len();
        let client = server.client().token(&tokens[pod]);
        async move { client.ask(&format!("curl/curl-{pod}")).await }
    });
    for stream in join_all(streams).await {
        stream.unwrap();
    }
    assert_eq!(reviewer.asked(), tokens.len());
    assert!(reviewer.most() <= 16, "{} at once", reviewer.most());
}

#[tokio::test]
async fn while_the_api_server_is_away_only_those_come_back_that_it_has_seen() {
    let (reviewer, server) = start().await;
    let (known, new) = (
        reviewer.issue("curl-1", HOUR),
        reviewer.issue("curl-2", HOUR),
    );
    let (known, new) = (server.client().token(&known), server.client().token(&new));
    known.ask("curl/curl-1").await.unwrap();
    reviewer.is(Mood::Away);
    known.ask("curl/curl-1").await.unwrap().lives().await;
    let asked = reviewer.asked();
    for count in 1..=3 {
        // Not for good: it is to come again.
        let end = new.ask("curl/curl-2").await.unwrap_err();
        assert_eq!(end, Failure::Status(Code::Unavailable));
        server.counts(Refusal::Unreviewed, count).await;
    }
    assert_eq!(reviewer.asked(), asked + 3, "a failure is not remembered");
    reviewer.is(Mood::Well);
    new.ask("curl/curl-2").await.unwrap().lives().await;
}

#[tokio::test]
async fn an_api_server_that_never_answers_holds_up_only_those_it_has_not_seen() {
    let (reviewer, server) = start().await;
    let known = server.client().token(&reviewer.issue("curl-1", HOUR));
    known.ask("curl/curl-1").await.unwrap();
    reviewer.is(Mood::Silent);
    let waiting: Vec<_> = (2..40)
        .map(|pod| {
            server
                .client()
                .token(&reviewer.issue(&format!("curl-{pod}"), HOUR))
        })
        .collect();
    let waiting = waiting.iter().map(|client| client.ask("curl/curl-1"));
    let known = async {
        known.ask("curl/curl-1").await.unwrap().lives().await;
        Instant::now()
    };
    let (known, ends) = tokio::join!(known, async {
        let ends = join_all(waiting).await;
        assert!(
            ends.iter()
                .all(|end| { end.as_ref().err() == Some(&Failure::Status(Code::Unavailable)) })
        );
        Instant::now()
    });
    assert!(known < ends);
}

#[tokio::test]
async fn a_verdict_holds_no_longer_than_the_token_and_a_bad_one_for_seconds() {
    let (reviewer, server) = start().await;
    let expired = json!({ "authenticated": false, "error": "the token has expired" });
    let token = reviewer.issue("curl-1", 3);
    let client = server.client().token(&token);
    client.ask("curl/curl-1").await.unwrap().lives().await;
    reviewer.revise(&token, expired);
    let deadline = Instant::now() + DEADLINE;
    while client.ask("curl/curl-1").await.is_ok() {
        assert!(Instant::now() < deadline, "an expired token is still good");
        sleep(Duration::from_millis(100)).await;
    }
    // A Pod that the API server did not know of at first.
    let late = reviewer.issue("curl-2", HOUR);
    let good = reviewer.issue("curl-2", HOUR);
    assert_eq!(late, good);
    reviewer.revise(&late, json!({ "authenticated": false }));
    let client = server.client().token(&late);
    let asked = reviewer.asked();
    for _ in 0..5 {
        client.ask("curl/curl-2").await.unwrap_err();
    }
    assert!(reviewer.asked() <= asked + 2, "each refusal was a review");
    reviewer.issue("curl-2", HOUR);
    while client.ask("curl/curl-2").await.is_err() {
        assert!(Instant::now() < deadline, "a bad verdict is kept for ever");
        sleep(Duration::from_millis(100)).await;
    }
}
