//! What clients leave behind in a process that serves nothing else.

use mirrorplane::snapshot::ResourceType::{Cluster, Runtime};

use crate::client::{Delta, Sotw};
use crate::plane::{example, metric, until};
use crate::serve::Serve;

/// Opens a stream of each variant, and ends both in one of four ways.
async fn come_and_go(serve: &Serve, round: u32) {
    let mut sotw = Sotw::open(serve.ads, &format!("curl/curl-{}", round % 7)).await;
    sotw.ask(Cluster).await;
    let mut delta = Delta::open(serve.ads, "curl/curl").await;
    delta.ask(Runtime, &["mirrorplane"]).await;
    match round % 4 {
        // Without a word, before or after the response is read.
        0 => drop((sotw, delta)),
        1 => {
            sotw.next().await;
            let response = delta.next().await;
            delta.answer(&response, None).await;
            drop((sotw, delta));
        }
        // With a last word.
        2 => {
            sotw.half_close().await;
            delta.half_close().await;
        }
        _ => {
            let response = sotw.next().await;
            sotw.answer(&response, Some("no")).await;
            delta.next().await;
            sotw.half_close().await;
            delta.half_close().await;
        }
    }
}

/// Waits until the server knows of no client.
async fn is_alone(serve: &Serve) {
    for gauge in [
        "mirrorplane_xds_streams{variant=\"sotw\"}",
        "mirrorplane_xds_streams{variant=\"delta\"}",
        "mirrorplane_nodes_connected",
    ] {
        until(|| async { metric(serve.admin, gauge).await < 0.5 }).await;
    }
}

#[tokio::test]
async fn a_thousand_clients_of_each_variant_leave_no_memory_behind() {
    let folder = example();
    // Nobody reads the log of the streams.
    let serve = Serve::start(folder.path(), "mirrorplane=info,mirrorplane::server=off").await;
    for round in 0..200 {
        come_and_go(&serve, round).await;
    }
    is_alone(&serve).await;
    let before = serve.memory();
    for round in 0..1_000 {
        come_and_go(&serve, round).await;
    }
    is_alone(&serve).await;
    let grown = serve.memory().saturating_sub(before);
    // An allocator is not tidy to the byte; 1 kB that stayed of each stream would be 2 MB.
    assert!(grown < 2 << 20, "{grown} bytes more after 2,000 streams");
    assert!(
        metric(
            serve.admin,
            "mirrorplane_xds_streams_opened_total{variant=\"delta\"}"
        )
        .await
            > 1_199.5
    );
}
