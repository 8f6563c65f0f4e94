//! What a change costs on the wire.

use mirrorplane::snapshot::ResourceType::Runtime;
use prost::Message;

use crate::client::{Delta, Sotw};
use crate::plane::{Plane, edit};

/// The name of the example's rule, as far as it is in a response.
const RULE: &str = "curl.traffic-mirror-config";

/// Bytes on the wire besides those of the rule's name. A frame of HTTP/2 begins with 9 bytes (RFC 9113, section 4.1), a
/// message of gRPC with 5.
fn bytes(response: &impl Message) -> usize {
    9 + 5 + response.encoded_len() - RULE.len()
}

#[tokio::test]
async fn a_changed_share_is_180_bytes_and_the_name_of_the_rule() {
    let plane = Plane::start().await;
    let mut sotw = Sotw::open(plane.ads, "curl/curl").await;
    sotw.ask_for(Runtime, &["mirrorplane"], "").await;
    let response = sotw.next().await;
    let nonce = &response.nonce;
    sotw.ask_for(Runtime, &["mirrorplane"], nonce).await;
    let mut delta = Delta::open(plane.ads, "curl/curl").await;
    delta.ask(Runtime, &["mirrorplane"]).await;
    let response = delta.next().await;
    delta.answer(&response, None).await;

    edit(
        plane.folder.path(),
        "mirror.yaml",
        "value: 1.0",
        "value: 0.25",
    );
    let response = sotw.next().await;
    assert!(bytes(&response) <= 180, "{} {response:?}", bytes(&response));
    // Here the resource has a name and a version of its own besides.
    let response = delta.next().await;
    assert!(bytes(&response) <= 210, "{} {response:?}", bytes(&response));
}
