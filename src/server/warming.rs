//! The endpoints that a cluster waits for before it takes traffic.

use prost::Message;

/// The one field of `envoy.config.cluster.v3.Cluster` that matters here; all others are skipped.
#[derive(Clone, PartialEq, Message)]
struct Cluster {
    #[prost(message, optional, tag = "3")]
    eds_cluster_config: Option<EdsClusterConfig>,
}

/// `envoy.config.cluster.v3.Cluster.EdsClusterConfig`, likewise.
#[derive(Clone, PartialEq, Message)]
struct EdsClusterConfig {
    #[prost(string, tag = "2")]
    service_name: String,
}

/// The name under which a cluster looks for its endpoints: `service_name`, or else its own name.
///
/// Whether such endpoints exist is for the caller to see; a cluster that takes none has none of its name.
pub(super) fn endpoints_of(cluster: &str, body: &[u8]) -> String {
    Cluster::decode(body)
        .ok()
        .and_then(|message| message.eds_cluster_config)
        .map(|eds| eds.service_name)
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| cluster.to_owned())
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::envoy::config::cluster::v3 as envoy;
    use prost::Message;

    use super::endpoints_of;

    fn cluster(service_name: Option<&str>) -> Vec<u8> {
        envoy::Cluster {
            name: "shadow".to_owned(),
            connect_timeout: Some(Default::default()),
            eds_cluster_config: service_name.map(|name| envoy::cluster::EdsClusterConfig {
                eds_config: Some(Default::default()),
                service_name: name.to_owned(),
            }),
            ..Default::default()
        }
        .encode_to_vec()
    }

    #[test]
    fn endpoints_are_found_by_service_name_or_cluster_name() {
        for (body, expected) in [
            (cluster(Some("pipy/v2|8080")), "pipy/v2|8080"),
            (cluster(Some("")), "shadow"),
            (cluster(None), "shadow"),
            (b"\xff not a cluster".to_vec(), "shadow"),
        ] {
            assert_eq!(endpoints_of("shadow", &body), expected);
        }
    }
}
