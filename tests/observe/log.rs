//! What the log says of streams and configurations, for those who search it.

use mirrorplane::snapshot::ResourceType::Runtime;
use serde_json::json;

use crate::client::Delta;
use crate::plane::example;
use crate::serve::Serve;

#[tokio::test]
async fn a_push_says_what_it_is_and_its_span_to_whom() {
    let folder = example();
    let mut serve = Serve::start(folder.path(), "mirrorplane=debug").await;
    let loaded = serve.event("configuration loaded").await;
    assert_eq!(loaded["span"], json!({ "name": "step", "generation": 1 }));

    let mut client = Delta::open(serve.ads, "curl/curl").await;
    client.ask(Runtime, &["mirrorplane"]).await;
    let response = client.next().await;
    let pushed = serve.event("pushed").await;
    let fields = &pushed["fields"];
    assert_eq!(fields["type"], "rtds");
    assert_eq!(fields["version"], *response.system_version_info);
    assert_eq!(fields["resources"], 1);
    assert!(fields["bytes"].as_u64().unwrap() > 50);
    let span = &pushed["span"];
    assert_eq!(span["name"], "stream");
    assert_eq!(span["node"], "curl/curl");
    assert_eq!(span["variant"], "delta");
    assert!(span["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert_eq!(span["group"].as_str().unwrap().len(), 32);

    client.answer(&response, Some("not that")).await;
    let rejected = serve.event("the configuration was rejected").await;
    assert_eq!(rejected["span"]["node"], "curl/curl");
    assert_eq!(rejected["fields"]["code"], "MP503");
    assert_eq!(rejected["fields"]["version"], *response.system_version_info);
}
