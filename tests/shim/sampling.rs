//! Several mirrors of one route.

use std::collections::BTreeSet;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::route::v3::route_action::RequestMirrorPolicy;
use mirrorplane::shim::{Kind, Variant};

use crate::control_plane::put;
use crate::mirroring::Mesh;
use crate::resources::{Bounds, SHADOW, Speaks, endpoints, forward, mirror, routes, shadow};
use crate::until;
use crate::upstream::{Seen, Upstream};

const REQUESTS: usize = 400;
const OTHER: &str = "shadow|ns/other|ns/v3|80";
const OTHER_TARGET: &str = "ns/v3|80";

/// A mirror whose share is not in the runtime.
fn sampled(cluster: &str, millionths: u32) -> RequestMirrorPolicy {
    let mut policy = RequestMirrorPolicy {
        cluster: cluster.into(),
        ..mirror()
    };
    let fraction = policy.runtime_fraction.as_mut().unwrap();
    fraction.runtime_key = format!("{cluster}.share");
    fraction.default_value.as_mut().unwrap().numerator = millionths;
    policy
}

fn ids(seen: &[Seen]) -> BTreeSet<String> {
    let id = |seen: &Seen| seen.headers["x-request-id"].to_str().unwrap().to_owned();
    seen.iter().map(id).collect()
}

#[tokio::test]
async fn what_a_smaller_share_copies_a_larger_one_copies_too() {
    let (target, other) = (Upstream::echo().await, Upstream::echo().await);
    let bounds = Bounds::default();
    let mesh = Mesh::start(Variant::Delta, &[target.address], Speaks::Http1, bounds).await;
    let before = (mesh.acks(Kind::Route), mesh.acks(Kind::Endpoint));
    mesh.control_plane.change(|world| {
        let cluster = Cluster {
            name: OTHER.into(),
            ..shadow(OTHER_TARGET, Speaks::Http1, bounds)
        };
        put(world, Kind::Cluster, OTHER, &cluster);
        let addresses = endpoints(OTHER_TARGET, &[other.address]);
        put(world, Kind::Endpoint, OTHER_TARGET, &addresses);
        let mirrors = vec![sampled(SHADOW, 200_000), sampled(OTHER, 500_000)];
        let hosts = vec![("v1.ns", vec![forward("ns/v1|80", mirrors)])];
        put(world, Kind::Route, "outbound", &routes(hosts));
    });
    until("the new routes", || mesh.acks(Kind::Route) > before.0).await;
    until("the new endpoints", || mesh.acks(Kind::Endpoint) > before.1).await;
    for _ in 0..REQUESTS {
        mesh.get().await;
    }
    until("all answers to copies", || {
        let stats = mesh.shim.stats();
        [SHADOW, OTHER].into_iter().all(|name| {
            let counts = stats.cluster(name);
            counts.responses.get(&2) == Some(&counts.copies)
        })
    })
    .await;
    let (smaller, larger) = (ids(&target.seen()), ids(&other.seen()));
    // 80 and 200 are expected, and the standard deviations are at most 10.
    assert!((20..140).contains(&smaller.len()), "{}", smaller.len());
    assert!((140..260).contains(&larger.len()), "{}", larger.len());
    assert!(smaller.is_subset(&larger));
}
