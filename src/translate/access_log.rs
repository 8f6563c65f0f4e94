//! How a sidecar tells the control plane what it has refused: by an access log, in which nothing else is written.
//!
//! What it tells waits for a second or until there is enough of it; if the control plane is away or slow it is dropped. The
//! log is written to the cluster of the bootstrap, which has to be static: Envoy refuses any other.

use envoy_types::pb::envoy::config::accesslog::v3::access_log::ConfigType;
use envoy_types::pb::envoy::config::accesslog::v3::access_log_filter::FilterSpecifier;
use envoy_types::pb::envoy::config::accesslog::v3::grpc_status_filter::Status;
use envoy_types::pb::envoy::config::accesslog::v3::{AccessLog, AccessLogFilter, GrpcStatusFilter};
use envoy_types::pb::envoy::config::core::v3::grpc_service::{EnvoyGrpc, TargetSpecifier};
use envoy_types::pb::envoy::config::core::v3::{ApiVersion, GrpcService};
use envoy_types::pb::envoy::extensions::access_loggers::grpc::v3::{
    CommonGrpcAccessLogConfig, HttpGrpcAccessLogConfig, TcpGrpcAccessLogConfig,
};
use envoy_types::util::pack_any;

use super::names::{CONTROL_PLANE, QUARANTINE};
use super::values::seconds;

/// Of requests: those that are answered with 403, or what gRPC has for it. Others than the sidecar may do so as well, whom
/// the log tells apart.
pub(super) fn of_requests() -> AccessLog {
    let config = HttpGrpcAccessLogConfig {
        common_config: Some(common()),
        ..HttpGrpcAccessLogConfig::default()
    };
    AccessLog {
        name: "envoy.access_loggers.http_grpc".to_owned(),
        filter: Some(AccessLogFilter {
            filter_specifier: Some(FilterSpecifier::GrpcStatusFilter(GrpcStatusFilter {
                statuses: vec![Status::PermissionDenied.into()],
                ..GrpcStatusFilter::default()
            })),
        }),
        config_type: Some(ConfigType::TypedConfig(pack_any(config))),
    }
}

/// Of connections: all of them.
pub(super) fn of_connections() -> AccessLog {
    let config = TcpGrpcAccessLogConfig {
        common_config: Some(common()),
    };
    AccessLog {
        name: "envoy.access_loggers.tcp_grpc".to_owned(),
        config_type: Some(ConfigType::TypedConfig(pack_any(config))),
        ..AccessLog::default()
    }
}

fn common() -> CommonGrpcAccessLogConfig {
    CommonGrpcAccessLogConfig {
        log_name: QUARANTINE.to_owned(),
        grpc_service: Some(GrpcService {
            target_specifier: Some(TargetSpecifier::EnvoyGrpc(EnvoyGrpc {
                cluster_name: CONTROL_PLANE.to_owned(),
                ..EnvoyGrpc::default()
            })),
            ..GrpcService::default()
        }),
        transport_api_version: ApiVersion::V3.into(),
        buffer_flush_interval: seconds(1),
        ..CommonGrpcAccessLogConfig::default()
    }
}
