//! A control plane with one service, `v1.ns`, that is not mirrored.

use std::net::SocketAddr;

use mirrorplane::shim::Kind;

use crate::control_plane::{ControlPlane, World, put};
use crate::resources::{Speaks, endpoints, forward, listener, primary, routes, runtime};

/// The cluster of the service, and its endpoints.
pub(crate) const NAME: &str = "ns/v1|80";

pub(crate) fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Everything that is needed to call the service.
pub(crate) fn service(world: &mut World, upstream: SocketAddr, speaks: Speaks, listen: SocketAddr) {
    put(world, Kind::Runtime, "mirrorplane", &runtime(None));
    put(world, Kind::Cluster, NAME, &primary(NAME, speaks));
    put(world, Kind::Endpoint, NAME, &endpoints(NAME, &[upstream]));
    put(world, Kind::Listener, "outbound", &listener(listen));
    let hosts = vec![("v1.ns", vec![forward(NAME, vec![])])];
    put(world, Kind::Route, "outbound", &routes(hosts));
}

/// A control plane for the service, spoken to as its callers speak.
pub(crate) async fn control_plane(upstream: SocketAddr, listen: SocketAddr) -> ControlPlane {
    let control_plane = ControlPlane::start().await;
    control_plane.change(|world| service(world, upstream, Speaks::Downstream, listen));
    control_plane
}
