//! `mirrorplane check`.

use std::io;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use super::capture::CaptureMode;
use super::output;
use super::output::Format;
use crate::diag::Report;
use crate::diag::Severity;
use crate::pipeline::Pipeline;
use crate::source;

/// Say what is wrong with a folder of objects
///
/// Exits with 0 if nothing is, 1 if there are errors, 2 if the folder cannot be read.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mirrorplane check ./mesh
  mirrorplane check ./mesh --output json | jq -r '.diagnostics[].code'
  mirrorplane check ./mesh --deny-warnings")]
pub(super) struct Args {
    /// Folder of YAML and JSON files
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// How sidecars get hold of their applications' requests, unless a Pod says otherwise
    #[arg(long, value_enum, default_value_t = CaptureMode::Explicit)]
    capture: CaptureMode,
    /// Form of the report
    #[arg(long, short, value_enum, default_value_t = Format::Text)]
    output: Format,
    /// Exit with 1 for warnings too
    #[arg(long)]
    deny_warnings: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let folder = source::open(&args.directory)
        .with_context(|| format!("cannot read {}", args.directory.display()))?;
    let mut report = folder.report.clone();
    let step = Pipeline::new(args.capture.settings()).step(&folder.objects);
    output::ensure_served(&step)?;
    report.merge(step.report);

    let (errors, warnings) = (
        report.count(Severity::Error),
        report.count(Severity::Warning),
    );
    match args.output {
        Format::Text => text(&report)?,
        format => {
            let diagnostics: Vec<_> = report.iter().collect();
            let summary = serde_json::json!({
                "diagnostics": diagnostics,
                "errors": errors,
                "warnings": warnings,
                "objects": folder.objects.len(),
            });
            output::print_as(format, &summary)?;
        }
    }
    output::talk(format_args!(
        "{}: {}, {}, {}",
        args.directory.display(),
        output::count(folder.objects.len(), "object"),
        output::count(errors, "error"),
        output::count(warnings, "warning"),
    ));
    let failed = errors > 0 || (args.deny_warnings && warnings > 0);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn text(report: &Report) -> anyhow::Result<()> {
    let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    for diagnostic in report {
        if colour {
            output::print(diagnostic.coloured())?;
        } else {
            output::print(diagnostic)?;
        }
    }
    Ok(())
}
