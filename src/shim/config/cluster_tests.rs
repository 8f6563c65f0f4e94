use envoy_types::pb::google::protobuf::{Duration as ProtoDuration, UInt32Value};
use proto::cluster::EdsClusterConfig;

use super::*;

fn eds() -> proto::Cluster {
    let ads = envoy_types::pb::envoy::config::core::v3::AggregatedConfigSource::default();
    proto::Cluster {
        name: "a/b|80".into(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Eds as i32)),
        eds_cluster_config: Some(EdsClusterConfig {
            eds_config: Some(envoy_types::pb::envoy::config::core::v3::ConfigSource {
                config_source_specifier: Some(ConfigSourceSpecifier::Ads(ads)),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[test]
fn a_cluster_without_service_name_is_its_own_endpoint_resource() {
    let cluster = Cluster::from_proto(&eds()).unwrap();
    assert_eq!(cluster.discovery, Discovery::Eds("a/b|80".into()));
    assert_eq!(cluster.protocol, Protocol::Http1);
    assert_eq!(cluster.breakers, Breakers::default());
}

const HTTP_OPTIONS_PATH: &str = "typed_extension_protocol_options";

/// Bounds the requests and the streams of an HTTP/2 connection.
fn http2(cluster: &mut proto::Cluster, requests: Option<u32>, streams: Option<u32>) {
    use upstream::http_protocol_options::ExplicitHttpConfig;
    let streams = Http2ProtocolOptions {
        max_concurrent_streams: streams.map(|value| UInt32Value { value }),
        ..Default::default()
    };
    let explicit = ExplicitHttpConfig {
        protocol_config: Some(ProtocolConfig::Http2ProtocolOptions(streams)),
    };
    let options = upstream::HttpProtocolOptions {
        common_http_protocol_options: Some(CommonOptions {
            max_requests_per_connection: requests.map(|value| UInt32Value { value }),
            ..Default::default()
        }),
        upstream_protocol_options: Some(UpstreamProtocolOptions::ExplicitHttpConfig(explicit)),
        ..Default::default()
    };
    cluster.typed_extension_protocol_options = std::collections::HashMap::from([(
        HTTP_OPTIONS.to_owned(),
        envoy_types::util::pack_any(options),
    )]);
}

#[test]
fn a_connection_may_be_for_one_request() {
    let mut message = eds();
    assert!(!Cluster::from_proto(&message).unwrap().single_use);
    http2(&mut message, Some(1), Some(1));
    let cluster = Cluster::from_proto(&message).unwrap();
    assert_eq!(
        (cluster.protocol, cluster.single_use),
        (Protocol::Http2, true)
    );
}

#[test]
fn values_that_cannot_be_honoured_are_refused() {
    type Change = fn(&mut proto::Cluster);
    let cases: [(&str, Change); 7] = [
        ("lb_policy", |c| c.lb_policy = LbPolicy::Maglev as i32),
        ("type", |c| c.cluster_discovery_type = None),
        ("eds_cluster_config", |c| c.eds_cluster_config = None),
        ("connect_timeout", |c| {
            c.connect_timeout = Some(ProtoDuration::default())
        }),
        (HTTP_OPTIONS_PATH, |c| {
            http2(c, Some(2), None);
        }),
        (HTTP_OPTIONS_PATH, |c| {
            http2(c, None, Some(1));
        }),
        ("circuit_breakers", |c| {
            c.circuit_breakers = Some(proto::CircuitBreakers {
                thresholds: vec![Default::default(), Default::default()],
                ..Default::default()
            });
        }),
    ];
    for (path, change) in cases {
        let mut message = eds();
        change(&mut message);
        let rejection = Cluster::from_proto(&message).unwrap_err().to_string();
        assert!(rejection.starts_with(path), "{rejection}");
    }
}
