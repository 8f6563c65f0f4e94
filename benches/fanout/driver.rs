//! One run: every server in turn, round after round, under the same load.

use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use mirrorplane::snapshot::ResourceType;
use tokio::process::Command;
use tokio::time::Instant;

use crate::control;
use crate::fleet::Fleet;
use crate::fleet::Plan;
use crate::mesh::Size;
use crate::mesh::State;
use crate::prepared;
use crate::prepared::Prepared;
use crate::process::Process;
use crate::report::Figures;
use crate::report::Pushed;
use crate::report::Report;
use crate::sidecar::Variant;

/// Run every server under the same load and compare them
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) size: Size,
    /// Variants of the protocol
    #[arg(long, value_delimiter = ',', default_value = "sotw,delta")]
    pub(crate) variants: Vec<Variant>,
    /// Servers
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "mirrorplane,go-linear,go-snapshot,floor"
    )]
    pub(crate) servers: Vec<Server>,
    /// How often each server is started
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// Changes of each kind per round
    #[arg(long, default_value_t = 4)]
    pub(crate) changes: usize,
    /// Bytes of extensions in each node message; Envoy 1.40 sends 60000
    #[arg(long, default_value_t = 60_000)]
    pub(crate) ballast: usize,
    /// The program of benches/fanout/go
    #[arg(long, env = "FANOUT_GO", value_name = "FILE")]
    pub(crate) go: Option<PathBuf>,
    /// Where the figures go, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// `cargo bench` passes it
    #[arg(long, hide = true)]
    bench: bool,
}

/// A server under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Server {
    /// This control plane.
    Mirrorplane,
    /// go-control-plane, LinearCache.
    GoLinear,
    /// go-control-plane, SnapshotCache.
    GoSnapshot,
    /// A bare tonic server.
    Floor,
}

impl Server {
    /// In words.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mirrorplane => "mirrorplane",
            Self::GoLinear => "go-linear",
            Self::GoSnapshot => "go-snapshot",
            Self::Floor => "floor",
        }
    }

    fn command(self, args: &Args, prepared: &Path, address: SocketAddr) -> anyhow::Result<Command> {
        let go = || {
            args.go
                .as_ref()
                .context("--go FILE: see benches/fanout/run")
        };
        let mut command = match self {
            Self::Mirrorplane | Self::Floor => Command::new(std::env::current_exe()?),
            Self::GoLinear | Self::GoSnapshot => Command::new(go()?),
        };
        match self {
            Self::Mirrorplane => {
                command.arg("mirrorplane");
                command.arg(format!("--streams={}", args.size.streams));
                command.arg(format!("--rules={}", args.size.rules));
            }
            Self::Floor => drop(command.arg("floor")),
            Self::GoLinear => drop(command.arg("--cache=linear")),
            Self::GoSnapshot => drop(command.arg("--cache=snapshot")),
        }
        if self != Self::Mirrorplane {
            command.arg(format!("--prepared={}", prepared.display()));
        }
        command.arg(format!("--groups={}", args.size.groups));
        command.arg(format!("--address={address}"));
        Ok(command)
    }
}

/// The whole run.
pub(crate) async fn run(args: &Args) -> anyhow::Result<Report> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("prepared");
    prepared::write(&file, args.size)?;
    let prepared = Prepared::read(&file, args.size.groups)?;
    let mut report = Report::default();
    for &variant in &args.variants {
        for round in 0..args.rounds {
            for &server in &args.servers {
                eprintln!("{} {} round {}", variant.name(), server.name(), round + 1);
                let figures = measure(args, server, variant, &file, &prepared).await;
                let figures = figures.with_context(|| server.name())?;
                report.add(variant, server, figures);
            }
        }
    }
    Ok(report)
}

async fn measure(
    args: &Args,
    server: Server,
    variant: Variant,
    file: &Path,
    prepared: &Prepared,
) -> anyhow::Result<Figures> {
    let size = args.size;
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut process = Process::start(server.command(args, file, any)?).await?;
    process.quiet().await?;
    let (rss, cpu) = (process.rss()?, process.cpu()?);

    let plan = Plan {
        server: process.address,
        variant,
        ballast: args.ballast,
    };
    let start = Instant::now();
    let fleet = Fleet::start(&plan, size.streams, size.groups);
    fleet.configured().await?;
    let first = start.elapsed();
    process.quiet().await?;
    let start_cpu = process.cpu()? - cpu;
    // A collector of garbage gets a moment.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let idle = (process.rss()? - rss) / size.streams as f64;

    let mut state = State::default();
    let (mut percent, mut route) = (Pushed::default(), Pushed::default());
    // The first of each kind warms up.
    for change in 0..=args.changes {
        for (ty, pushed) in [
            (ResourceType::Runtime, &mut percent),
            (ResourceType::Route, &mut route),
        ] {
            let before = state;
            match ty {
                ResourceType::Runtime => state.percent ^= true,
                _ => state.route ^= true,
            }
            let command = control::command(before, state).context("no change")?;
            let bodies =
                (0..size.groups).map(|group| prepared.of(state, group, ty)[0].body.clone());
            let (cpu, received) = (process.cpu()?, fleet.received());
            fleet.expect(ty, bodies.collect());
            let making = process.obey(command).await?;
            let spread = fleet.accepted().await?;
            process.quiet().await?;
            if change > 0 {
                let bytes = fleet.received().0 - received.0;
                let responses = fleet.received().1 - received.1;
                let streams = size.streams as f64;
                pushed.add(
                    &spread.accepted,
                    process.cpu()? - cpu,
                    making,
                    bytes as f64 / streams,
                    responses as f64 / streams,
                );
            }
        }
    }
    anyhow::ensure!(fleet.lost() == 0, "{} streams were lost", fleet.lost());
    let peak = process.peak_rss()?;

    let address = process.address;
    let start = Instant::now();
    process.kill().await?;
    fleet.cut().await?;
    let process = Process::start(server.command(args, file, address)?).await?;
    fleet.configured().await?;
    let storm = start.elapsed();
    let storm_peak = process.peak_rss()?;
    fleet.stop().await;
    process.kill().await?;
    Ok(Figures {
        first_configuration: first.as_secs_f64(),
        first_cpu: start_cpu,
        idle_bytes_per_stream: idle,
        peak_rss: peak,
        percent,
        route,
        storm: storm.as_secs_f64(),
        storm_peak_rss: storm_peak,
    })
}
