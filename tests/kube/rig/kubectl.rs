//! kubectl, as a user types it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::{Cluster, DEADLINE};

/// How long a script may take.
const LONGEST_SCRIPT: Duration = Duration::from_secs(300);

/// What a command has said.
#[derive(Debug)]
pub(crate) struct Said {
    command: String,
    succeeded: bool,
    stdout: String,
    stderr: String,
}

impl Said {
    /// What it printed; it must have succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert!(self.succeeded, "{}\n{}", self.command, self.stderr);
        self.stdout
    }

    /// Why it failed; it must have.
    #[track_caller]
    pub(crate) fn refused(self) -> String {
        assert!(!self.succeeded, "{}\n{}", self.command, self.stdout);
        self.stderr
    }

    /// Whether it succeeded.
    pub(crate) fn succeeded(&self) -> bool {
        self.succeeded
    }

    /// What it printed, whether it succeeded or not.
    pub(crate) fn stdout(&self) -> &str {
        &self.stdout
    }

    /// What it printed for people beside its data, such as warnings.
    pub(crate) fn stderr(&self) -> &str {
        &self.stderr
    }
}

impl Cluster {
    /// Runs kubectl with all rights.
    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> Said {
        self.kubectl_with(arguments, "").await
    }

    /// Runs kubectl with this standard input.
    pub(crate) async fn kubectl_with(&self, arguments: &[&str], stdin: &str) -> Said {
        let mut command = self.command(&self.program("kubectl"));
        command.args(arguments);
        let said = format!("kubectl {}", arguments.join(" "));
        run(command, said, stdin, DEADLINE).await
    }

    /// Applies a manifest; it must be accepted.
    pub(crate) async fn apply(&self, manifest: &str) {
        self.kubectl_with(&["apply", "-f", "-"], manifest)
            .await
            .ok();
    }

    /// A shell script with `kubectl` in its path and the cluster as its default, which ends at the first failure.
    pub(crate) async fn shell(&self, script: &str) -> Said {
        let mut command = self.command(Path::new("bash"));
        command.args(["-euo", "pipefail", "-c", script]);
        run(command, script.to_owned(), "", LONGEST_SCRIPT).await
    }

    /// The path of a kubeconfig with the rights of a service account, by a token that is good for an hour.
    pub(crate) async fn kubeconfig_of(&self, namespace: &str, account: &str) -> PathBuf {
        let create = ["create", "token", account, "-n", namespace, "--duration=1h"];
        let token = self.kubectl(&create).await.ok();
        let text = std::fs::read_to_string(self.kubeconfig()).unwrap();
        let mut kubeconfig: Value = serde_json::from_str(&text).unwrap();
        kubeconfig["users"][0]["user"] = json!({"token": token.trim()});
        let path = self
            .folder()
            .join(format!("kubeconfig.{namespace}.{account}"));
        std::fs::write(&path, kubeconfig.to_string()).unwrap();
        path
    }

    fn command(&self, program: &Path) -> Command {
        let folder = self.program("kubectl").parent().unwrap().to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([folder].into_iter().chain(std::env::split_paths(&path)));
        let mut command = Command::new(program);
        command
            .env("KUBECONFIG", self.kubeconfig())
            .env("PATH", path.unwrap())
            // Its cache of what the server knows; without it the user's own.
            .env("KUBECACHEDIR", self.folder().join("kubectl"))
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

async fn run(mut command: Command, said: String, stdin: &str, longest: Duration) -> Said {
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let fed = async {
        // A program need not read what it is given.
        let unread = input.write_all(stdin.as_bytes()).await.is_err();
        drop(input);
        unread
    };
    let ended = timeout(longest, async {
        tokio::join!(fed, child.wait_with_output())
    })
    .await;
    let (_, output) = ended.unwrap_or_else(|_| panic!("still running: {said}"));
    let output = output.unwrap();
    Said {
        command: said,
        succeeded: output.status.success(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
