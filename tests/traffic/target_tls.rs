//! Copies to a Service that speaks TLS.

use http::Version;

use super::authority::Authority;
use super::outside::{behind_tls, quoted};
use super::rig::echo::Seen;
use super::rig::eventually;
use super::rig::sidecar::{Kind, Plane};
use super::rig::stage::{Stage, URL};

const PORT: &str = "    port: 8080\n    percentage:";

/// The name by which a Service is known in its cluster.
const SERVICE: &str = "pipy-ok-v2.pipy.svc";

/// A small request and a larger one, and the copies that there are of them. Both are answered by the live service, to the byte.
async fn ask(stage: &Stage) -> Vec<Seen> {
    stage.shadow.forget();
    let mut caller = stage.caller().await;
    for body in [&b""[..], &[7; 500_000]] {
        let method = if body.is_empty() { "GET" } else { "POST" };
        let answer = caller.call(method, URL, body).await.unwrap();
        assert_eq!(answer.status(), 200, "{stage}");
        assert_eq!(answer.headers()["x-served-by"], "v1", "{stage}");
        assert_eq!(answer.body().len(), body.len(), "{stage}");
    }
    stage.shadow.settled().await;
    stage.shadow.seen()
}

/// Waits for both copies.
async fn copies(stage: &Stage) -> Vec<Seen> {
    eventually(format_args!("{stage}: copies within TLS"), || async {
        let copies = ask(stage).await;
        (copies.len() == 2).then_some(copies)
    })
    .await
}

/// Waits until there are no copies, and looks whether it stays so.
async fn none(stage: &Stage) {
    eventually(format_args!("{stage}: no copies"), || async {
        ask(stage).await.is_empty().then_some(())
    })
    .await;
    for _ in 0..3 {
        assert_eq!(ask(stage).await.len(), 0, "{stage}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_speaks_tls_has_to_prove_who_it_is_and_callers_notice_nothing() {
    let authority = Authority::new("shadows");
    let pair = authority.server(&[SERVICE]);
    let (right, wrong) = (
        quoted(authority.pem()),
        quoted(Authority::new("others").pem()),
    );
    for plane in Plane::ALL {
        let Some(stage) = Stage::new(plane).await else {
            continue;
        };
        let port = behind_tls(&pair, stage.shadow.address).await;
        let plain = format!("port: {}", stage.shadow.address.port());
        stage
            .mesh
            .edit("endpoints.yaml", &plain, &format!("port: {port}"));
        let v2 = "version: v2\n  ports:\n    - name: pipy\n";
        let https = format!("{v2}      appProtocol: https\n");
        stage.mesh.edit("services.yaml", v2, &https);
        // Nobody says whom to believe.
        stage.control_plane.logged("MP329").await;
        none(&stage).await;

        let tls = |keys: &str| format!("    port: 8080\n    tls: {{{keys}}}\n    percentage:");
        let (good, bad) = (format!("ca: {right}"), format!("ca: {wrong}"));
        stage.mesh.edit("mirror.yaml", PORT, &tls(&good));
        if plane.kind == Kind::Shim {
            stage.control_plane.logged("transport_socket").await;
            assert_eq!(ask(&stage).await.len(), 0, "{stage}: in plain text");
            continue;
        }
        for copy in copies(&stage).await {
            assert_eq!(copy.host, "pipy-ok-v2.pipy:8080", "{stage}");
            assert_eq!(copy.version, Version::HTTP_11, "{stage}");
        }
        stage
            .mesh
            .edit("services.yaml", "appProtocol: https", "appProtocol: grpc");
        eventually(format_args!("{stage}: HTTP/2 within TLS"), || async {
            let copies = copies(&stage).await;
            let is_new = |copy: &Seen| copy.version == Version::HTTP_2;
            copies.iter().all(is_new).then_some(())
        })
        .await;
        for (from, to, counter) in [
            (&*good, &*bad, "ssl.fail_verify_error"),
            (
                &*bad,
                &*format!("sni: other.example, {good}"),
                "ssl.fail_verify_san",
            ),
        ] {
            stage.mesh.edit("mirror.yaml", from, to);
            let before = stage.sidecar.stats_ending(counter).await;
            eventually(format_args!("{stage}: {counter}"), || async {
                ask(&stage).await;
                (stage.sidecar.stats_ending(counter).await > before).then_some(())
            })
            .await;
            none(&stage).await;
        }
        let anybody = "insecureSkipVerify: true";
        stage.mesh.edit(
            "mirror.yaml",
            &format!("sni: other.example, {good}"),
            anybody,
        );
        copies(&stage).await;
        stage.assert_no_nack();
    }
}
