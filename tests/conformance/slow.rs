//! A client that does not read: row A17.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio::time::timeout;

use crate::client::Delta;
use crate::client::Sotw;
use crate::world::Cluster;
use crate::world::DEADLINE;
use crate::world::Runtime;
use crate::world::Server;

/// What a change is for those who read.
fn world(n: u32, large: &str) -> String {
    format!("a={n:04}{large}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a17_stuck_readers_of_both_variants_hold_up_none_of_twenty() {
    const CHANGES: u32 = 50;
    // More than a window of HTTP/2 holds: whoever does not read has a response that cannot be written.
    let large = "x".repeat(1 << 20);
    let server = Server::of(&[(Cluster, &world(0, &large)), (Runtime, "r=0000")]).await;
    let (mut stuck, mut stuck_delta) = (Sotw::open(&server).await, Delta::open(&server).await);
    stuck.ask(Cluster, "").await;
    stuck_delta.ask(Cluster, "", "").await;
    timeout(DEADLINE, async {
        while server.stats.pushed(Cluster) < 2 {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .expect("both are being sent something");

    let mut others = Vec::new();
    for n in 0..20 {
        let mut client = Sotw::open(&server).await;
        client.ask(Runtime, "r").await;
        client.take(Runtime, "r=0000", "r").await;
        others.push((n, client));
    }
    for change in 1..=CHANGES {
        server.publish(&[
            (Cluster, &world(change, &large)),
            (Runtime, &format!("r={change:04}")),
        ]);
        // Each of them sees each change before the next is made.
        let mut reading = JoinSet::new();
        for (n, mut client) in others.drain(..) {
            reading.spawn(async move {
                let expected = format!("r={change:04}");
                let response = client.get(Runtime, &expected).await;
                client.ack(&response, "r").await;
                (n, client)
            });
        }
        others = reading.join_all().await;
    }
    assert_eq!(others.len(), 20);
    // What waits for the stuck ones is bounded, whatever happened meanwhile; and it is the newest that they get.
    let waiting = server.stats.pushed(Cluster);
    assert!(
        waiting <= 8,
        "{waiting} responses were made for two that do not read"
    );
    let newest = world(CHANGES, &large);
    loop {
        let response = stuck.next().await;
        if response.resources[0].value == newest.as_bytes() {
            break;
        }
    }
    loop {
        let response = stuck_delta.next().await;
        let resource = response.resources.first().expect("a cluster");
        let any = resource.resource.as_ref().expect("a body");
        if any.value == newest.as_bytes() {
            break;
        }
    }
}
