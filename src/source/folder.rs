//! A folder of files → one state of the world.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};
use std::fs;
use std::io;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use super::entry::Entry;
use super::filing::Filing;
use super::kind::Kind;
use super::objects::Objects;
use super::objects::State;
use super::parse::Parsed;
use super::parse::effect_on_file;
use super::parse::parse;
use super::walk;
use crate::diag::Code;
use crate::diag::Diagnostic;
use crate::diag::Document;
use crate::diag::FieldPath;
use crate::diag::Origin;
use crate::diag::Report;
use crate::name::Namespaced;

/// Larger files are not read: nobody writes them, and a link may lead anywhere.
const MAX_BYTES: u64 = 64 << 20;

/// What a folder holds: a state of the world, and what is wrong with its files.
///
/// It remembers what each file yielded, for the next [`read`].
#[derive(Clone, Debug, Default)]
pub struct Folder {
    /// The objects of all files.
    pub objects: Objects,
    /// What is wrong with the files, by place.
    pub report: Report,
    files: BTreeMap<PathBuf, File>,
}

impl Folder {
    /// What there is to publish of it.
    pub fn state(&self) -> State {
        State {
            objects: self.objects.clone(),
            report: self.report.clone(),
        }
    }
}

#[derive(Clone, Debug)]
struct File {
    /// Hash of the content that was parsed; `None` if there was none to parse.
    content: Option<u128>,
    parsed: Arc<Parsed>,
}

impl File {
    /// A file whose content cannot be used: its objects stay.
    fn kept(last: &[Entry], diagnostic: Diagnostic) -> Self {
        let mut report = Report::default();
        report.push(diagnostic);
        Self {
            content: None,
            parsed: Arc::new(Parsed {
                entries: last.to_vec(),
                report,
            }),
        }
    }
}

/// Reads a folder, or a single file, for the first time.
///
/// # Errors
///
/// If the folder itself cannot be listed, or the single file cannot be opened. Whatever is wrong within the folder is
/// told in the report instead.
pub fn open(path: &Path) -> io::Result<Folder> {
    if fs::metadata(path)?.is_dir() {
        fs::read_dir(path)?;
    } else {
        fs::File::open(path)?;
    }
    let mut folder = read(path, &Folder::default());
    if folder.objects.is_empty() && folder.report.is_empty() {
        folder.report.push(
            at_start(path, Code::NothingFound, "no object was found")
                .effect("nothing is mirrored")
                .help("files are read whose names end in `.yaml`, `.yml` or `.json`"),
        );
    }
    Ok(folder)
}

/// Reads a folder again. What was read before and has not changed is not parsed again; what cannot be read any more
/// stays as it was, and is reported; what is gone is gone.
pub fn read(path: &Path, previous: &Folder) -> Folder {
    let listing = walk::list(path);
    let mut report = Report::default();
    let mut files = BTreeMap::new();
    for (folder, error) in listing.unreadable {
        let below = previous.files.iter();
        let below: Vec<_> = below
            .filter(|(path, _)| path.starts_with(&folder))
            .collect();
        let effect = if below.is_empty() {
            "nothing in it has any effect until it is fixed"
        } else {
            "the last valid version of its files stays in force"
        };
        files.extend(
            below
                .into_iter()
                .map(|(path, file)| (path.clone(), file.clone())),
        );
        report.push(unreadable(&folder, &error).effect(effect));
    }
    for path in listing.files {
        if let Some(file) = read_file(&path, previous.files.get(&path)) {
            files.insert(path, file);
        }
    }
    merge(path, files, report)
}

/// Reads a file; `None` if it was removed after it had been listed.
fn read_file(path: &Path, previous: Option<&File>) -> Option<File> {
    let last = previous.map_or(&[][..], |file| file.parsed.entries.as_slice());
    match content(path) {
        // Some writers empty a file before they fill it. One that is meant to go is deleted.
        Ok(content) if content.is_empty() && !last.is_empty() => {
            let diagnostic = at_start(path, Code::Emptied, "the file is empty")
                .effect("the last valid version of the file stays in force")
                .help("delete the file if its objects are to go");
            Some(File::kept(last, diagnostic))
        }
        Ok(content) => {
            let hash = xxh3_128(&content);
            match previous {
                Some(file) if file.content == Some(hash) => Some(file.clone()),
                _ => Some(File {
                    content: Some(hash),
                    parsed: Arc::new(parse(path, &content, last)),
                }),
            }
        }
        Err(_) if is_gone(path) => None,
        Err(error) => {
            let diagnostic = unreadable(path, &error).effect(effect_on_file(last));
            Some(File::kept(last, diagnostic))
        }
    }
}

/// Whether the name itself is gone, and not only what it links to.
fn is_gone(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

fn content(path: &Path) -> io::Result<Vec<u8>> {
    // Asked before opening: opening a pipe waits for a writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut content = Vec::new();
    fs::File::open(path)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut content)?;
    if content.len() as u64 > MAX_BYTES {
        return Err(io::Error::other("larger than 64 MiB"));
    }
    Ok(content)
}

fn unreadable(path: &Path, error: &io::Error) -> Diagnostic {
    let message = format!("cannot be read: {error}");
    at_start(path, Code::Unreadable, message)
}

/// A diagnostic about a file as a whole.
fn at_start(path: &Path, code: Code, message: impl Into<String>) -> Diagnostic {
    let origin = Origin {
        object: None,
        document: Some(Arc::new(Document::new(path, "", 1))),
        within: Vec::new(),
    };
    Diagnostic::new(code, &origin, FieldPath::root(), message)
}

/// Puts the files together. Of two objects with the same name, the first in order of path and text wins.
fn merge(root: &Path, files: BTreeMap<PathBuf, File>, unreadable: Report) -> Folder {
    let mut objects = Objects::default();
    let mut diagnostics: Vec<Diagnostic> = unreadable.iter().cloned().collect();
    let filing = Filing::new(root, files.values().flat_map(|file| &file.parsed.entries));
    let mut first: HashMap<(Kind, Namespaced), Cow<'_, Entry>> = HashMap::new();
    for parsed in files.values().map(|file| &file.parsed) {
        diagnostics.extend(parsed.report.iter().cloned());
        diagnostics.extend(filing.doubt(&parsed.entries));
        for entry in parsed.entries.iter().map(|entry| filing.file(entry)) {
            match first.entry((entry.kind, entry.name.clone())) {
                Vacant(place) => {
                    entry.insert_into(&mut objects);
                    place.insert(entry);
                }
                Occupied(winner) => diagnostics.push(duplicate(&entry, winner.get())),
            }
        }
    }
    drop(first);
    diagnostics.sort_by(|a, b| a.place.cmp(&b.place));
    let mut report = Report::default();
    for diagnostic in diagnostics {
        report.push(diagnostic);
    }
    Folder {
        objects,
        report,
        files,
    }
}

fn duplicate(entry: &Entry, winner: &Entry) -> Diagnostic {
    let name = format!("{} {}", entry.kind.name(), entry.name);
    let message = match winner.origin.place(&FieldPath::root()) {
        Some(place) => format!("{name} stands already at {place}"),
        None => format!("{name} is there already"),
    };
    let path = FieldPath::of("metadata.name");
    Diagnostic::new(Code::Duplicate, &entry.origin, path, message)
        .effect("the first one is used, this one has no effect")
        .help("remove one of them, or rename it")
}
