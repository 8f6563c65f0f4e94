//! A real Envoy accepts what is translated and what a sidecar is started with.
//!
//! The resources of a group are turned into a configuration file: what would come by RDS, EDS and RTDS is put where it
//! is asked for. `MIRRORPLANE_ENVOY` is the path of an Envoy binary.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and is skipped loudly"
)]

mod envoy;
mod models;

use mirrorplane::model::Group;
use mirrorplane::shim;
use mirrorplane::sidecar::{Bootstrap, Credential, Delivery, Identity, Tls, Token, TokenFile};
use mirrorplane::snapshot::{check, encode, to_json};
use mirrorplane::translate::translate;
use serde_json::{Value, json};

#[test]
fn envoy_accepts_every_translation() {
    let Some(envoy) = envoy::binary() else { return };
    for (name, group) in models::all() {
        let config = static_config(&group);
        if let Err(said) = envoy::validate(&envoy, &config) {
            panic!("{name}: {said}\n{config:#}");
        }
    }
}

#[test]
fn envoy_accepts_every_bootstrap() {
    let Some(envoy) = envoy::binary() else { return };
    for control_plane in [
        "127.0.0.1:18000",
        "[::1]:18000",
        "localhost:18000",
        "mirrorplane.mesh.svc:18000",
    ] {
        for delivery in [Delivery::Delta, Delivery::StateOfTheWorld] {
            for admin in [None, Some("127.0.0.1:0".parse().unwrap())] {
                let bootstrap = Bootstrap {
                    node_id: "curl/curl".to_owned(),
                    node_cluster: "curl".to_owned(),
                    control_plane: control_plane.parse().unwrap(),
                    delivery,
                    tls: None,
                    token: None,
                    admin,
                };
                if let Err(said) = envoy::validate(&envoy, &bootstrap.to_json()) {
                    panic!("{control_plane} {delivery:?} {admin:?}: {said}");
                }
            }
        }
    }
}

/// Over TLS, with and without a certificate of its own, to an address and to a name.
#[test]
fn envoy_accepts_every_secure_bootstrap() {
    let Some(envoy) = envoy::binary() else { return };
    let folder = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(["curl".to_owned()]).unwrap();
    let put = |name: &str, content: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let certificate = put("tls.crt", pair.cert.pem());
    let key = put("tls.key", pair.signing_key.serialize_pem());
    for control_plane in [
        "127.0.0.1:18000",
        "[::1]:18000",
        "mirrorplane.mesh.svc:18000",
    ] {
        for server_name in [None, Some("mesh.test".to_owned())] {
            for with_identity in [false, true] {
                let bootstrap = Bootstrap {
                    node_id: "curl/curl".to_owned(),
                    node_cluster: "curl".to_owned(),
                    control_plane: control_plane.parse().unwrap(),
                    delivery: Delivery::Delta,
                    tls: Some(Tls {
                        ca: certificate.clone(),
                        identity: with_identity.then(|| Identity {
                            certificate: certificate.clone(),
                            key: key.clone(),
                        }),
                        server_name: server_name.clone(),
                    }),
                    token: Some(Credential::Fixed(
                        Token::new("0123456789abcdef-._~+/==").unwrap(),
                    )),
                    admin: None,
                };
                if let Err(said) = envoy::validate(&envoy, &bootstrap.to_json()) {
                    panic!("{control_plane} {server_name:?}: {said}");
                }
                // What Envoy accepts, the shim reads.
                let shim = shim::Bootstrap::parse(&bootstrap.to_yaml()).unwrap();
                let tls = shim.tls.unwrap();
                assert_eq!(tls.identity.is_some(), with_identity);
                assert_eq!(shim.initial_metadata.len(), 1);
            }
        }
    }
}

/// With a token that is read from a file for each stream.
#[test]
fn envoy_accepts_a_bootstrap_with_a_token_that_changes() {
    let Some(envoy) = envoy::binary() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let file = TokenFile {
        path: path("token"),
        sds_path: path("sds.yaml"),
    };
    std::fs::write(&file.path, "0123456789abcdef").unwrap();
    std::fs::write(&file.sds_path, file.sds().to_string()).unwrap();
    let bootstrap = Bootstrap {
        node_id: "curl/curl".to_owned(),
        node_cluster: "curl".to_owned(),
        control_plane: "127.0.0.1:18000".parse().unwrap(),
        delivery: Delivery::Delta,
        tls: None,
        token: Some(Credential::File(file)),
        admin: None,
    };
    envoy::validate(&envoy, &bootstrap.to_json()).unwrap();
    let shim = shim::Bootstrap::parse(&bootstrap.to_yaml()).unwrap();
    assert!(shim.injected.is_some());
}

#[test]
fn a_broken_configuration_is_refused() {
    let Some(envoy) = envoy::binary() else { return };
    let (_, group) = models::all().remove(1);
    let mut config = static_config(&group);
    config["static_resources"]["clusters"][0]["no_such_field"] = json!(1);
    assert!(envoy::validate(&envoy, &config).is_err());
}

/// The translation of a group as a configuration that needs no control plane.
fn static_config(group: &Group) -> Value {
    let resources = translate(group);
    assert_eq!(check(&resources), Ok(()));
    let mut lists = to_json(&encode(&resources)).unwrap();
    let mut take = |key: &str| -> Vec<Value> { lists[key].as_array_mut().unwrap().split_off(0) };
    let (mut clusters, endpoints, mut listeners, routes, runtime) = (
        take("clusters"),
        take("endpoints"),
        take("listeners"),
        take("routes"),
        take("runtime"),
    );

    for cluster in &mut clusters {
        let Some(eds) = cluster
            .as_object_mut()
            .unwrap()
            .remove("eds_cluster_config")
        else {
            continue;
        };
        let named = |list: &&Value| list["cluster_name"] == eds["service_name"];
        cluster["type"] = json!("STATIC");
        cluster["load_assignment"] = endpoints.iter().find(named).unwrap().clone();
    }
    for listener in &mut listeners {
        let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
        let rds = manager.as_object_mut().unwrap().remove("rds").unwrap();
        let named = |list: &&Value| list["name"] == rds["route_config_name"];
        let mut routes = routes.iter().find(named).unwrap().clone();
        // Not the default of routes that come by RDS: it makes Envoy look for every cluster that is named.
        routes["validate_clusters"] = json!(true);
        manager["route_config"] = routes;
    }
    let layers: Vec<Value> = runtime
        .iter()
        .map(|each| json!({ "name": each["name"], "static_layer": each["layer"] }))
        .collect();
    json!({
        "node": { "id": "curl/curl", "cluster": "curl" },
        "layered_runtime": { "layers": layers },
        "static_resources": { "clusters": clusters, "listeners": listeners },
    })
}
