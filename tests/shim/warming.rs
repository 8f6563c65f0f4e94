//! A listener does not serve before there is what it needs to.

use std::time::Duration;

use http::StatusCode;
use mirrorplane::shim::{Kind, Variant};
use tokio::time::timeout;

use crate::caller::{Http, call, get};
use crate::control_plane::{ControlPlane, World};
use crate::resources::Speaks;
use crate::service::{any_port, service};
use crate::upstream::Upstream;
use crate::{in_time, shim, until};

/// Much longer than it takes to serve once nothing is waited for, much shorter than the shim waits.
const A_WHILE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_listener_without_its_routes_or_endpoints_waits_for_them() {
    for (variant, held_back) in [
        (Variant::Sotw, Kind::Route),
        (Variant::Delta, Kind::Route),
        // The incremental protocol would say that they do not exist, and the listener not wait for them.
        (Variant::Sotw, Kind::Endpoint),
    ] {
        let upstream = Upstream::echo().await;
        let mut whole = World::new();
        service(&mut whole, upstream.address, Speaks::Downstream, any_port());
        let late = whole.remove(&held_back).unwrap();
        let control_plane = ControlPlane::start().await;
        control_plane.change(|world| *world = whole);
        let shim = shim(&control_plane, variant);
        until("the listener", || {
            shim.stats().ads.acks.contains_key(&Kind::Listener)
        })
        .await;
        let early = timeout(A_WHILE, shim.listening()).await;
        assert!(early.is_err(), "{variant:?} without {held_back:?}");

        control_plane.change(|world| drop(world.insert(held_back, late)));
        let proxy = in_time("listening", shim.listening()).await;
        let answer = call(proxy, Http::One, get("http://v1.ns/")).await;
        assert_eq!(answer.status, StatusCode::OK, "{variant:?} {held_back:?}");
    }
}
