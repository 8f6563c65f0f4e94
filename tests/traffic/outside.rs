//! Copies to a host that is no Service.

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::Full;
use hyper::Request;
use mirrorplane::sidecar::{Bootstrap, ControlPlane as Address, Delivery};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::authority::{Authority, Pair};
use super::rig::control_plane::ControlPlane;
use super::rig::echo::{Echo, Seen};
use super::rig::mesh::Mesh;
use super::rig::sidecar::{Kind, Plane, Sidecar};
use super::rig::stage::{Stage, URL};
use super::rig::{eventually, free_address};

const SERVICE: &str = "    namespace: pipy\n    service: pipy-ok-v2\n    port: 8080\n";

/// Sends copies outside instead of to the Service.
fn to(mesh: &Mesh, external: &str) {
    let keys = format!("    external: {external}\n");
    mesh.edit("mirror.yaml", SERVICE, &keys);
}

/// One request, and its copy if there is one.
async fn ask(stage: &Stage) -> Option<Seen> {
    stage.shadow.forget();
    let request = Request::get(URL)
        .header("host", "pipy-ok-v1.pipy:8080")
        .header("authorization", "Bearer caller")
        .body(Full::default())
        .unwrap();
    let answer = stage.caller().await.send(request).await.unwrap();
    assert_eq!(answer.headers()["x-served-by"], "v1", "{stage}");
    stage.shadow.settled().await;
    stage.shadow.seen().pop()
}

/// The copy, once it is for this Host.
async fn copy_for(stage: &Stage, host: &str) -> Seen {
    eventually(format_args!("{stage}: a copy for {host}"), || async {
        ask(stage).await.filter(|copy| copy.host == host)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_go_to_a_name_or_an_address_under_its_own_name_and_without_credentials() {
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        let port = stage.shadow.address.port();
        to(&stage.mesh, &format!("{{host: localhost, port: {port}}}"));
        let copy = copy_for(&stage, &format!("localhost:{port}")).await;
        assert!(!copy.headers.contains_key("authorization"), "{stage}");
        assert!(!copy.headers.contains_key("x-envoy-internal"), "{stage}");
        stage.control_plane.logged("MP341").await;
        stage.mesh.edit("mirror.yaml", "localhost", "127.0.0.1");
        copy_for(&stage, &format!("127.0.0.1:{port}")).await;
        stage.assert_no_nack();
    }
}

/// Ends TLS in front of a service.
pub(crate) async fn behind_tls(pair: &Pair, service: SocketAddr) -> u16 {
    let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not believe the certificate goes away.
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut service = TcpStream::connect(service).await.unwrap();
                tokio::io::copy_bidirectional(&mut stream, &mut service)
                    .await
                    .ok();
            });
        }
    });
    port
}

/// A PEM text as a quoted scalar.
pub(crate) fn quoted(pem: &str) -> String {
    format!("{pem:?}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_speaks_tls_has_to_prove_who_it_is() {
    let authority = Authority::new("shadows");
    let pair = authority.server(&["shadow.example"]);
    let (right, wrong) = (
        quoted(authority.pem()),
        quoted(Authority::new("others").pem()),
    );
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        let port = behind_tls(&pair, stage.shadow.address).await;
        let target = |tls: &str| format!("{{host: 127.0.0.1, port: {port}, tls: {{{tls}}}}}");
        to(
            &stage.mesh,
            &target(&format!("sni: shadow.example, ca: {right}")),
        );
        if plane.kind == Kind::Shim {
            stage.control_plane.logged("transport_socket").await;
            // What it had before stays, or nothing.
            let copy = ask(&stage).await;
            let as_before = |copy: Seen| copy.host == "pipy-ok-v2.pipy:8080";
            assert!(copy.is_none_or(as_before), "{stage}: in plain text");
            continue;
        }
        copy_for(&stage, &format!("127.0.0.1:{port}")).await;
        let failed = "ssl.fail_verify_san";
        for (from, to, counter) in [
            ("sni: shadow.example", "sni: other.example", failed),
            (&*right, &*wrong, "ssl.fail_verify_error"),
        ] {
            stage.mesh.edit("mirror.yaml", from, to);
            eventually(format_args!("{stage}: {to} is not believed"), || async {
                ask(&stage).await;
                (stage.sidecar.stats_ending(counter).await > 0).then_some(())
            })
            .await;
            assert!(ask(&stage).await.is_none(), "{stage}");
        }
        stage.mesh.edit(
            "mirror.yaml",
            &format!("ca: {wrong}"),
            "insecureSkipVerify: true",
        );
        copy_for(&stage, &format!("127.0.0.1:{port}")).await;
        stage.assert_no_nack();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dns_that_never_answers_holds_up_nobody() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for delta in [false, true] {
        let plane = Plane {
            kind: Kind::Envoy,
            delta,
        };
        let live = Echo::start("v1").await;
        let mesh = Mesh::new(live.address, live.address);
        to(&mesh, "{host: shadow.example, port: 80}");
        let control_plane = ControlPlane::start(mesh.path()).await;
        let admin = free_address();
        let bootstrap = Bootstrap {
            node_id: "curl/curl".to_owned(),
            node_cluster: "test".to_owned(),
            control_plane: Address::Address(control_plane.address),
            delivery: match delta {
                true => Delivery::Delta,
                false => Delivery::StateOfTheWorld,
            },
            tls: None,
            token: None,
            admin: Some(admin),
            transparent: None,
        };
        let mut bootstrap = bootstrap.to_json();
        let resolver = json!({"socket_address": {
            "protocol": "UDP", "address": "127.0.0.1", "port_value": silent.local_addr().unwrap().port(),
        }});
        bootstrap["typed_dns_resolver_config"] = json!({
            "name": "envoy.network.dns_resolver.cares",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
                "resolvers": [resolver],
            },
        });
        let proxy = control_plane.proxy;
        let Some(sidecar) = Sidecar::spawn(plane, proxy, admin, &bootstrap) else {
            return;
        };
        sidecar.serves().await;
        let mut caller = super::rig::caller::Caller::connect(proxy).await;
        let answer = caller.call("GET", URL, b"").await.unwrap();
        assert_eq!(answer.headers()["x-served-by"], "v1", "{plane}");
        // It was asked: the name is not found in another way.
        let mut question = [0; 512];
        silent.recv_from(&mut question).await.unwrap();
    }
}
