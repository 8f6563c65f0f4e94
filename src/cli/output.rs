//! What the commands print.

use std::fmt;
use std::io;
use std::io::Write;

use anyhow::Context;
use anyhow::bail;
use clap::ValueEnum;
use serde::Serialize;

use crate::pipeline::Step;

/// The form of data on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
    /// One YAML document
    Yaml,
}

/// Prints data.
pub(super) fn print(data: impl fmt::Display) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{data}")?;
    Ok(out.flush()?)
}

/// Prints data as JSON or YAML.
pub(super) fn print_as(format: Format, data: &impl Serialize) -> anyhow::Result<()> {
    match format {
        Format::Json => print(serde_json::to_string_pretty(data)?),
        Format::Text | Format::Yaml => print(
            serde_saphyr::to_string(data)
                .context("cannot write YAML")?
                .trim_end(),
        ),
    }
}

/// Says something to the person at the terminal.
pub(super) fn talk(text: impl fmt::Display) {
    // Nobody is left to be told when stderr is closed.
    writeln!(io::stderr().lock(), "{text}").ok();
}

/// Whether the reader of stdout went away, as `| head` does: that is no error.
pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// A number of things: `1 error`, `2 errors`.
pub(super) fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// What cannot be served is a fault of this program, whatever the objects say.
pub(super) fn ensure_served(step: &Step) -> anyhow::Result<()> {
    match step.faults.first() {
        Some((group, dangling)) => {
            bail!("what the group {group} was to be sent is not sound: {dangling:?}")
        }
        None => Ok(()),
    }
}
