//! The commands of the README's section on Kubernetes: every `shell` block of the page, in its order, in one shell.
//!
//! No container runs here: `kubectl exec` and `kubectl logs` are left out, the Pods are ready because the test says so, and
//! the control plane is a process of the test's own. Everything else is what a reader types, against a real API server.

use std::fs;
use std::path::Path;

use crate::chart::helm;
use crate::rig::{Cluster, Parts};
use crate::serve::Serve;

/// As on the page, but for the two commands that need a kubelet, and one that a reader repeats until it says something.
const KUBECTL: &str = r#"
kubectl() {
  case "$1" in
    exec | logs) echo "not without a kubelet: kubectl $*" ;;
    get)
      local said
      for _ in $(seq 200); do
        said="$(command kubectl "$@")" || true
        [[ "$said" == *pipy/pipy-ok-v2:8080* ]] && break
        sleep 0.3
      done
      echo "$said"
      ;;
    *) command kubectl "$@" ;;
  esac
}
set -x
"#;

fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}");
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in page.lines() {
        match (&mut open, line) {
            (None, line) if line == fence => open = Some(String::new()),
            (Some(_), "```") => blocks.extend(open.take()),
            (Some(block), line) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, _) => {}
        }
    }
    blocks
}

#[tokio::test]
async fn every_command_for_a_cluster_works() {
    let Some(helm) = helm() else {
        return;
    };
    let Some(cluster) = Cluster::own(Parts::Controllers).await else {
        return;
    };
    // Without injection, as the network of Pods is not there: a Pod is a caller whether it has a sidecar or not.
    let _serve = Serve::start::<&str>(&cluster, &[]).await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("README.md")).unwrap();
    let blocks = blocks(&page, "shell");
    assert!(blocks.len() > 8, "{blocks:?}");
    let helm = helm.parent().unwrap().display();
    let root = root.display();
    let program = Path::new(env!("CARGO_BIN_EXE_mirrorplane"));
    let program = program.parent().unwrap().display();
    let commands = blocks.concat();
    let script = format!("cd '{root}'\nPATH='{program}:{helm}':\"$PATH\"\n{KUBECTL}{commands}");
    let said = tokio::select! {
        said = cluster.shell(&script) => said.ok(),
        () = cluster.play_kubelet() => panic!("it plays for ever"),
    };
    for expected in [
        "deployment \"mirrorplane\" successfully rolled out",
        "meshconfig.config.openservicemesh.io/osm-mesh-config patched",
        "STATUS: deployed",
        "release \"mirrorplane\" uninstalled",
    ] {
        assert!(said.contains(expected), "no `{expected}` in\n{said}");
    }
    let mut rows = said
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|cells| cells.len() == 7 && cells[1] == "traffic-mirror-config");
    let row = row.unwrap_or_else(|| panic!("no row of the mirror in\n{said}"));
    // No container, no sidecar that has it.
    let shown = ["curl", "traffic-mirror-config", "False"];
    assert_eq!(row[..3], shown, "{said}");
    assert_eq!(row[3..6], ["pipy/pipy-ok-v2:8080", "100%", "0/0"], "{said}");
}
