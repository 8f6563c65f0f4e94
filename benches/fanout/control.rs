//! How the driver talks to a server under test: lines on its stdin and stdout.
//!
//! The server prints `ready ADDRESS` once, and `done NANOSECONDS` when a command has taken effect on what it serves: the
//! CPU time that it took to make the new resources, 0 for a server that has them prepared.
//!
//! | Command | |
//! |---|---|
//! | `percent 0.25`, `percent 0.5` | the share of the first rule |
//! | `route off`, `route on` | the other virtual address of the first destination |
//! | `quit` | the end; so is the end of stdin |

use std::fs;
use std::net::SocketAddr;
use std::thread;

use anyhow::bail;
use tokio::sync::mpsc;

use crate::mesh::State;

/// The lines that change `from` into `to`.
pub(crate) fn command(from: State, to: State) -> Option<&'static str> {
    match (from.percent != to.percent, from.route != to.route) {
        (true, false) => Some(if to.percent {
            "percent 0.5"
        } else {
            "percent 0.25"
        }),
        (false, true) => Some(if to.route { "route on" } else { "route off" }),
        _ => None,
    }
}

/// Obeys until the end.
pub(crate) async fn obey(
    address: SocketAddr,
    mut change: impl FnMut(State) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    println!("ready {address}");
    let mut state = State::default();
    let (sender, mut lines) = mpsc::channel(1);
    // The thread ends with the process, or when nobody wants its lines.
    thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    while let Some(line) = lines.recv().await {
        let line = line?;
        match line.as_str() {
            "percent 0.25" => state.percent = false,
            "percent 0.5" => state.percent = true,
            "route off" => state.route = false,
            "route on" => state.route = true,
            "quit" => break,
            _ => bail!("unknown command `{line}`"),
        }
        let before = thread_time()?;
        change(state)?;
        println!("done {}", thread_time()? - before);
    }
    Ok(())
}

/// Nanoseconds that this thread has run.
fn thread_time() -> anyhow::Result<u64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let first = text.split_whitespace().next().unwrap_or_default();
    Ok(first.parse()?)
}
