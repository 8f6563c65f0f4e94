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
    /// `iptables-restore` and `ip6tables-restore`.
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
}

impl Family {
    /// The tools that read and write its rules.
    fn tools(self) -> [&'static str; 2] {
        match self {
            Self::V4 => ["iptables-save", "iptables-restore"],
            Self::V6 => ["ip6tables-save", "ip6tables-restore"],
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
        let [_, restore] = Family::V4.tools();
        match (find("nft"), find(restore)) {
            (Some(_), _) => Ok(Self::Nft),
            (None, Some(_)) => Ok(Self::Iptables),
            (None, None) => Err(Error::Missing("nft")),
        }
    }
}

/// Puts the rules into force, in place of those that it put there before.
///
/// # Errors
///
/// If that is not permitted or fails. With `nft` nothing has changed then; with `iptables`, nothing in the family that failed.
pub fn apply(rules: &Rules, backend: Backend) -> Result<(), Error> {
    ensure_permitted()?;
    match backend {
        Backend::Nft => nft(&nftables::script(rules)),
        Backend::Iptables => each_family(|family, standing| {
            Ok(match standing {
                Some(standing) => iptables::script(rules, family, standing),
                None if rules.has(family) => return Err(Error::Missing(family.tools()[1])),
                None => None,
            })
        }),
    }
}

/// Takes away the rules that [`apply`] put there; of all backends that are installed, if none is named.
///
/// # Errors
///
/// If that is not permitted or fails.
pub fn remove(backend: Option<Backend>) -> Result<(), Error> {
    ensure_permitted()?;
    let named = backend.is_some();
    if backend != Some(Backend::Iptables) && (named || find("nft").is_some()) {
        nft(&nftables::removal())?;
    }
    if backend != Some(Backend::Nft) {
        each_family(|family, standing| match standing {
            Some(standing) => Ok(iptables::removal(standing)),
            None if named => Err(Error::Missing(family.tools()[1])),
            None => Ok(None),
        })?;
    }
    Ok(())
}

/// What [`apply`] tells the tools where no rules of ours are yet.
pub fn preview(rules: &Rules, backend: Backend) -> String {
    let families = || Family::ALL.into_iter().filter(|family| rules.has(*family));
    match backend {
        Backend::Nft => nftables::script(rules),
        Backend::Iptables => families()
            .filter_map(|family| {
                let [_, restore] = family.tools();
                let script = iptables::script(rules, family, Standing::default())?;
                Some(format!("# {restore} --noflush\n{script}"))
            })
            .collect(),
    }
}

/// Gives each family what `script` says, given what stands there; `None` if its tools are not installed.
fn each_family(
    script: impl Fn(Family, Option<Standing>) -> Result<Option<String>, Error>,
) -> Result<(), Error> {
    for family in Family::ALL {
        let [save, restore] = family.tools();
        let standing = match find(save) {
            Some(tool) => {
                let output = run(&tool, &["-t", "nat"], "")?;
                Some(Standing::read(&String::from_utf8_lossy(&output.stdout)))
            }
            None => None,
        };
        if let Some(script) = script(family, standing)? {
            let tool = find(restore).ok_or(Error::Missing(restore))?;
            run(&tool, &["--noflush", "--wait"], &script)?;
        }
    }
    Ok(())
}

fn nft(script: &str) -> Result<(), Error> {
    let tool = find("nft").ok_or(Error::Missing("nft"))?;
    run(&tool, &["-f", "-"], script).map(drop)
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
