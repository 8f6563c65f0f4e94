//! The figures: as a table, as JSON, and as ratios.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::driver::Server;
use crate::sidecar::Variant;

/// Changes of one kind.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Pushed {
    /// CPU seconds of the server for a change, of each.
    cpu: Vec<f64>,
    /// Those of them that went into making the resources, of each.
    making: Vec<f64>,
    /// Bytes that a stream received for a change, frames and all, of each.
    bytes: Vec<f64>,
    /// Responses that a stream received for a change, of each.
    responses: Vec<f64>,
    /// Seconds from the change to the first acceptance, of each.
    first: Vec<f64>,
    /// To half of them.
    p50: Vec<f64>,
    /// To 99 in a hundred.
    p99: Vec<f64>,
    /// To the last.
    last: Vec<f64>,
}

impl Pushed {
    /// CPU seconds of the server for sending a change, of each.
    fn sending(&self) -> Vec<f64> {
        let both = self.cpu.iter().zip(&self.making);
        both.map(|(cpu, making)| cpu - making).collect()
    }

    /// Takes a change; `accepted` is ascending.
    pub(crate) fn add(
        &mut self,
        accepted: &[Duration],
        cpu: f64,
        making: f64,
        bytes: f64,
        responses: f64,
    ) {
        let at = |share: f64| {
            let index = (accepted.len() as f64 * share) as usize;
            let index = index.min(accepted.len().saturating_sub(1));
            accepted.get(index).map_or(0.0, Duration::as_secs_f64)
        };
        self.cpu.push(cpu);
        self.making.push(making);
        self.bytes.push(bytes);
        self.responses.push(responses);
        self.first.push(at(0.0));
        self.p50.push(at(0.5));
        self.p99.push(at(0.99));
        self.last.push(at(1.0));
    }
}

/// One start of one server.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    /// Seconds until all sidecars were configured.
    pub(crate) first_configuration: f64,
    /// CPU seconds of the server for that.
    pub(crate) first_cpu: f64,
    /// Memory that an idle stream costs.
    pub(crate) idle_bytes_per_stream: f64,
    /// The most memory in use, before the storm.
    pub(crate) peak_rss: f64,
    /// A share changed.
    pub(crate) percent: Pushed,
    /// Routes changed.
    pub(crate) route: Pushed,
    /// Seconds from the end of the server to all sidecars being configured by the next.
    pub(crate) storm: f64,
    /// The most memory in use by the next.
    pub(crate) storm_peak_rss: f64,
}

/// Everything, by variant and server.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report(BTreeMap<&'static str, BTreeMap<&'static str, Vec<Figures>>>);

/// A row: what it is, its unit, its figures in a round.
type Row = (&'static str, &'static str, fn(&Figures) -> Vec<f64>);

const MILLI: f64 = 1e-3;
const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * 1024.0;

fn scaled(values: &[f64], unit: f64) -> Vec<f64> {
    values.iter().map(|value| value / unit).collect()
}

const ROWS: [Row; 22] = [
    ("percentage: CPU", "ms", |f| scaled(&f.percent.cpu, MILLI)),
    ("percentage: CPU to send", "ms", |f| {
        scaled(&f.percent.sending(), MILLI)
    }),
    ("percentage: bytes/stream", "B", |f| f.percent.bytes.clone()),
    ("percentage: responses", "", |f| f.percent.responses.clone()),
    ("percentage: first ACK", "ms", |f| {
        scaled(&f.percent.first, MILLI)
    }),
    ("percentage: p50 ACK", "ms", |f| {
        scaled(&f.percent.p50, MILLI)
    }),
    ("percentage: p99 ACK", "ms", |f| {
        scaled(&f.percent.p99, MILLI)
    }),
    ("percentage: last ACK", "ms", |f| {
        scaled(&f.percent.last, MILLI)
    }),
    ("route: CPU", "ms", |f| scaled(&f.route.cpu, MILLI)),
    ("route: CPU to send", "ms", |f| {
        scaled(&f.route.sending(), MILLI)
    }),
    ("route: bytes/stream", "B", |f| f.route.bytes.clone()),
    ("route: responses", "", |f| f.route.responses.clone()),
    ("route: first ACK", "ms", |f| scaled(&f.route.first, MILLI)),
    ("route: p50 ACK", "ms", |f| scaled(&f.route.p50, MILLI)),
    ("route: p99 ACK", "ms", |f| scaled(&f.route.p99, MILLI)),
    ("route: last ACK", "ms", |f| scaled(&f.route.last, MILLI)),
    ("start: all configured", "ms", |f| {
        vec![f.first_configuration / MILLI]
    }),
    ("start: CPU", "ms", |f| vec![f.first_cpu / MILLI]),
    ("memory: idle stream", "KiB", |f| {
        vec![f.idle_bytes_per_stream / KIB]
    }),
    ("memory: peak", "MiB", |f| vec![f.peak_rss / MIB]),
    ("storm: all configured", "ms", |f| vec![f.storm / MILLI]),
    ("storm: peak memory", "MiB", |f| {
        vec![f.storm_peak_rss / MIB]
    }),
];

impl Report {
    /// Takes one start of one server.
    pub(crate) fn add(&mut self, variant: Variant, server: Server, figures: Figures) {
        let servers = self.0.entry(variant.name()).or_default();
        servers.entry(server.name()).or_default().push(figures);
    }

    /// The medians, with ratios of mirrorplane to the better of go-control-plane's and to the floor.
    pub(crate) fn print(&self) {
        for (variant, servers) in &self.0 {
            println!(
                "\n{variant:<26}{:>13}{:>13}{:>13}{:>13}{:>9}{:>9}",
                "mirrorplane", "go-linear", "go-snapshot", "floor", "/ go", "/ floor"
            );
            for (name, unit, figures) in ROWS {
                let of = |server: Server| {
                    let rounds = servers.get(server.name())?;
                    median(rounds.iter().flat_map(figures).collect())
                };
                let own = of(Server::Mirrorplane);
                let go = [of(Server::GoLinear), of(Server::GoSnapshot)];
                let best = go.into_iter().flatten().min_by(f64::total_cmp);
                let cell = |value: Option<f64>| match value {
                    Some(value) => format!("{value:.1} {unit:<3}"),
                    None => String::new(),
                };
                let ratio = |other: Option<f64>| match own.zip(other) {
                    Some((own, other)) if other > 0.0 => format!("{:.2}", own / other),
                    _ => String::new(),
                };
                let floor = of(Server::Floor);
                println!(
                    "{name:<26}{:>13}{:>13}{:>13}{:>13}{:>9}{:>9}",
                    cell(own),
                    cell(go[0]),
                    cell(go[1]),
                    cell(floor),
                    ratio(best),
                    ratio(floor),
                );
            }
        }
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
