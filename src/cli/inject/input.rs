//! The manifests that `inject` is given.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::bail;

/// The texts of files, of the files of folders in the order of their names, and of stdin.
pub(super) fn read(paths: &[PathBuf], recursive: bool) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let mut texts = Vec::new();
    for path in paths {
        if path == Path::new("-") {
            let mut text = String::new();
            let mut stdin = std::io::stdin().lock();
            stdin
                .read_to_string(&mut text)
                .context("cannot read stdin")?;
            texts.push((PathBuf::from("<stdin>"), text));
        } else if path.is_dir() {
            let before = texts.len();
            folder(path, recursive, &mut texts)?;
            if texts.len() == before {
                bail!("{}: no file ends in .yaml, .yml or .json", path.display());
            }
        } else {
            texts.push((path.clone(), text(path)?));
        }
    }
    Ok(texts)
}

fn folder(path: &Path, recursive: bool, texts: &mut Vec<(PathBuf, String)>) -> anyhow::Result<()> {
    let cannot = || format!("cannot read {}", path.display());
    let entries = fs::read_dir(path).with_context(cannot)?;
    let mut entries: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .with_context(cannot)?;
    entries.sort();
    for entry in entries {
        let extension = entry.extension().and_then(|extension| extension.to_str());
        // Links to folders could lead round in circles.
        if entry.is_dir() {
            if recursive && !entry.is_symlink() {
                folder(&entry, recursive, texts)?;
            }
        } else if matches!(extension, Some("yaml" | "yml" | "json")) {
            texts.push((entry.clone(), text(&entry)?));
        }
    }
    Ok(())
}

fn text(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
