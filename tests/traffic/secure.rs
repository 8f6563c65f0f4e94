//! Sidecars that connect over TLS, with a certificate or a token.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use mirrorplane::sidecar::{Credential, Identity, Tls, Token, TokenFile};
use tempfile::TempDir;
use tokio::net::TcpStream;

use super::authority::{Authority, Pair, put};
use super::rig::caller::Caller;
use super::rig::control_plane::ControlPlane;
use super::rig::echo::Echo;
use super::rig::eventually;
use super::rig::mesh::Mesh;
use super::rig::sidecar::{Plane, Sidecar};
use super::rig::stage::URL;

const NODE: &str = "spiffe://mesh/ns/curl/node/curl";
const TOKEN: &str = "0123456789abcdef";

/// A control plane behind TLS, and what its sidecars need.
struct Secured {
    control_plane: ControlPlane,
    ca: Authority,
    folder: TempDir,
    live: Echo,
    shadow: Echo,
    _mesh: Mesh,
}

impl Secured {
    /// Asks for a certificate, and if `tokens` are given, for either.
    async fn start(tokens: Option<&str>) -> Self {
        let (ca, folder) = (Authority::new("the CA"), tempfile::tempdir().unwrap());
        let server = ca.server(&["mirrorplane.test"]);
        let at = |name: &str, content: &str| -> String {
            put(folder.path(), name, content).display().to_string()
        };
        let mut flags = vec![
            "--tls-cert".to_owned(),
            at("tls.crt", &server.certificate),
            "--tls-key".to_owned(),
            at("tls.key", &server.key),
            "--tls-client-ca".to_owned(),
            at("ca.crt", ca.pem()),
        ];
        if let Some(tokens) = tokens {
            flags.extend(["--token-file".to_owned(), at("tokens", tokens)]);
        }
        let (live, shadow) = (Echo::start("v1").await, Echo::start("v2").await);
        let mesh = Mesh::new(live.address, shadow.address);
        Self {
            control_plane: ControlPlane::with(mesh.path(), flags).await,
            ca,
            folder,
            live,
            shadow,
            _mesh: mesh,
        }
    }

    /// TLS that trusts this CA, with this certificate.
    fn tls(&self, ca: &Authority, own: Option<&Pair>, server_name: Option<&str>) -> Tls {
        let put = |name: &str, content: &str| -> String {
            let path: PathBuf = put(self.folder.path(), name, content);
            path.display().to_string()
        };
        Tls {
            ca: put("client-ca.crt", ca.pem()),
            identity: own.map(|own| Identity {
                certificate: put("client.crt", &own.certificate),
                key: put("client.key", &own.key),
            }),
            server_name: server_name.map(str::to_owned),
        }
    }

    fn launch(&self, plane: Plane, tls: Tls, token: Option<&str>) -> Option<Sidecar> {
        let token = token.map(|token| Credential::Fixed(Token::new(token).unwrap()));
        Sidecar::launch(plane, &self.control_plane, "curl/curl", Some(tls), token)
    }

    /// A request is answered and copied.
    async fn mirrors(&self, sidecar: &Sidecar) {
        sidecar.serves().await;
        eventually(format_args!("{} mirrors", sidecar.plane), || async {
            let mut caller = Caller::connect(sidecar.proxy).await;
            let answer = caller.call("GET", URL, b"").await.ok()?;
            (answer.status() == 200 && self.live.count() > 0 && self.shadow.count() > 0)
                .then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_with_its_certificate_gets_its_configuration() {
    for plane in Plane::ALL {
        for server_name in [None, Some("mirrorplane.test")] {
            let rig = Secured::start(None).await;
            let tls = rig.tls(&rig.ca, Some(&rig.ca.client(NODE)), server_name);
            let Some(sidecar) = rig.launch(plane, tls, None) else {
                continue;
            };
            rig.mirrors(&sidecar).await;
            let log = rig.control_plane.log();
            assert!(!log.contains("MP50"), "{plane}: {log}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_with_its_token_gets_its_configuration() {
    for plane in Plane::ALL {
        let rig = Secured::start(Some("0123456789abcdef curl/curl")).await;
        let tls = rig.tls(&rig.ca, None, None);
        let Some(sidecar) = rig.launch(plane, tls, Some(TOKEN)) else {
            continue;
        };
        rig.mirrors(&sidecar).await;
        let log = rig.control_plane.log();
        assert!(
            !log.contains("MP50") && !log.contains(TOKEN),
            "{plane}: {log}"
        );
    }
}

/// Replaces a token as the kubelet does: by a link to the folder with all new files.
fn project(folder: &Path, token: &str) {
    let next = format!("..{token}");
    fs::create_dir(folder.join(&next)).unwrap();
    fs::write(folder.join(&next).join("token"), token).unwrap();
    symlink(&next, folder.join("..new")).unwrap();
    fs::rename(folder.join("..new"), folder.join("..data")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_stream_shows_the_token_that_the_file_holds_by_then() {
    const NEXT: &str = "fedcba9876543210";
    for plane in Plane::ALL {
        let mut rig = Secured::start(Some("0123456789abcdef curl/curl")).await;
        let projected = tempfile::tempdir().unwrap();
        project(projected.path(), TOKEN);
        symlink("..data/token", projected.path().join("token")).unwrap();
        let at = |path: PathBuf| path.display().to_string();
        let file = TokenFile {
            path: at(projected.path().join("token")),
            sds_path: at(rig.folder.path().join("sds.yaml")),
        };
        fs::write(&file.sds_path, file.sds().to_string()).unwrap();
        let tls = Some(rig.tls(&rig.ca, None, None));
        let token = Some(Credential::File(file));
        let Some(sidecar) = Sidecar::launch(plane, &rig.control_plane, "curl/curl", tls, token)
        else {
            continue;
        };
        rig.mirrors(&sidecar).await;

        // An open stream goes on; the next one is another matter.
        project(projected.path(), NEXT);
        rig.control_plane.kill();
        put(rig.folder.path(), "tokens", &format!("{NEXT} curl/curl"));
        let before = rig.control_plane.log().matches("stream opened").count();
        rig.control_plane.restart().await;
        eventually(format_args!("{plane} shows the new token"), || async {
            let opened = rig.control_plane.log().matches("stream opened").count();
            (opened > before).then_some(())
        })
        .await;
        let log = rig.control_plane.log();
        assert!(
            !log.contains(TOKEN) && !log.contains(NEXT),
            "{plane}: {log}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_may_not_be_who_it_says_gets_nothing() {
    let foreign = Authority::new("the CA");
    let tokens = Some("0123456789abcdef curl/curl");
    for plane in Plane::ALL {
        for (tokens, client, token, says) in [
            (None, None, None, "handshake failed"),
            (None, Some(foreign.client(NODE)), None, "handshake failed"),
            (
                tokens,
                None,
                None,
                "neither a client certificate nor a token",
            ),
            (
                tokens,
                None,
                Some("0123456789abcdee"),
                "the token is not known",
            ),
        ] {
            let rig = Secured::start(tokens).await;
            let tls = rig.tls(&rig.ca, client.as_ref(), None);
            refused(&rig, plane, tls, token, says).await;
        }
        let rig = Secured::start(None).await;
        for (client, says) in [
            (rig.ca.client_until(NODE, 2021), "handshake failed"),
            (
                rig.ca.client("spiffe://mesh/ns/curl/node/x"),
                "of another node",
            ),
        ] {
            let tls = rig.tls(&rig.ca, Some(&client), None);
            refused(&rig, plane, tls, None, says).await;
        }
    }
}

async fn refused(rig: &Secured, plane: Plane, tls: Tls, token: Option<&str>, says: &str) {
    let Some(sidecar) = rig.launch(plane, tls, token) else {
        return;
    };
    rig.control_plane.logged(says).await;
    let log = rig.control_plane.log();
    assert!(log.contains("MP504"), "{plane}: {log}");
    assert!(
        TcpStream::connect(sidecar.proxy).await.is_err(),
        "{plane} was told something: {says}"
    );
}
