//! ADS: what is refused, and what stays when the control plane is away.

use std::net::SocketAddr;

use envoy_types::pb::envoy::config::route::v3 as route;
use http::StatusCode;
use mirrorplane::shim::Kind;

use crate::caller::{Http, call, get};
use crate::control_plane::put;
use crate::resources::{Speaks, endpoints, forward, primary, routes};
use crate::service::{NAME, any_port, control_plane};
use crate::upstream::Upstream;
use crate::{VARIANTS, in_time, shim, until};

async fn status(proxy: SocketAddr, host: &str) -> StatusCode {
    call(proxy, Http::One, get(&format!("http://{host}/")))
        .await
        .status
}

#[tokio::test]
async fn what_is_not_supported_is_refused_by_name_and_the_last_good_stays() {
    for variant in VARIANTS {
        let upstream = Upstream::echo().await;
        let control_plane = control_plane(upstream.address, any_port()).await;
        let shim = shim(&control_plane, variant);
        let proxy = in_time("listening", shim.listening()).await;

        let mut unsupported = forward(NAME, vec![]);
        let Some(route::route::Action::Route(action)) = &mut unsupported.action else {
            panic!()
        };
        action.retry_policy = Some(route::RetryPolicy::default());
        let hosts = vec![
            ("v1.ns", vec![forward(NAME, vec![]), unsupported]),
            ("v2.ns", vec![]),
        ];
        control_plane.set(Kind::Route, "outbound", &routes(hosts));
        let expected = "NACK RouteConfiguration outbound: virtual_hosts[0].routes[1].route.retry_policy is not \
                        supported by the shim";
        until("the NACK", || {
            control_plane.log().iter().any(|line| line == expected)
        })
        .await;
        assert_eq!(shim.stats().ads.nacks[&Kind::Route], 1, "{variant:?}");
        assert_eq!(status(proxy, "v1.ns").await, StatusCode::OK);
        assert_eq!(status(proxy, "v2.ns").await, StatusCode::NOT_FOUND);

        let hosts = vec![("v2.ns", vec![forward(NAME, vec![])])];
        control_plane.set(Kind::Route, "outbound", &routes(hosts));
        until("the next version", || {
            shim.stats().ads.acks[&Kind::Route] == 2
        })
        .await;
        assert_eq!(status(proxy, "v2.ns").await, StatusCode::OK);
        assert_eq!(shim.stats().ads.nacks[&Kind::Route], 1, "{variant:?}");
    }
}

#[tokio::test]
async fn without_its_control_plane_the_shim_serves_on_and_comes_back() {
    for variant in VARIANTS {
        let upstream = Upstream::echo().await;
        let mut control_plane = control_plane(upstream.address, any_port()).await;
        let shim = shim(&control_plane, variant);
        let proxy = in_time("listening", shim.listening()).await;
        control_plane.stop().await;
        assert_eq!(status(proxy, "v1.ns").await, StatusCode::OK);
        let seen = control_plane.log().len();
        control_plane.restart().await;
        until("the second stream", || shim.stats().ads.streams == 2).await;
        assert_eq!(status(proxy, "v1.ns").await, StatusCode::OK);
        // What is held is said, so that it need not be sent again.
        until("the held versions", || {
            control_plane.log().len() >= seen + 5
        })
        .await;
        let log = control_plane.log().split_off(seen);
        let held = log.iter().filter(|line| !line.ends_with("held ")).count();
        assert_eq!(held, 5, "{variant:?} {log:?}");

        // And a change still arrives.
        control_plane.set(
            Kind::Route,
            "outbound",
            &routes(vec![("v2.ns", vec![forward(NAME, vec![])])]),
        );
        in_time("the change", async {
            while status(proxy, "v2.ns").await != StatusCode::OK {}
        })
        .await;
    }
}

#[tokio::test]
async fn clusters_and_endpoints_follow_each_other() {
    for variant in VARIANTS {
        let upstream = Upstream::echo().await;
        let control_plane = control_plane(upstream.address, any_port()).await;
        let shim = shim(&control_plane, variant);
        let proxy = in_time("listening", shim.listening()).await;
        // A new cluster brings a new name to subscribe to; an old one that goes takes its name along.
        let other = "ns/v3|80";
        control_plane.change(|world| {
            world.get_mut(&Kind::Cluster).unwrap().clear();
            put(
                world,
                Kind::Cluster,
                other,
                &primary(other, Speaks::Downstream),
            );
            put(
                world,
                Kind::Endpoint,
                other,
                &endpoints(other, &[upstream.address]),
            );
            put(
                world,
                Kind::Route,
                "outbound",
                &routes(vec![("v3.ns", vec![forward(other, vec![])])]),
            );
        });
        in_time("the new cluster", async {
            while status(proxy, "v3.ns").await != StatusCode::OK {}
        })
        .await;
        assert_eq!(
            shim.stats().ads.nacks.len(),
            0,
            "{variant:?} {:?}",
            shim.stats().ads
        );
    }
}
