//! `mirrorplane stop` and `resume`, and what kubectl shows of them.

use std::process::Command;

use serde_json::json;

use super::{CONFIG, cluster, get, has, message};
use crate::rig::Cluster;
use crate::serve::Serve;
use crate::sidecar::ask;
use crate::source::mesh::config;

const WELL: &str =
    "Accepted=True:Accepted ResolvedRefs=True:ResolvedRefs Programmed=True:Programmed";
const STOPPED: &str =
    "Accepted=True:Accepted ResolvedRefs=True:ResolvedRefs Programmed=False:Stopped";

/// Runs the command; what it says, and its exit code.
pub(super) fn mirrorplane(cluster: &Cluster, arguments: &[&str]) -> (String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_mirrorplane"))
        .args(arguments)
        .env("KUBECONFIG", cluster.kubeconfig())
        .output()
        .unwrap();
    (
        String::from_utf8(output.stderr).unwrap(),
        output.status.code(),
    )
}

/// The columns of the mirror, as kubectl prints them.
async fn row(cluster: &Cluster) -> Vec<String> {
    let list = ["get", "pluginconfigs", "-n", "curl", "--no-headers"];
    let text = cluster.kubectl(&list).await.ok();
    text.split_whitespace().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_stop_is_seen_by_kubectl_and_ends_by_the_same_way() {
    let Some(cluster) = cluster().await else {
        return;
    };
    let control_plane = Serve::start::<&str>(&cluster, &[]).await;
    let sidecar = ask(&control_plane.address, "curl/curl", None)
        .await
        .unwrap();
    let _sidecar = sidecar.answering(true);
    has(&cluster, &CONFIG, WELL).await;
    let selections: [(&[&str], &str, &str); 4] = [
        (
            &["curl/traffic-mirror-config"],
            "`curl/traffic-mirror-config`",
            "its annotation: it hurts",
        ),
        (
            &["--namespace", "curl"],
            "the namespace `curl`",
            "the Namespace `curl`, in which it is: it hurts",
        ),
        (
            &["-n", "pipy"],
            "the namespace `pipy`",
            "in which its destination `pipy/pipy-ok-v1` is: it hurts",
        ),
        (
            &["--all"],
            "by the MeshConfig `osm-system/osm-mesh-config`",
            "the MeshConfig `osm-system/osm-mesh-config`, as all are: it hurts",
        ),
    ];
    for (selection, what, why) in selections {
        let stop = [&["stop", "--reason", "it hurts"], selection].concat();
        let (said, code) = mirrorplane(&cluster, &stop);
        assert_eq!(code, Some(0), "{said}");
        assert!(
            said.starts_with("stopped: ") && said.contains(what),
            "{said}"
        );
        let stopped = has(&cluster, &CONFIG, STOPPED).await;
        let reason = message(&stopped, "Programmed");
        assert!(
            reason.starts_with("on 1 of 1 sidecars; MP701: ") && reason.contains(why),
            "{reason}"
        );
        assert_eq!(stopped["status"]["currentStatus"], "Stopped");
        assert_eq!(
            row(&cluster).await[1..5],
            ["False", "pipy/pipy-ok-v2:8080", "0%", "1/1"]
        );
        // An edit of the share does not start it again.
        cluster.apply_all(&[config(&json!(0.5))]).await;
        has(&cluster, &CONFIG, STOPPED).await;
        assert_eq!(get(&cluster, &CONFIG).await["status"]["share"], "0%");

        let resume = [&["resume"], selection].concat();
        let (said, code) = mirrorplane(&cluster, &resume);
        assert_eq!(code, Some(0), "{said}");
        assert!(
            said.starts_with("resumed: ") && said.contains(what),
            "{said}"
        );
        has(&cluster, &CONFIG, WELL).await;
        assert_eq!(row(&cluster).await[3], "50%");
        let (said, code) = mirrorplane(&cluster, &resume);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("stops nothing as it is"), "{said}");
    }
}

#[tokio::test]
async fn a_stop_of_what_is_not_there_says_so_and_stops_the_others() {
    let Some(cluster) = cluster().await else {
        return;
    };
    let names = ["stop", "curl/nobody", "curl/traffic-mirror-config"];
    let (said, code) = mirrorplane(&cluster, &names);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("there is no PluginConfig `curl/nobody`")
            && said.contains("stopped: `curl/traffic-mirror-config`")
            && said.contains("1 object left as they were"),
        "{said}"
    );
    let stopped = get(&cluster, &CONFIG).await;
    assert_eq!(
        stopped["metadata"]["annotations"]["mirrorplane.io/stop"], "",
        "{stopped}"
    );
    let gone = [
        "delete",
        "meshconfig",
        "osm-mesh-config",
        "-n",
        "osm-system",
    ];
    cluster.kubectl(&gone).await.ok();
    let (said, code) = mirrorplane(&cluster, &["stop", "--all"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("there is no MeshConfig"), "{said}");
}
