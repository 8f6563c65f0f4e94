//! Lists and watches that go wrong.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;
use tokio::time::timeout;

use super::Following;
use super::codes;
use super::config;
use super::configs;
use super::plugins_of;
use super::script::Answer;
use super::script::Ask::{Kinds, List, Watch};
use super::script::Server;
use super::script::kinds_answer;

const CONFIGS: &str = "pluginconfigs";

#[tokio::test]
async fn a_list_that_expires_between_two_pages_is_read_again_as_a_whole() {
    let server = Server::default();
    let [a, b, c] = ["a", "b", "c"].map(|name| config(name, json!("p"), "5"));
    server.answer(
        CONFIGS,
        List,
        Answer::page(std::slice::from_ref(&a), "5", "more"),
    );
    server.answer(
        CONFIGS,
        List,
        Answer::error(410, "the continue parameter is too old"),
    );
    server.answer(CONFIGS, List, Answer::list(&[b, c], "9"));
    let mut following = Following::start(&server).await;
    let state = following.until(|_| true).await;
    // What the first page had was gone when the list was complete.
    assert_eq!(configs(&state), ["n/b", "n/c"]);
    let asked = server.asked(CONFIGS, false);
    assert!(asked[0].contains("limit="), "{asked:?}");
    assert!(asked[1].contains("continue=more"), "{asked:?}");
    assert!(!asked[2].contains("limit="), "{asked:?}");
    following.configs(&["n/b", "n/c"]).await;
    assert!(server.asked(CONFIGS, true)[0].contains("resourceVersion=9"));
}

#[tokio::test]
async fn a_list_of_null_is_empty() {
    let server = Server::default();
    let null = r#"{"metadata": {"resourceVersion": "5"}, "items": null}"#;
    server.answer(CONFIGS, List, Answer::text(200, null));
    let later = ("ADDED", config("a", json!("p"), "6"));
    server.answer(CONFIGS, Watch, Answer::events(&[later]));
    let mut following = Following::start(&server).await;
    let state = following.configs(&["n/a"]).await;
    assert!(state.report.is_empty(), "{:?}", state.report);
    assert_eq!(server.asked(CONFIGS, false).len(), 1);
}

#[tokio::test]
async fn an_expired_watch_is_followed_by_a_list_and_meanwhile_everything_stays() {
    let server = Server::default();
    let [a, b, c] = ["a", "b", "c"].map(|name| config(name, json!("p"), "5"));
    server.answer(CONFIGS, List, Answer::list(&[a.clone(), b.clone()], "5"));
    let expired = json!({"kind": "Status", "code": 410, "message": "too old", "reason": "Expired"});
    server.answer(CONFIGS, Watch, Answer::events(&[("ERROR", expired)]).ends());
    // The server recovers slowly.
    for status in [500, 503, 429] {
        server.answer(CONFIGS, List, Answer::error(status, "later"));
    }
    server.answer(CONFIGS, List, Answer::text(502, "<html>Bad Gateway</html>"));
    server.answer(CONFIGS, List, Answer::text(200, "{\"items\": [{"));
    server.answer(CONFIGS, List, Answer::list(&[b, c], "9"));
    // So is one that is refused by the status of the response.
    server.answer(CONFIGS, Watch, Answer::error(410, "too old"));
    server.answer(CONFIGS, List, Answer::list(std::slice::from_ref(&a), "12"));
    server.answer(CONFIGS, Watch, Answer::events(&[]));
    let mut following = Following::start(&server).await;
    let first = following.until(|_| true).await;
    let mut seen = vec![configs(&first)];
    while seen.last().unwrap() != &["n/a"] {
        following.states.changed().await.unwrap();
        let state = following.states.borrow_and_update().clone().unwrap();
        seen.push(configs(&state));
    }
    seen.dedup();
    // Nothing is lost before a list says that it is; what is new may be seen before what is gone.
    assert_eq!(seen[0], ["n/a", "n/b"]);
    assert!(seen.iter().all(|names| !names.is_empty()), "{seen:?}");
}

#[tokio::test]
async fn changes_are_followed_from_the_last_one_that_was_told() {
    let server = Server::default();
    let first = config("a", json!("p"), "5");
    server.answer(
        CONFIGS,
        List,
        Answer::list(std::slice::from_ref(&first), "5"),
    );
    let bookmark = json!({"kind": "PluginConfig", "apiVersion": "plugin.flomesh.io/v1alpha1", "metadata": {"resourceVersion": "30"}});
    let events = [
        ("ADDED", config("b", json!("p"), "10")),
        ("MODIFIED", config("a", json!("q"), "20")),
        ("DELETED", config("b", json!("p"), "21")),
        ("BOOKMARK", bookmark),
    ];
    server.answer(CONFIGS, Watch, Answer::events(&events).ends());
    server.answer(
        CONFIGS,
        Watch,
        Answer::events(&[("ADDED", config("c", json!("p"), "31"))]),
    );
    let mut following = Following::start(&server).await;
    let state = following.configs(&["n/a", "n/c"]).await;
    assert_eq!(plugins_of(&state), ["q", "p"]);
    let watches = server.asked(CONFIGS, true);
    assert!(watches[0].contains("resourceVersion=5"), "{watches:?}");
    assert!(watches[1].contains("resourceVersion=30"), "{watches:?}");
}

#[tokio::test]
async fn an_object_that_cannot_be_taken_is_told_and_its_last_version_stays() {
    let server = Server::default();
    let bad = |version| config("a", json!(7), version);
    server.answer(
        CONFIGS,
        List,
        Answer::list(&[config("a", json!("p"), "5")], "5"),
    );
    let mut stopped = bad("6");
    stopped["metadata"]["annotations"] = json!({"mirrorplane.io/stop": "it hurts"});
    server.answer(
        CONFIGS,
        Watch,
        Answer::events(&[("MODIFIED", stopped)]).ends(),
    );
    let expired = json!({"kind": "Status", "code": 410, "message": "too old"});
    server.answer(CONFIGS, Watch, Answer::events(&[("ERROR", expired)]).ends());
    let other = config("b", json!("p"), "7");
    // Still bad in the next list, together with one that has a field that nothing reads.
    let mut misspelt = config("c", json!("p"), "8");
    misspelt["spec"]["plugins"] = json!(1);
    server.answer(
        CONFIGS,
        List,
        Answer::list(&[bad("6"), other, misspelt], "9"),
    );
    // Made again, and bad from the start: nothing of the one before is left.
    let mut another = bad("12");
    another["metadata"]["uid"] = json!("another");
    server.answer(CONFIGS, Watch, Answer::events(&[("MODIFIED", another)]));
    let mut following = Following::start(&server).await;
    let state = following.until(|state| !state.report.is_empty()).await;
    assert_eq!(plugins_of(&state), ["p"]);
    let last = state.objects.plugin_configs.values().next().unwrap();
    let stop = &last.object.metadata.annotations["mirrorplane.io/stop"];
    assert_eq!(stop, "it hurts", "a stop counts all the same");
    let diagnostic = state.report.iter().next().unwrap();
    assert_eq!(
        (
            diagnostic.code.as_str(),
            diagnostic.path.to_string().as_str()
        ),
        ("MP004", "spec.plugin")
    );
    assert_eq!(
        diagnostic.object.as_ref().unwrap().to_string(),
        "PluginConfig n/a"
    );
    assert_eq!(diagnostic.effect, "the last valid version stays in force");
    let state = following.configs(&["n/b", "n/c"]).await;
    assert_eq!(codes(&state), ["MP004", "MP005"]);
    let effects = state.report.iter().map(|one| one.effect.as_str());
    assert_eq!(
        effects.collect::<Vec<_>>(),
        ["it has no effect until it is fixed", "it is ignored"]
    );
}

#[tokio::test]
async fn what_may_not_be_read_is_waited_for_and_stays_if_that_is_later() {
    let server = Server::default();
    let forbidden = "pluginconfigs is forbidden: User \"system:serviceaccount:m:m\" cannot list";
    server.answer(CONFIGS, List, Answer::error(403, forbidden));
    let mut following = Following::start(&server).await;
    // Long enough for a refusal to be believed.
    let early = timeout(Duration::from_secs(8), following.states.changed()).await;
    assert!(early.is_err(), "{:?}", following.states.borrow());
    server.answer(
        CONFIGS,
        List,
        Answer::list(&[config("a", json!("p"), "5")], "5"),
    );
    let expired = json!({"kind": "Status", "code": 410, "message": "too old"});
    server.answer(CONFIGS, Watch, Answer::events(&[("ERROR", expired)]).ends());
    let state = following.until(|_| true).await;
    assert_eq!(configs(&state), ["n/a"]);
    assert!(state.report.is_empty());
    server.answer(CONFIGS, List, Answer::error(403, forbidden));
    let state = following.until(|state| !state.report.is_empty()).await;
    assert_eq!(configs(&state), ["n/a"]);
    assert_eq!(codes(&state), ["MP016"]);
    let message = &state.report.iter().next().unwrap().message;
    assert!(message.contains(forbidden), "{message}");
}

#[tokio::test]
async fn a_kind_that_is_missing_for_a_moment_is_not_gone() {
    let server = Server::default();
    let kinds = [
        ("plugins", "Plugin"),
        ("pluginchains", "PluginChain"),
        ("pluginconfigs", "PluginConfig"),
    ];
    server.answer(
        CONFIGS,
        List,
        Answer::list(&[config("a", json!("p"), "5")], "5"),
    );
    // One answer for each of the three kinds that ask.
    for _ in 0..3 {
        server.answer(CONFIGS, Kinds, kinds_answer(&kinds));
    }
    server.answer(CONFIGS, Kinds, Answer::error(404, "page not found"));
    server.answer(CONFIGS, Kinds, kinds_answer(&kinds));
    server.answer(CONFIGS, Watch, Answer::error(404, "page not found"));
    let later = config("b", json!("p"), "9");
    server.answer(CONFIGS, Watch, Answer::events(&[("ADDED", later)]));
    let mut following = Following::start(&server).await;
    let mut seen = Vec::new();
    while seen.last() != Some(&vec!["n/a".to_owned(), "n/b".to_owned()]) {
        following.states.changed().await.unwrap();
        let state = following.states.borrow_and_update().clone().unwrap();
        assert!(state.report.is_empty(), "{:?}", state.report);
        seen.push(configs(&state));
    }
    assert_eq!(seen[0], ["n/a"]);
    assert_eq!(seen.len(), 2);
}

#[tokio::test]
async fn a_server_that_ends_every_watch_at_once_is_not_asked_without_a_pause() {
    let server = Server::default();
    server.answer(CONFIGS, Watch, Answer::events(&[]).ends());
    let mut following = Following::start(&server).await;
    following.until(|_| true).await;
    sleep(Duration::from_secs(3)).await;
    let watches = server.asked(CONFIGS, true).len();
    assert!((2..12).contains(&watches), "{watches} watches");
}
