//! Files that change under a running server.

use std::time::Duration;

use mirrorplane::access::Refusal;
use tokio::time::{Instant, sleep};
use tonic::Code;

use crate::authority::Authority;
use crate::rig::{Asks, Client, DEADLINE, Failure, Server};

const NODE: &str = "spiffe://mesh/ns/curl/node/curl";

/// Tries again until the client is let in.
async fn admitted(client: &Client) {
    let deadline = Instant::now() + DEADLINE;
    while client.ask("curl/curl").await.is_err() {
        assert!(Instant::now() < deadline, "still refused: {client:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn new_connections_see_a_new_certificate_and_open_streams_go_on() {
    let server = Server::start(Asks::Certificate, "").await;
    let first = server.named(NODE).expects("first.test");
    let mut open = first.ask("curl/curl").await.unwrap();

    let next = server.ca.server(&["second.test"]);
    server.put("tls.crt", &next.certificate);
    server.put("tls.key", &next.key);
    admitted(&server.named(NODE).expects("second.test")).await;
    open.lives().await;
    // The old one is not served any more.
    let old = first.ask("curl/curl").await.unwrap_err();
    assert_eq!(old, Failure::NoConnection);
}

#[tokio::test]
async fn a_broken_file_changes_nothing() {
    let server = Server::start(Asks::Certificate, "").await;
    let foreign = Authority::new("other").server(&["other.test"]);
    for (name, content) in [
        ("tls.crt", "nothing"),
        ("tls.key", foreign.key.as_str()),
        ("ca.crt", ""),
    ] {
        let path = server.path().join(name);
        let good = std::fs::read_to_string(&path).unwrap();
        server.put(name, content);
        // Long enough for two looks at the files.
        sleep(Duration::from_millis(2_300)).await;
        let client = server.named(NODE).expects("first.test");
        client.ask("curl/curl").await.unwrap().lives().await;
        server.put(name, &good);
    }
    // Nor does a file that is gone.
    std::fs::remove_file(server.path().join("tls.key")).unwrap();
    sleep(Duration::from_millis(2_300)).await;
    let client = server.named(NODE).expects("first.test");
    client.ask("curl/curl").await.unwrap().lives().await;
}

#[tokio::test]
async fn a_new_client_ca_counts_for_new_connections() {
    let server = Server::start(Asks::Certificate, "").await;
    let mut open = server.named(NODE).ask("curl/curl").await.unwrap();
    let next = Authority::new("next");
    server.put("ca.crt", next.pem());
    admitted(&server.client().with(next.client(NODE))).await;
    open.lives().await;
    let refused = server.stats.refused(Refusal::Handshake);
    server.named(NODE).ask("curl/curl").await.unwrap_err();
    assert_eq!(server.stats.refused(Refusal::Handshake), refused + 1);
}

#[tokio::test]
async fn tokens_are_replaced_too() {
    let server = Server::start(Asks::Token, "0123456789abcdef curl/curl").await;
    let old = server.client().token("0123456789abcdef");
    let mut open = old.ask("curl/curl").await.unwrap();
    server.put("tokens", "fedcba9876543210 curl/curl");
    admitted(&server.client().token("fedcba9876543210")).await;
    open.lives().await;
    let refused = old.ask("curl/curl").await.unwrap_err();
    assert_eq!(refused, Failure::Status(Code::Unauthenticated));
}
