//! The table.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::loads::{Load, Outcome};
use super::trouble::Trouble;

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Row {
    /// Nothing is mirrored, at that turn of a round: what these differ by is the noise of the run.
    Base(char),
    Trouble(Trouble),
}

impl Row {
    pub(crate) fn trouble(self) -> Trouble {
        match self {
            Self::Base(_) => Trouble::NotMirrored,
            Self::Trouble(trouble) => trouble,
        }
    }

    fn title(self) -> String {
        match self {
            Self::Base(turn) => format!("… {turn}"),
            Self::Trouble(trouble) => trouble.says().to_owned(),
        }
    }
}

/// What was seen of one trouble, over all kinds of requests.
#[derive(Debug, Default)]
struct Seen {
    failures: Vec<String>,
    latencies: BTreeMap<Load, Vec<Duration>>,
    copies: u64,
    memory: u64,
}

/// What was seen of all.
#[derive(Debug, Default)]
pub(crate) struct Report(BTreeMap<Row, Seen>);

impl Report {
    pub(crate) fn failures(&mut self, row: Row, failures: Vec<String>) {
        self.0.entry(row).or_default().failures.extend(failures);
    }

    pub(crate) fn add(&mut self, row: Row, load: Load, outcome: Outcome) {
        self.failures(row, outcome.failures);
        let seen = self.0.entry(row).or_default();
        let latencies = seen.latencies.entry(load).or_default();
        latencies.extend(outcome.latencies);
    }

    /// Copies under way and the sidecar's memory in KiB; the most of each counts.
    pub(crate) fn peaks(&mut self, row: Row, copies: u64, memory: u64) {
        let seen = self.0.entry(row).or_default();
        seen.copies = seen.copies.max(copies);
        seen.memory = seen.memory.max(memory);
    }

    /// The latency that so many per cent of the requests did not exceed, in milliseconds.
    fn percentile<'a>(
        &self,
        rows: impl IntoIterator<Item = &'a Row>,
        load: Load,
        percent: usize,
    ) -> Option<f64> {
        let of = |row| Some(self.0.get(row)?.latencies.get(&load)?.iter());
        let mut latencies: Vec<_> = rows.into_iter().filter_map(of).flatten().collect();
        latencies.sort();
        let rank = (latencies.len() * percent).div_ceil(100).max(1);
        Some(latencies.get(rank - 1)?.as_secs_f64() * 1000.0)
    }

    /// The rows without a mirror.
    fn bases(&self) -> impl Iterator<Item = &Row> {
        self.0.keys().filter(|row| matches!(row, Row::Base(_)))
    }

    fn base(&self, load: Load, percent: usize) -> Option<f64> {
        self.percentile(self.bases(), load, percent)
    }

    /// The factor by which the 99th percentiles of rows without a mirror differ, each of as many requests as any other row.
    fn noise(&self, load: Load) -> Option<f64> {
        let p99 = |row| self.percentile([row], load, 99);
        let most = self.bases().filter_map(p99).max_by(f64::total_cmp)?;
        let least = self.bases().filter_map(p99).min_by(f64::total_cmp)?;
        Some(most / least)
    }

    /// The median and the 99th percentile as multiples of those without a mirror.
    fn cell(&self, row: Row, load: Load) -> Option<String> {
        let ratio =
            |percent| Some(self.percentile([&row], load, percent)? / self.base(load, percent)?);
        let (p50, p99) = (ratio(50)?, ratio(99)?);
        Some(match row {
            Row::Trouble(_) if p99 > self.noise(load)?.max(1.05) => {
                format!("{p50:.2} / **{p99:.2}**")
            }
            _ => format!("{p50:.2} / {p99:.2}"),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| The shadow | Answered |")?;
        for load in Load::ALL {
            write!(f, " {} |", load.title())?;
        }
        writeln!(f, " Copies | Memory |")?;
        writeln!(f, "|---|---|{}---|---|", "---|".repeat(Load::ALL.len()))?;
        write!(f, "| is not mirrored to | |")?;
        for load in Load::ALL {
            match (self.base(load, 50), self.base(load, 99)) {
                (Some(p50), Some(p99)) => write!(f, " {p50:.2} / {p99:.2} ms |")?,
                _ => write!(f, " |")?,
            }
        }
        writeln!(f, " | |")?;
        for (row, seen) in &self.0 {
            let good: usize = seen.latencies.values().map(Vec::len).sum();
            let all = good + seen.failures.len();
            write!(f, "| {} | {good} of {all} |", row.title())?;
            for load in Load::ALL {
                write!(f, " {} |", self.cell(*row, load).unwrap_or_default())?;
            }
            writeln!(f, " {} | {} MiB |", seen.copies, seen.memory / 1024)?;
        }
        for (row, seen) in &self.0 {
            for failure in seen.failures.iter().take(3) {
                writeln!(f, "\nnot answered, the shadow {}: {failure}", row.title())?;
            }
        }
        Ok(())
    }
}
