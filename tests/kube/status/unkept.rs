//! Definitions that keep no status, as fsm's.

use std::time::Duration;

use super::{CONFIG, get, with_mesh};
use crate::rig::{Cluster, Parts, eventually};
use crate::serve::Serve;
use crate::source::mesh::plugin_crds;

#[tokio::test]
async fn a_kind_without_a_status_is_told_once_and_left_alone() {
    let Some(cluster) = Cluster::own(Parts::Api).await else {
        return;
    };
    cluster.apply_crds(&plugin_crds()).await;
    with_mesh(&cluster).await;
    let control_plane = Serve::start::<&str>(&cluster, &[]).await;
    let told = || control_plane.log().matches("MP507").count();
    eventually("each of the kinds is told", async || {
        (told() == 3).then_some(())
    })
    .await;
    let version = get(&cluster, &CONFIG).await["metadata"]["resourceVersion"].clone();
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(told(), 3);
    assert_eq!(control_plane.metric("status_writes_total").await, 0);
    assert_eq!(
        get(&cluster, &CONFIG).await["metadata"]["resourceVersion"],
        version
    );
}
