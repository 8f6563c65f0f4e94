//! Settings for tests.

use super::Placement;
use super::Resources;
use super::Settings;
use crate::sidecar::Delivery;
use crate::sidecar::IpFamilies;

/// Settings as an operator may have them.
pub(super) fn settings() -> Settings {
    Settings {
        mesh_name: "osm".to_owned(),
        system_namespace: "mirrorplane-system".to_owned(),
        image: "mirrorplane:test".to_owned(),
        proxy_image: "envoy:test".to_owned(),
        control_plane: "mirrorplane.mirrorplane-system.svc:15128".parse().unwrap(),
        ca: Some("CA\n".to_owned()),
        token_audience: "mirrorplane".to_owned(),
        placement: Placement::Native,
        ip_families: IpFamilies::Ipv4,
        legacy_iptables: false,
        delivery: Delivery::StateOfTheWorld,
        concurrency: 2,
        log_level: "warning".to_owned(),
        resources: Resources::default(),
    }
}
