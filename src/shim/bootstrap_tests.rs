use super::{Bootstrap, BootstrapError, Variant};

const GOOD: &str = r#"
node: { id: curl/curl, cluster: curl }
admin: { address: { socket_address: { address: 127.0.0.1, port_value: 0 } } }
dynamic_resources:
  ads_config:
    api_type: DELTA_GRPC
    transport_api_version: V3
    set_node_on_first_message_only: true
    grpc_services: [ { envoy_grpc: { cluster_name: control-plane } } ]
  cds_config: { ads: {}, resource_api_version: V3 }
  lds_config: { ads: {}, resource_api_version: V3 }
layered_runtime:
  layers:
  - name: mirrorplane
    rtds_layer:
      name: mirrorplane
      rtds_config: { ads: {}, resource_api_version: V3, initial_fetch_timeout: 5s }
  - { name: admin, admin_layer: {} }
static_resources:
  clusters:
  - name: control-plane
    type: STATIC
    connect_timeout: 1s
    load_assignment:
      cluster_name: control-plane
      endpoints: [ { lb_endpoints: [ { endpoint: { address: { socket_address: { address: "::1", port_value: 15010 } } } } ] } ]
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: { http2_protocol_options: { connection_keepalive: { interval: 30s, timeout: 5s } } }
"#;

#[test]
fn the_subset_is_read() {
    let bootstrap = Bootstrap::parse(GOOD).unwrap();
    assert_eq!(bootstrap.node_id, "curl/curl");
    assert_eq!(bootstrap.variant, Variant::Delta);
    assert_eq!(bootstrap.control_plane, ["[::1]:15010"]);
    assert_eq!(bootstrap.runtime_layers, ["mirrorplane"]);
    assert_eq!(bootstrap.connect_timeout.as_secs(), 1);
    assert_eq!(bootstrap.keep_alive.unwrap().interval.as_secs(), 30);
    let sotw = Bootstrap::parse(&GOOD.replace("DELTA_GRPC", "GRPC")).unwrap();
    assert_eq!(sotw.variant, Variant::Sotw);
}

#[test]
fn json_is_read_too() {
    let value: serde_json::Value = serde_saphyr::from_str(GOOD).unwrap();
    assert_eq!(
        Bootstrap::parse(&value.to_string()).unwrap(),
        Bootstrap::parse(GOOD).unwrap()
    );
}

#[test]
fn what_is_not_supported_is_named() {
    for (old, new, path, message) in [
        ("id: curl/curl, ", "", "node", "missing field `id`"),
        (
            "DELTA_GRPC",
            "REST",
            "dynamic_resources.ads_config.api_type",
            "REST",
        ),
        (
            "admin_layer: {}",
            "disk_layer: {}",
            "layered_runtime.layers[1]",
            "disk_layer",
        ),
        (
            "type: STATIC",
            "type: EDS",
            "static_resources.clusters[0].type",
            "EDS",
        ),
        ("30s", "soon", "interval", "not a duration"),
        (
            "name: control-plane\n    type",
            "name: other\n    type",
            "static_resources.clusters",
            "control-plane",
        ),
        (
            "    load_assignment:",
            "    transport_socket: { name: x, typed_config: {} }\n    load_assignment:",
            "transport_socket.typed_config",
            "@type",
        ),
        (
            "cluster_name: control-plane }",
            "cluster_name: control-plane }, initial_metadata: [ { key: x, value: '%A%' } ]",
            "initial_metadata[0]",
            "%",
        ),
        (
            "static_resources:\n",
            "static_resources:\n  listeners: [ { name: capture } ]\n",
            "static_resources.listeners",
            "does not capture transparently",
        ),
        (
            "cluster: curl }",
            "cluster: curl, locality: {} }",
            "node",
            "locality",
        ),
    ] {
        let text = GOOD.replacen(old, new, 1);
        assert_ne!(text, GOOD, "{old}");
        match Bootstrap::parse(&text).unwrap_err() {
            BootstrapError::Field {
                path: at,
                message: said,
            } => {
                assert!(at.contains(path), "{at} should contain {path}");
                assert!(said.contains(message), "{said} should contain {message}");
            }
            error => panic!("{error}"),
        }
    }
    assert!(matches!(
        Bootstrap::parse("node: ["),
        Err(BootstrapError::Syntax(_))
    ));
}
