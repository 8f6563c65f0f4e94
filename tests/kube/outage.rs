//! A control plane that starts while the Kubernetes API is away.

use crate::rig::{Cluster, Parts, eventually};
use crate::serve::Serve;

const FLAGS: [&str; 5] = [
    "--certificates",
    "secret",
    "--token-review",
    "--webhook",
    "127.0.0.1:0",
];

async fn status(serve: &Serve, path: &str) -> Option<u16> {
    serve.page(path).await.map(|(status, _)| status)
}

#[tokio::test]
async fn it_is_alive_while_it_waits_and_ready_once_the_api_is_back() {
    let Some(cluster) = Cluster::own(Parts::Api).await else {
        return;
    };
    let namespace = ["create", "namespace", "mirrorplane-system"];
    cluster.kubectl(&namespace).await.ok();
    cluster.define_kinds().await;
    cluster.kill_api_server();

    let mut stopped = Serve::start(&cluster, &FLAGS).await;
    assert_eq!(status(&stopped, "/livez").await, Some(200));
    stopped.stop().await;
    assert!(stopped.log().contains("stopped"), "{}", stopped.log());

    let mut serve = Serve::start(&cluster, &FLAGS).await;
    for _ in 0..3 {
        assert_eq!(status(&serve, "/livez").await, Some(200));
        assert_eq!(status(&serve, "/readyz").await, Some(503));
    }
    assert_eq!(
        serve.metric("xds_refusals_total{reason=\"crowded\"}").await,
        0
    );
    cluster.start_api_server().await;
    eventually("it is ready", async || {
        (status(&serve, "/readyz").await == Some(200)).then_some(())
    })
    .await;
    serve.said_address("webhooks address=").await;
    serve.stop().await;
}
