//! What is counted of the configuration: how often it was loaded, how long that took, what was wrong with it.

use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use prometheus_client::registry::Unit;

use crate::diag::Code;
use crate::diag::Diagnostic;
use crate::snapshot::World;

/// Upper bounds, in seconds, of the time to build what is served.
const BUILD_SECONDS: [f64; 13] = [
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];

type Labels = [(&'static str, &'static str); 2];

/// The loads of the configuration in this process.
#[derive(Debug)]
pub struct Loads {
    loads: Counter,
    generation: Gauge,
    last: Gauge,
    build: Histogram,
    diagnostics: Family<Labels, Gauge>,
    groups: Gauge,
    nodes: Gauge,
}

impl Default for Loads {
    fn default() -> Self {
        Self {
            loads: Counter::default(),
            generation: Gauge::default(),
            last: Gauge::default(),
            build: Histogram::new(BUILD_SECONDS),
            diagnostics: Family::default(),
            groups: Gauge::default(),
            nodes: Gauge::default(),
        }
    }
}

fn labels(code: Code) -> Labels {
    [
        ("code", code.as_str()),
        ("severity", code.severity().as_str()),
    ]
}

impl Loads {
    /// Offers everything that is counted to a registry.
    pub fn register(&self, registry: &mut Registry) {
        let config = registry.sub_registry_with_prefix("config");
        config.register(
            "loads",
            "Times that a state of the sources was turned into what is served",
            self.loads.clone(),
        );
        config.register(
            "generation",
            "Number of the configuration that is served; 0 before the first",
            self.generation.clone(),
        );
        config.register_with_unit(
            "last_load_timestamp",
            "When the configuration that is served was loaded, in Unix time; 0 before the first",
            Unit::Seconds,
            self.last.clone(),
        );
        config.register_with_unit(
            "build_duration",
            "Time to resolve, translate and encode a configuration",
            Unit::Seconds,
            self.build.clone(),
        );
        config.register(
            "diagnostics",
            "What there is to say about the configuration now; 0 once it is repaired",
            self.diagnostics.clone(),
        );
        registry.register(
            "groups",
            "Sets of sidecars with the same configuration",
            self.groups.clone(),
        );
        registry.register(
            "nodes_known",
            "Sidecars that the configuration knows, connected or not",
            self.nodes.clone(),
        );
    }

    /// Number of the configuration that is served; 0 before the first.
    pub fn generation(&self) -> u64 {
        self.loads.get()
    }

    /// Counts everything that there is to say about the configuration now.
    pub fn diagnosed<'d>(&self, diagnostics: impl Iterator<Item = &'d Diagnostic>) {
        let mut counts = vec![0; Code::ALL.len()];
        for diagnostic in diagnostics {
            counts[diagnostic.code as usize] += 1;
        }
        for (code, count) in Code::ALL.iter().zip(counts) {
            // What was never the matter has no series, what was repaired has one at 0.
            if count > 0 || self.diagnostics.get(&labels(*code)).is_some() {
                self.diagnostics.get_or_create(&labels(*code)).set(count);
            }
        }
    }

    /// Counts a configuration that took so long to build, with everything that there is to say about it.
    pub fn loaded<'d>(
        &self,
        world: &World,
        diagnostics: impl Iterator<Item = &'d Diagnostic>,
        took: Duration,
    ) {
        self.diagnosed(diagnostics);
        self.groups.set(gauge(world.groups.len()));
        self.nodes.set(gauge(world.nodes.len()));
        self.build.observe(took.as_secs_f64());
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| now.as_secs());
        self.last.set(i64::try_from(now).unwrap_or(i64::MAX));
        self.loads.inc();
        self.generation.inc();
    }
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
