//! A server under test as a process: its commands, its time and its memory.

use std::fs;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::io::Lines;
use tokio::process::Child;
use tokio::process::ChildStdin;
use tokio::process::ChildStdout;
use tokio::process::Command;

/// Ticks per second in `/proc`: the same on every Linux.
const TICKS: f64 = 100.0;

/// A server is quiet when it has used no time for so long.
const QUIET: Duration = Duration::from_millis(300);

/// A running server.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts it, and waits until it is ready.
    pub(crate) async fn start(mut command: Command) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{command:?}"))?;
        let stdin = child.stdin.take().context("stdin")?;
        let mut stdout = BufReader::new(child.stdout.take().context("stdout")?).lines();
        let line = stdout.next_line().await?.unwrap_or_default();
        let address = line.strip_prefix("ready ").context("not ready")?.parse()?;
        Ok(Self {
            child,
            stdin,
            stdout,
            address,
        })
    }

    /// Has a command obeyed; the CPU seconds that it took to make the new resources.
    pub(crate) async fn obey(&mut self, command: &str) -> anyhow::Result<f64> {
        self.stdin
            .write_all(format!("{command}\n").as_bytes())
            .await?;
        let line = self.stdout.next_line().await?.unwrap_or_default();
        let nanoseconds: f64 = line
            .strip_prefix("done ")
            .with_context(|| format!("{command}: {line}"))?
            .parse()?;
        Ok(nanoseconds * 1e-9)
    }

    /// Ends it without a word to its clients.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("kill")
    }

    fn proc(&self, file: &str) -> anyhow::Result<String> {
        let id = self.child.id().context("the server ended")?;
        Ok(fs::read_to_string(format!("/proc/{id}/{file}"))?)
    }

    /// CPU seconds used so far, user and system.
    pub(crate) fn cpu(&self) -> anyhow::Result<f64> {
        let stat = self.proc("stat")?;
        // The name in parentheses may hold blanks; utime and stime are the 12th and 13th field after it.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: f64 = ticks.filter_map(|tick| tick.parse::<f64>().ok()).sum();
        Ok(ticks / TICKS)
    }

    /// Waits until the server rests.
    pub(crate) async fn quiet(&self) -> anyhow::Result<()> {
        let mut before = self.cpu()?;
        for _ in 0..100 {
            tokio::time::sleep(QUIET).await;
            let now = self.cpu()?;
            if now - before < 0.02 {
                return Ok(());
            }
            before = now;
        }
        anyhow::bail!("the server does not come to rest")
    }

    /// Memory in use now, in bytes.
    pub(crate) fn rss(&self) -> anyhow::Result<f64> {
        self.status("VmRSS:")
    }

    /// The most memory that was ever in use, in bytes.
    pub(crate) fn peak_rss(&self) -> anyhow::Result<f64> {
        self.status("VmHWM:")
    }

    fn status(&self, key: &str) -> anyhow::Result<f64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let kilobytes: f64 = line
            .and_then(|line| line.trim().strip_suffix(" kB"))
            .context("no such line")?
            .trim()
            .parse()?;
        Ok(kilobytes * 1024.0)
    }
}
