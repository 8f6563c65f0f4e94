//! The fields that a message may have, and that the shim does: clusters, endpoints and listeners, and what is in them.

/// The supported fields, by message, but for those of [routes](super::supported_routes). Wrappers, durations and structs of
/// `google.protobuf` are values.
pub(super) const SUPPORTED: &[(&str, &[&str])] = &[
    (
        "envoy.config.cluster.v3.Cluster",
        &[
            "name",
            "type",
            "cluster_type",
            "eds_cluster_config",
            "load_assignment",
            // Names are looked up for each request, IPv4 first, and never waited for beforehand.
            "dns_lookup_family",
            "respect_dns_ttl",
            "wait_for_warm_on_init",
            "connect_timeout",
            "lb_policy",
            "per_connection_buffer_limit_bytes",
            "circuit_breakers",
            "lrs_report_endpoint_metrics",
            "typed_extension_protocol_options",
        ],
    ),
    (
        "envoy.config.cluster.v3.Cluster.CustomClusterType",
        &["name", "typed_config"],
    ),
    (
        "envoy.config.cluster.v3.Cluster.EdsClusterConfig",
        &["eds_config", "service_name"],
    ),
    ("envoy.config.cluster.v3.CircuitBreakers", &["thresholds"]),
    (
        "envoy.config.cluster.v3.CircuitBreakers.Thresholds",
        // The shim never retries, so any bound on retries holds; it counts overflows whether tracked or not.
        &[
            "priority",
            "max_connections",
            "max_pending_requests",
            "max_requests",
            "max_retries",
            "track_remaining",
        ],
    ),
    (
        "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig",
        // The shim speaks no TLS: what is insecure about it is not there.
        &["dns_cache_config", "allow_insecure_cluster_options"],
    ),
    (
        "envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheConfig",
        // The shim keeps no cache: any size of it holds.
        &[
            "name",
            "dns_lookup_family",
            "max_hosts",
            "dns_cache_circuit_breaker",
        ],
    ),
    (
        "envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheCircuitBreakers",
        &["max_pending_requests"],
    ),
    (
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        &[
            "common_http_protocol_options",
            "explicit_http_config",
            "use_downstream_protocol_config",
            "http_filters",
        ],
    ),
    (
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig",
        &["http_protocol_options", "http2_protocol_options"],
    ),
    (
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.UseDownstreamHttpConfig",
        &["http_protocol_options", "http2_protocol_options"],
    ),
    (
        "envoy.config.core.v3.HttpProtocolOptions",
        &[
            "idle_timeout",
            "max_headers_count",
            "max_requests_per_connection",
            "max_response_headers_kb",
            "max_stream_duration",
        ],
    ),
    (
        "envoy.config.core.v3.Http1ProtocolOptions",
        // Trailers pass in any case.
        &["accept_http_10", "enable_trailers", "header_key_format"],
    ),
    (
        "envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat",
        &["stateful_formatter"],
    ),
    (
        "envoy.config.core.v3.TypedExtensionConfig",
        &["name", "typed_config"],
    ),
    (
        "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig",
        &["forward_reason_phrase"],
    ),
    (
        "envoy.config.core.v3.Http2ProtocolOptions",
        &["max_concurrent_streams"],
    ),
    ("envoy.config.core.v3.AggregatedConfigSource", &[]),
    (
        "envoy.config.core.v3.ConfigSource",
        &["ads", "resource_api_version", "initial_fetch_timeout"],
    ),
    ("envoy.config.core.v3.Address", &["socket_address"]),
    (
        "envoy.config.core.v3.SocketAddress",
        &["protocol", "address", "port_value"],
    ),
    (
        "envoy.config.core.v3.Locality",
        &["region", "zone", "sub_zone"],
    ),
    (
        "envoy.config.endpoint.v3.ClusterLoadAssignment",
        &["cluster_name", "endpoints"],
    ),
    (
        "envoy.config.endpoint.v3.LocalityLbEndpoints",
        &[
            "locality",
            "lb_endpoints",
            "load_balancing_weight",
            "priority",
        ],
    ),
    ("envoy.config.endpoint.v3.LbEndpoint", &["endpoint"]),
    ("envoy.config.endpoint.v3.Endpoint", &["address"]),
    (
        "envoy.config.listener.v3.Listener",
        &[
            "name",
            "address",
            "filter_chains",
            "traffic_direction",
            "stat_prefix",
        ],
    ),
    ("envoy.config.listener.v3.FilterChain", &["name", "filters"]),
    ("envoy.config.listener.v3.Filter", &["name", "typed_config"]),
    (
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        &[
            "stat_prefix",
            "access_log",
            "codec_type",
            "rds",
            "early_header_mutation_extensions",
            "http_filters",
            "upgrade_configs",
            "server_header_transformation",
            "common_http_protocol_options",
            "http_protocol_options",
            "http2_protocol_options",
            "max_request_headers_kb",
            // The shim answers `Expect: 100-continue` itself, once the upstream reads the body.
            "proxy_100_continue",
            "stream_idle_timeout",
            "skip_xff_append",
            "preserve_external_request_id",
        ],
    ),
    (
        "envoy.config.accesslog.v3.AccessLog",
        &["name", "filter", "typed_config"],
    ),
    (
        "envoy.config.accesslog.v3.AccessLogFilter",
        &["grpc_status_filter"],
    ),
    ("envoy.config.accesslog.v3.GrpcStatusFilter", &["statuses"]),
    (
        "envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
        &["common_config"],
    ),
    (
        // Whatever cluster it is: there is one control plane. Entries wait for a second.
        "envoy.extensions.access_loggers.grpc.v3.CommonGrpcAccessLogConfig",
        &[
            "log_name",
            "grpc_service",
            "transport_api_version",
            "buffer_flush_interval",
        ],
    ),
    ("envoy.config.core.v3.GrpcService", &["envoy_grpc"]),
    (
        "envoy.config.core.v3.GrpcService.EnvoyGrpc",
        &["cluster_name"],
    ),
    (
        "envoy.extensions.filters.network.http_connection_manager.v3.Rds",
        &["config_source", "route_config_name"],
    ),
    (
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.UpgradeConfig",
        &["upgrade_type", "enabled"],
    ),
    (
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
        &["name", "typed_config"],
    ),
    (
        "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig",
        &["dns_cache_config"],
    ),
    (
        "envoy.extensions.filters.http.header_to_metadata.v3.Config",
        &["request_rules"],
    ),
    (
        "envoy.extensions.filters.http.header_to_metadata.v3.Config.Rule",
        &["cookie", "on_header_present"],
    ),
    (
        "envoy.extensions.filters.http.header_to_metadata.v3.Config.KeyValuePair",
        &["metadata_namespace", "key", "type"],
    ),
    (
        "envoy.extensions.filters.http.set_filter_state.v3.Config",
        &["on_request_headers", "clear_route_cache"],
    ),
    (
        "envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue",
        &[
            "object_key",
            "factory_key",
            "skip_if_empty",
            "format_string",
        ],
    ),
    (
        "envoy.config.core.v3.SubstitutionFormatString",
        &["text_format_source", "omit_empty_values"],
    ),
    (
        "envoy.extensions.matching.common_inputs.network.v3.FilterStateInput",
        &["key"],
    ),
    (
        "envoy.extensions.filters.http.router.v3.Router",
        &["suppress_envoy_headers"],
    ),
    (
        "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
        &["mutations"],
    ),
    (
        "envoy.extensions.filters.http.header_mutation.v3.Mutations",
        &["request_mutations"],
    ),
    (
        "envoy.extensions.filters.http.lua.v3.Lua",
        &["default_source_code"],
    ),
    (
        "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec",
        &[],
    ),
];
