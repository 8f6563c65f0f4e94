//! `mirrorplane check`.

use std::io;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use super::capture::CaptureMode;
use super::input::Cluster;
use super::input::Input;
use super::output;
use super::output::Format;
use crate::diag::Code;
use crate::diag::Report;
use crate::diag::Severity;
use crate::pipeline::Pipeline;

/// Say what is wrong with the objects of a folder, or of the cluster
///
/// Exits with 0 if nothing is, 1 if there are errors, 2 if they cannot be read.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  mirrorplane check ./mesh
  mirrorplane check ./mesh --output json | jq -r '.diagnostics[].code'
  mirrorplane check ./mesh --deny-warnings
  mirrorplane check --context staging           what is wrong in that cluster")]
pub(super) struct Args {
    /// Folder of YAML and JSON files; without it the objects of the cluster are read
    #[arg(value_name = "DIR", conflicts_with = "cluster")]
    directory: Option<PathBuf>,
    #[command(flatten)]
    cluster: Cluster,
    /// How sidecars get hold of their applications' requests, unless a Pod says otherwise [default: explicit for a folder,
    /// transparent for the cluster]
    #[arg(long, value_enum)]
    capture: Option<CaptureMode>,
    /// Form of the report
    #[arg(long, short, value_enum, default_value_t = Format::Text)]
    output: Format,
    /// Exit with 1 for warnings too
    #[arg(long)]
    deny_warnings: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let input = Input::new(args.directory.clone(), args.cluster.clone());
    let capture = args.capture.unwrap_or(input.default_capture());
    let state = input.read()?;
    let mut report = state.report;
    let step = Pipeline::new(capture.settings()).step(&state.objects);
    output::ensure_served(&step)?;
    report.merge(step.report);
    let report = with_what_runs(&report);

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
                "objects": state.objects.len(),
            });
            output::print_as(format, &summary)?;
        }
    }
    output::talk(format_args!(
        "{}: {}, {}, {}",
        input,
        output::count(state.objects.len(), "object"),
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

/// Of what is said by one of these, a control plane that has seen a valid version keeps that.
const KEPT: [Code; 9] = [
    Code::Syntax,
    Code::Unreadable,
    Code::WrongType,
    Code::UnknownVersion,
    Code::UnknownSelectorField,
    Code::UnknownConfigKey,
    Code::ConfigKeyMissing,
    Code::BadConfigValue,
    Code::BadFraction,
];

/// The report, with what also happens where a control plane runs: nobody should take an edit that is invalid for the end of
/// a mirror.
fn with_what_runs(report: &Report) -> Report {
    let mut with = Report::default();
    for diagnostic in report {
        let mut diagnostic = diagnostic.clone();
        if KEPT.contains(&diagnostic.code) {
            (diagnostic.effect)
                .push_str("; a control plane that runs keeps the last valid version");
        }
        let is_any_unread = || report.iter().any(|one| KEPT.contains(&one.code));
        if diagnostic.code == Code::NoMeshConfig && is_any_unread() {
            (diagnostic.help)
                .push_str("; there may be one in what cannot be read, which is told too");
        }
        with.push(diagnostic);
    }
    with
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
