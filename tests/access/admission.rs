//! What a client must show, and what happens if it does not.

use mirrorplane::access::Refusal;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::Code;

use crate::authority::Authority;
use crate::rig::{Asks, DEADLINE, Failure, Server};

const NODE: &str = "spiffe://mesh/ns/curl/node/curl";
const ACCOUNT: &str = "spiffe://mesh/ns/curl/sa/default";
const TOKEN: &str = "0123456789abcdef";
const TOKENS: &str = "0123456789abcdef curl/curl\nfedcba9876543210 curl/*\n";

#[tokio::test]
async fn a_certificate_stands_for_its_node_or_its_namespace() {
    let server = Server::start(Asks::Certificate, "").await;
    for (uri, node) in [
        (NODE, "curl/curl"),
        (ACCOUNT, "curl/curl"),
        (ACCOUNT, "curl/x"),
    ] {
        let mut stream = server.named(uri).ask(node).await.unwrap();
        stream.lives().await;
    }
    for reason in Refusal::ALL {
        assert_eq!(server.stats.refused(reason), 0, "{reason}");
    }
}

#[tokio::test]
async fn nothing_is_sent_for_another_node_than_that_of_the_certificate() {
    let server = Server::start(Asks::Certificate, "").await;
    let others = [
        (NODE, "curl/other"),
        (NODE, "pipy/curl"),
        (ACCOUNT, "pipy/curl"),
        (NODE, "curl"),
        (NODE, ""),
    ];
    for (count, (uri, node)) in others.into_iter().enumerate() {
        let refused = server.named(uri).ask(node).await.unwrap_err();
        assert_eq!(
            refused,
            Failure::Status(Code::PermissionDenied),
            "{uri} {node}"
        );
        server
            .has_refused(Refusal::OtherNode, count as u64 + 1)
            .await;
    }
    let nobody = server.named("spiffe://mesh/ns/curl").ask("curl/curl").await;
    assert_eq!(nobody.unwrap_err(), Failure::Status(Code::PermissionDenied));
    server.has_refused(Refusal::NoIdentity, 1).await;
}

#[tokio::test]
async fn a_certificate_that_is_missing_foreign_or_expired_ends_the_handshake() {
    let server = Server::start(Asks::Certificate, "").await;
    let foreign = Authority::new("the CA");
    let bad = [
        server.client(),
        server.client().with(foreign.client(NODE)),
        server.client().with(server.ca.client_until(NODE, 2021)),
        // A server's certificate is not a client's.
        server.client().with(server.ca.server(&["x.test"])),
    ];
    for (count, client) in bad.into_iter().enumerate() {
        client.ask("curl/curl").await.unwrap_err();
        server
            .has_refused(Refusal::Handshake, count as u64 + 1)
            .await;
    }
    let distrusts = server.named(NODE).trusts(&foreign).ask("curl/curl").await;
    assert_eq!(distrusts.unwrap_err(), Failure::NoConnection);
    let misnamed = server.named(NODE).expects("other.test");
    let misnamed = misnamed.ask("curl/curl").await;
    assert_eq!(misnamed.unwrap_err(), Failure::NoConnection);
    assert_eq!(server.stats.streams_total(), 0);
}

#[tokio::test]
async fn a_token_stands_for_its_node() {
    let server = Server::start(Asks::Token, TOKENS).await;
    for (count, (client, refused, reason)) in [
        (
            server.client(),
            Code::Unauthenticated,
            Refusal::NoCredential,
        ),
        (
            server.client().token("0123456789abcdee"),
            Code::Unauthenticated,
            Refusal::WrongToken,
        ),
        // Nobody asked for its certificate, so it has shown none.
        (
            server.named(NODE),
            Code::Unauthenticated,
            Refusal::NoCredential,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let end = client.ask("curl/curl").await.unwrap_err();
        assert_eq!(end, Failure::Status(refused), "{client:?}");
        let before = u64::from(count == 2);
        server.has_refused(reason, before + 1).await;
    }
    let other = server.client().token(TOKEN).ask("curl/other").await;
    assert_eq!(other.unwrap_err(), Failure::Status(Code::PermissionDenied));
    server.has_refused(Refusal::OtherNode, 1).await;
    for (token, node) in [(TOKEN, "curl/curl"), ("fedcba9876543210", "curl/other")] {
        let stream = server.client().token(token).ask(node).await;
        stream.unwrap().lives().await;
    }
}

#[tokio::test]
async fn where_either_will_do_a_wrong_token_is_still_wrong() {
    let server = Server::start(Asks::Either, TOKENS).await;
    let none = server.client().ask("curl/curl").await.unwrap_err();
    assert_eq!(none, Failure::Status(Code::Unauthenticated));
    let wrong = server.named(NODE).token("0123456789abcdee");
    let wrong = wrong.ask("curl/curl").await.unwrap_err();
    assert_eq!(wrong, Failure::Status(Code::Unauthenticated));
    server.has_refused(Refusal::WrongToken, 1).await;
    for client in [server.named(NODE), server.client().token(TOKEN)] {
        client.ask("curl/curl").await.unwrap().lives().await;
    }
}

#[tokio::test]
async fn a_client_that_never_finishes_its_handshake_holds_up_nobody_and_is_cut_off() {
    let server = Server::start(Asks::Certificate, "").await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    let stream = server.named(NODE).ask("curl/curl").await;
    stream.unwrap().lives().await;
    for mut connection in silent {
        let mut byte = [0];
        let cut = timeout(DEADLINE, connection.read(&mut byte)).await;
        assert!(matches!(cut.unwrap(), Ok(0) | Err(_)));
    }
    server.counts(Refusal::Handshake, 200).await;
}
