//! Runs the tools that put rules into force.

use std::env;
use std::fs;
use std::io;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::iptables::Standing;
use super::{Family, Rules, iptables, nftables};

/// Where tools are looked for after `PATH`, which often lacks them.
const FOLDERS: [&str; 2] = ["/usr/sbin", "/sbin"];
/// The number of CAP_NET_ADMIN (capabilities(7)).
const NET_ADMIN: u32 = 12;

/// The tools of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// `nft`.
    Nft,
    /// `iptables-restore` and `ip6tables-restore`; those named `legacy` where the others do not work.
    Iptables,
}

/// The rules are not, or not all, in force.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel would refuse.
    #[error("not permitted: run this as root, with the capability NET_ADMIN")]
    NotPermitted,
    /// A tool is not there.
    #[error("`{0}` is not installed: install nftables or iptables")]
    Missing(&'static str),
    /// A tool cannot be run.
    #[error("cannot run {}", .0.display())]
    NotRun(PathBuf, #[source] io::Error),
    /// A tool did not do what it was asked for.
    #[error("{} ended with {status}: {said}", .tool.display())]
    Failed {
        /// The tool.
        tool: PathBuf,
        /// How it ended.
        status: std::process::ExitStatus,
        /// What it said.
        said: String,
    },
    /// No tool works, each for its own reason.
    #[error("neither nft nor iptables works here: {nft}; {iptables}")]
    NoneWorks {
        /// What is the matter with `nft`.
        nft: Box<Error>,
        /// What is the matter with `iptables`.
        iptables: Box<Error>,
    },
}

impl Family {
    /// The tools that read and write its rules: those of the distribution's choice, which nowadays need nf_tables in the
    /// kernel, and those that never do.
    fn tools(self) -> [[&'static str; 2]; 2] {
        match self {
            Self::V4 => [
                ["iptables-save", "iptables-restore"],
                ["iptables-legacy-save", "iptables-legacy-restore"],
            ],
            Self::V6 => [
                ["ip6tables-save", "ip6tables-restore"],
                ["ip6tables-legacy-save", "ip6tables-legacy-restore"],
            ],
        }
    }
}

impl Backend {
    /// The one whose tools are installed; `nft` if both are.
    ///
    /// # Errors
    ///
    /// If none is.
    pub fn installed() -> Result<Self, Error> {
        match (find("nft"), has_iptables()) {
            (Some(_), _) => Ok(Self::Nft),
            (None, true) => Ok(Self::Iptables),
            (None, false) => Err(Error::Missing("nft")),
        }
    }

    /// The one that this kernel takes the rules from; `nft` if it takes them from both.
    fn working(rules: &Rules) -> Result<Self, Error> {
        let Err(nft) = nft(&["--check"], &nftables::script(rules)) else {
            return Ok(Self::Nft);
        };
        let mut families = Family::ALL.into_iter().filter(|family| rules.has(*family));
        match families.try_for_each(|family| standing(family).map(drop)) {
            Ok(()) => {
                if !matches!(nft, Error::Missing(_)) {
                    tracing::warn!("nft does not work here, iptables is used instead: {nft}");
                }
                Ok(Self::Iptables)
            }
            Err(Error::Missing(_)) => Err(nft),
            Err(iptables) => Err(Error::NoneWorks {
                nft: Box::new(nft),
                iptables: Box::new(iptables),
            }),
        }
    }
}

/// Puts the rules into force, in place of those that it put there before; with the backend that works, if none is named.
///
/// # Errors
///
/// If that is not permitted or fails. With `nft` nothing has changed then; with `iptables`, nothing in the family that failed.
pub fn apply(rules: &Rules, backend: Option<Backend>) -> Result<(), Error> {
    ensure_permitted()?;
    match backend.map_or_else(|| Backend::working(rules), Ok)? {
        Backend::Nft => nft(&[], &nftables::script(rules)),
        Backend::Iptables => each_family(|family, standing| match standing {
            Ok(standing) => Ok(iptables::script(rules, family, standing)),
            Err(error) if rules.has(family) => Err(error),
            // A kernel without the tables of a family has no rules of ours in them.
            Err(_) => Ok(None),
        }),
    }
}

/// Takes away the rules that [`apply`] put there; of all backends that work, if none is named.
///
/// # Errors
///
/// If that is not permitted or fails.
pub fn remove(backend: Option<Backend>) -> Result<(), Error> {
    ensure_permitted()?;
    if backend.is_none() {
        Backend::installed()?;
    }
    if backend == Some(Backend::Nft) || (backend.is_none() && find("nft").is_some()) {
        match nft(&[], &nftables::removal()) {
            // A kernel that takes no rules from it has none.
            Err(_) if backend.is_none() && has_iptables() => {}
            done => done?,
        }
    }
    if backend == Some(Backend::Nft) {
        return Ok(());
    }
    each_family(|family, standing| match standing {
        Ok(standing) => Ok(iptables::removal(standing)),
        Err(Error::Missing(_)) if backend.is_none() => Ok(None),
        // As above: IPv4 is there always, IPv6 need not be.
        Err(_) if family == Family::V6 => Ok(None),
        Err(error) => Err(error),
    })
}

/// What [`apply`] tells the tools where no rules of ours are yet.
pub fn preview(rules: &Rules, backend: Backend) -> String {
    let families = || Family::ALL.into_iter().filter(|family| rules.has(*family));
    match backend {
        Backend::Nft => nftables::script(rules),
        Backend::Iptables => families()
            .filter_map(|family| {
                let [[_, restore], _] = family.tools();
                let script = iptables::script(rules, family, Standing::default())?;
                Some(format!("# {restore} --noflush\n{script}"))
            })
            .collect(),
    }
}

/// Gives each family what `script` says, given what stands there, or why that cannot be told.
fn each_family(
    script: impl Fn(Family, Result<Standing, Error>) -> Result<Option<String>, Error>,
) -> Result<(), Error> {
    for family in Family::ALL {
        let (standing, restore) = match standing(family) {
            Ok((standing, restore)) => (Ok(standing), Some(restore)),
            Err(error) => (Err(error), None),
        };
        if let (Some(script), Some(restore)) = (script(family, standing)?, restore) {
            let tool = find(restore).ok_or(Error::Missing(restore))?;
            run(&tool, &["--noflush", "--wait"], &script)?;
        }
    }
    Ok(())
}

/// What stands in the tables of a family, and the tool that changes them.
fn standing(family: Family) -> Result<(Standing, &'static str), Error> {
    let read = |[save, restore]: [&'static str; 2]| {
        let tool = find(save).ok_or(Error::Missing(save))?;
        let output = run(&tool, &["-t", "nat"], "")?;
        let standing = Standing::read(&String::from_utf8_lossy(&output.stdout));
        Ok((standing, restore))
    };
    let [usual, legacy] = family.tools();
    read(usual).or_else(|error| match (&error, read(legacy)) {
        (_, Ok(found)) => Ok(found),
        // What failed says more than what is not there.
        (Error::Missing(_), Err(other @ Error::Failed { .. })) => Err(other),
        (_, Err(_)) => Err(error),
    })
}

fn has_iptables() -> bool {
    let tools = Family::V4.tools();
    tools.iter().any(|[_, restore]| find(restore).is_some())
}

fn nft(options: &[&str], script: &str) -> Result<(), Error> {
    let tool = find("nft").ok_or(Error::Missing("nft"))?;
    run(&tool, &[options, &["-f", "-"]].concat(), script).map(drop)
}

/// Runs a tool with this input.
fn run(tool: &Path, arguments: &[&str], input: &str) -> Result<Output, Error> {
    let not_run = |error| Error::NotRun(tool.to_owned(), error);
    let mut child = Command::new(tool)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(not_run)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A tool that ends before it has read everything says why.
        stdin.write_all(input.as_bytes()).ok();
    }
    let output = child.wait_with_output().map_err(not_run)?;
    if output.status.success() {
        return Ok(output);
    }
    Err(Error::Failed {
        tool: tool.to_owned(),
        status: output.status,
        said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

fn find(tool: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(FOLDERS.map(PathBuf::from));
    folders
        .map(|folder| folder.join(tool))
        .find(|file| file.is_file())
}

/// The tools say it too, each in its own words and some after they have done a part.
fn ensure_permitted() -> Result<(), Error> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    match may_administrate(&status) {
        Some(false) => Err(Error::NotPermitted),
        // Not known: the tools will say it.
        Some(true) | None => Ok(()),
    }
}

/// Whether a process has CAP_NET_ADMIN, by its `/proc/PID/status`.
fn may_administrate(status: &str) -> Option<bool> {
    let mut lines = status.lines();
    let effective = lines.find_map(|line| line.strip_prefix("CapEff:"))?;
    let bits = u64::from_str_radix(effective.trim(), 16).ok()?;
    Some(bits >> NET_ADMIN & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::may_administrate;

    #[test]
    fn the_capability_is_a_bit_of_the_status() {
        for (status, expected) in [
            ("Name:\tx\nCapEff:\t0000000000001000\n", Some(true)),
            ("CapEff:\t000001ffffffffff\n", Some(true)),
            ("CapEff:\t0000000000000000\n", Some(false)),
            ("CapEff:\t00000000a80425fb\n", Some(false)),
            ("", None),
        ] {
            assert_eq!(may_administrate(status), expected, "{status}");
        }
    }
}
