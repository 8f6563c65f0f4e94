//! The cluster of a target that is no Service.

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, DnsLookupFamily,
};
use envoy_types::pb::envoy::config::core::v3::address::Address as Kind;
use envoy_types::pb::envoy::config::core::v3::data_source::Specifier;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::transport_socket::ConfigType;
use envoy_types::pb::envoy::config::core::v3::{
    Address, DataSource, SocketAddress, TransportSocket,
};
use envoy_types::pb::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::common_tls_context::ValidationContextType;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::subject_alt_name_matcher::SanType;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, SubjectAltNameMatcher, UpstreamTlsContext,
};
use envoy_types::pb::envoy::r#type::matcher::v3::StringMatcher;
use envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use envoy_types::pb::google::protobuf::BoolValue;
use envoy_types::util::pack_any;

use crate::model::{External, Protocol, ServerTls, Trust};

/// Where the images of Envoy, and most others, keep the authorities that they believe.
const SYSTEM: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The cluster of this name, which is `guest` in all else.
#[expect(
    deprecated,
    reason = "what takes the place of `respect_dns_ttl` needs an Envoy of 2025"
)]
pub(super) fn cluster(name: String, external: &External, guest: Cluster) -> Cluster {
    let discovery = match external.address() {
        Some(_) => DiscoveryType::Static,
        // One address at a time: a host with many of them changes its answers for ever.
        None => DiscoveryType::LogicalDns,
    };
    Cluster {
        load_assignment: Some(assignment(name.clone(), external)),
        name,
        dns_lookup_family: DnsLookupFamily::V4Preferred.into(),
        respect_dns_ttl: true,
        // A sidecar starts when all of its clusters are ready. With a DNS that does not answer it never would.
        wait_for_warm_on_init: Some(BoolValue { value: false }),
        transport_socket: external.tls.as_ref().map(|tls| socket(tls, external)),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(discovery.into())),
        ..guest
    }
}

fn assignment(name: String, external: &External) -> ClusterLoadAssignment {
    let address = SocketAddress {
        address: external.host.clone(),
        port_specifier: Some(PortSpecifier::PortValue(external.port.get().into())),
        ..SocketAddress::default()
    };
    let endpoint = Endpoint {
        address: Some(Address {
            address: Some(Kind::SocketAddress(address)),
        }),
        ..Endpoint::default()
    };
    ClusterLoadAssignment {
        cluster_name: name,
        endpoints: vec![LocalityLbEndpoints {
            lb_endpoints: vec![LbEndpoint {
                host_identifier: Some(HostIdentifier::Endpoint(endpoint)),
                ..LbEndpoint::default()
            }],
            ..LocalityLbEndpoints::default()
        }],
        ..ClusterLoadAssignment::default()
    }
}

fn socket(tls: &ServerTls, external: &External) -> TransportSocket {
    let alpn = match external.protocol {
        Protocol::Http1 => "http/1.1",
        Protocol::Http2 => "h2",
    };
    let source = match &tls.trust {
        Trust::System => Some(Specifier::Filename(SYSTEM.to_owned())),
        Trust::Authorities(pem) => Some(Specifier::InlineString(pem.clone())),
        Trust::Anybody => None,
    };
    let context = UpstreamTlsContext {
        sni: tls.name.clone().unwrap_or_default(),
        common_tls_context: Some(CommonTlsContext {
            alpn_protocols: vec![alpn.to_owned()],
            validation_context_type: source.map(|source| {
                ValidationContextType::ValidationContext(CertificateValidationContext {
                    trusted_ca: Some(DataSource {
                        specifier: Some(source),
                        ..DataSource::default()
                    }),
                    match_typed_subject_alt_names: vec![matcher(tls, external)],
                    ..CertificateValidationContext::default()
                })
            }),
            ..CommonTlsContext::default()
        }),
        ..UpstreamTlsContext::default()
    };
    TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(ConfigType::TypedConfig(pack_any(context))),
    }
}

/// Who the server has to be: that somebody vouches for it does not say that it is the one.
fn matcher(tls: &ServerTls, external: &External) -> SubjectAltNameMatcher {
    let (kind, name) = match &tls.name {
        Some(name) => (SanType::Dns, name),
        None => (SanType::IpAddress, &external.host),
    };
    SubjectAltNameMatcher {
        san_type: kind.into(),
        matcher: Some(StringMatcher {
            match_pattern: Some(MatchPattern::Exact(name.clone())),
            ..StringMatcher::default()
        }),
        ..SubjectAltNameMatcher::default()
    }
}
