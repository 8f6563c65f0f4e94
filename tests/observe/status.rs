//! `mirrorplane status`, against a `mirrorplane serve` in a process of its own.

use std::net::SocketAddr;
use std::process::{Command, Output};

use mirrorplane::snapshot::ResourceType::Runtime;
use serde_json::Value;

use crate::client::Delta;
use crate::plane::{edit, example, get, until};
use crate::serve::Serve;

async fn status(admin: SocketAddr, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mirrorplane"));
    command.args(["status", "--admin", &format!("http://{admin}")]);
    command.args(args);
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    run.await.unwrap()
}

/// Exit code, stdout, stderr.
fn parts(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().unwrap();
    (code, text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn the_exit_code_says_whether_all_are_in_sync() {
    let folder = example();
    let serve = Serve::start(folder.path(), "info").await;
    until(|| async { get(serve.admin, "/readyz").await.0 == 200 }).await;
    let (code, out, err) = parts(&status(serve.admin, &[]).await);
    assert_eq!((code, &*out), (0, ""), "{err}");
    assert!(err.contains("0 sidecars connected"), "{err}");

    let mut client = Delta::open(serve.ads, "curl/curl").await;
    client.ask(Runtime, &["mirrorplane"]).await;
    let first = client.next().await;
    let (code, out, err) = parts(&status(serve.admin, &[]).await);
    assert_eq!(code, 1, "{out}{err}");
    let mut lines = out.lines();
    let columns = "NODE STATE CDS EDS LDS RDS RTDS VARIANT CLIENT PEER CONNECTED";
    let header: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(header.join(" "), columns);
    let row = lines.next().unwrap();
    assert!(row.starts_with("curl/curl  pending  -"), "{row}");
    assert!(row.contains("delta    envoy 1.40.2  127.0.0.1:"), "{row}");

    client.answer(&first, None).await;
    until(|| async { status(serve.admin, &[]).await.status.success() }).await;

    edit(folder.path(), "mirror.yaml", "value: 1.0", "value: 0.5");
    let second = client.next().await;
    client.answer(&second, Some("not that")).await;
    let rejected = |out: &str| out.contains(" rejected 0s ago: not that");
    until(|| async {
        let (code, out, _) = parts(&status(serve.admin, &["curl/curl"]).await);
        code == 1 && rejected(&out)
    })
    .await;

    let (code, out, _) = parts(&status(serve.admin, &["--output", "json"]).await);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &json["nodes"][0]["state"]), (1, &"rejected".into()));
    let (code, out, _) = parts(&status(serve.admin, &["--output", "yaml"]).await);
    assert_eq!(code, 1);
    assert_eq!(serde_saphyr::from_str::<Value>(&out).unwrap(), json);

    let (code, out, err) = parts(&status(serve.admin, &["pipy/pipy"]).await);
    assert_eq!((code, &*out), (1, ""));
    assert_eq!(err, "pipy/pipy is not connected\n");
}

#[tokio::test]
async fn a_control_plane_that_cannot_be_asked_is_no_answer() {
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let (code, out, err) = parts(&status(closed, &[]).await);
    assert_eq!((code, &*out), (2, ""));
    assert!(
        err.starts_with("error: cannot ask the control plane"),
        "{err}"
    );

    // The port of the sidecars is the wrong one.
    let folder = example();
    let serve = Serve::start(folder.path(), "info").await;
    let (code, out, err) = parts(&status(serve.ads, &[]).await);
    assert_eq!((code, &*out), (2, ""), "{err}");
}
