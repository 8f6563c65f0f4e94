//! What callers notice of a shadow in trouble: every trouble under every kind of request, next to the same requests with
//! nothing mirrored. benches/README.md says more.

#![expect(clippy::print_stdout, reason = "the table")]
#![expect(clippy::print_stderr, reason = "progress")]
#![expect(
    clippy::unwrap_used,
    reason = "the rig of the tests: what cannot go on has failed"
)]

#[path = "../../tests/traffic/faults/field.rs"]
mod field;
#[path = "../../tests/traffic/faults/live.rs"]
mod live;
#[path = "../../tests/traffic/faults/loads.rs"]
mod loads;
mod report;
#[path = "../../tests/traffic/rig/mod.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod rig;
#[path = "../../tests/traffic/faults/trouble.rs"]
mod trouble;

use std::env;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use tokio::runtime::{Handle, Runtime};
use tokio::time::{Instant, sleep};

use self::field::Field;
use self::loads::{Callers, Load};
use self::report::{Report, Row};
use self::rig::sidecar::{Kind, Plane};
use self::trouble::Trouble;

/// What callers notice of a shadow in trouble
#[derive(Debug, Parser)]
struct Args {
    /// How often each kind of request meets each trouble; the troubles take turns
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// For how long each time, in milliseconds
    #[arg(long, default_value_t = 400)]
    slice: u64,
    /// How long the live service takes for an answer, in milliseconds
    #[arg(long, default_value_t = 10)]
    work: u64,
    /// The sidecars; the shim in one round
    #[arg(long, value_delimiter = ',', default_value = "envoy,shim")]
    sidecars: Vec<Sidecars>,
    /// Only these kinds of request
    #[arg(long, value_delimiter = ',')]
    loads: Vec<Load>,
    /// What `cargo bench` says
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sidecars {
    Envoy,
    Shim,
}

impl Args {
    /// All kinds of request, or those that were asked for.
    fn loads(&self) -> &[Load] {
        match &*self.loads {
            [] => &Load::ALL,
            some => some,
        }
    }
}

/// A sidecar with its callers, and how long a slice is.
#[derive(Debug)]
struct Stage {
    field: Field,
    callers: Arc<Callers>,
    slice: Duration,
}

/// Requests in a second: together with their copies a fraction of what two cores can do, so that what is measured is what
/// a shadow does to a caller and not how work is shared out.
fn rate(load: Load) -> u64 {
    match load {
        Load::Get => 400,
        Load::Post => 40,
        Load::LargePost => 5,
        Load::Chunked => 10,
        Load::GrpcCall => 200,
        Load::GrpcStream => 20,
        Load::WebSocket => 20,
    }
}

/// Longer where it takes many requests for a tail, and where there are few in a second.
fn length(load: Load, slice: Duration) -> Duration {
    match load {
        Load::Get | Load::Post | Load::LargePost | Load::Chunked => slice * 2,
        _ => slice,
    }
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if env::var_os(INSIDE).is_none() {
        return inside();
    }
    let shadows = machines_of_shadows()?;
    Runtime::new()?.block_on(run(&args, shadows.handle()))
}

async fn run(args: &Args, shadows_on: &Handle) -> anyhow::Result<()> {
    for sidecar in &args.sidecars {
        let (kind, rounds) = match sidecar {
            Sidecars::Envoy => (Kind::Envoy, args.rounds),
            Sidecars::Shim => (Kind::Shim, 1),
        };
        let plane = Plane { kind, delta: false };
        let field = Field::start(plane, Duration::from_millis(args.work), shadows_on)
            .await
            .context("MIRRORPLANE_ENVOY is not set")?;
        let stage = Stage {
            callers: Callers::new(field.sidecar.proxy),
            field,
            slice: Duration::from_millis(args.slice),
        };
        let begin = Instant::now();
        let mut report = Report::default();
        for round in 1..=rounds {
            for load in args.loads() {
                eprintln!("{kind:?}, round {round} of {rounds}: {}", load.title());
                for row in order(round) {
                    slice(&stage, row, *load, &mut report).await;
                }
            }
        }
        stage.field.assert_no_nack();
        println!(
            "{kind:?}, {rounds} rounds, {:.0} s\n\n{report}",
            begin.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

/// Set in the process that is inside.
const INSIDE: &str = "MIRRORPLANE_FAULTS_INSIDE";

/// Runs all again where packets are as large as on a network. The 64 KiB of the usual loopback fill a whole receive window,
/// and every now and then an upload waits 40 ms for an acknowledgement, mirrored or not.
fn inside() -> anyhow::Result<()> {
    let status = Command::new("unshare")
        .args(["--net", "--map-root-user", "sh", "-c"])
        .arg("ip link set lo mtu 1500 up && exec \"$0\" \"$@\"")
        .arg(env::current_exe()?)
        .args(env::args_os().skip(1))
        .env(INSIDE, "")
        .status()
        .context("unshare, of util-linux, makes the network namespace")?;
    anyhow::ensure!(status.success(), "{status}");
    Ok(())
}

/// The troubles in turn, and before every third of them nothing is mirrored for once. Each round begins elsewhere.
fn order(round: usize) -> Vec<Row> {
    let mut order = Vec::new();
    for (turn, troubles) in ('A'..).zip(Trouble::ALL.chunks(3)) {
        order.push(Row::Base(turn));
        order.extend(troubles.iter().copied().map(Row::Trouble));
    }
    let start = round * 5 % order.len();
    order.rotate_left(start);
    order
}

/// Threads for the work of shadows, which other machines do elsewhere: what they do here must not keep the sidecar or its
/// callers from a core.
fn machines_of_shadows() -> std::io::Result<Runtime> {
    let yielding = || {
        let thread = rustix::thread::gettid();
        rustix::process::setpriority_process(Some(thread), 19).expect("one's own priority");
    };
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .on_thread_start(yielding)
        .enable_all()
        .build()
}

/// Requests of one kind with one trouble, for a while.
async fn slice(stage: &Stage, row: Row, load: Load, report: &mut Report) {
    let Stage {
        field,
        callers,
        slice,
    } = stage;
    let trouble = row.trouble();
    let host = Field::host(trouble, load);
    let rate = rate(load);
    let period = Duration::from_secs(1) / u32::try_from(rate).unwrap();
    let count = usize::try_from(length(load, *slice).as_millis()).unwrap();
    let count = (count * usize::try_from(rate).unwrap() / 1000).max(2);
    // Opens the connections that nobody has used for a while.
    let opened = callers.drive(load, &host, 4, Duration::ZERO).await;
    report.failures(row, opened.failures);
    let flap = async {
        if trouble == Trouble::Flaps {
            field.flap().await;
        }
        std::future::pending::<()>().await;
    };
    let outcome = tokio::select! {
        outcome = callers.drive(load, &host, count, period) => Some(outcome),
        () = flap => None,
    };
    report.add(row, load, outcome.expect("a shadow flaps for ever"));
    // Not while requests are timed: Envoy's page of statistics takes one of the cores for milliseconds.
    let (copies, memory) = field
        .measure(trouble, load)
        .await
        .expect("the sidecar is alive");
    report.peaks(row, copies, memory);
    rest(field, trouble, load).await;
}

/// Until the copies are done, so that the next slice is not disturbed by them: those that wait for nothing but their end
/// disturb nobody.
async fn rest(field: &Field, trouble: Trouble, load: Load) {
    let patience = match trouble {
        Trouble::AnswersEndlessly => Duration::from_secs(6),
        _ => Duration::from_millis(50),
    };
    let until = Instant::now() + patience;
    while Instant::now() < until {
        match field.measure(trouble, load).await {
            Some((1.., _)) => sleep(Duration::from_millis(25)).await,
            _ => return,
        }
    }
}
