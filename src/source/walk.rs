//! Which files of a folder are read.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

/// The files of a folder, and what could not be looked into.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Files with a name that ends in `.yaml`, `.yml` or `.json`.
    pub(super) files: Vec<PathBuf>,
    /// Folders that cannot be listed.
    pub(super) unreadable: Vec<(PathBuf, io::Error)>,
}

/// Lists a folder and the folders in it, sorted by name. A path that is a file yields itself.
///
/// Hidden entries are left out; so are, in a mounted ConfigMap, `..data` and what it points to, while the links into it
/// are followed. A folder that several links lead to is listed once, so that links in a circle end.
pub(super) fn list(root: &Path) -> Listing {
    let mut listing = Listing::default();
    match fs::metadata(root) {
        Ok(metadata) if metadata.is_dir() => {
            visit(root, &mut listing, &mut HashSet::new());
        }
        Ok(_) => listing.files.push(root.to_owned()),
        Err(error) => listing.unreadable.push((root.to_owned(), error)),
    }
    listing
}

/// How deep folders are followed. The limit of links in a path of most systems is near it.
const MAX_DEPTH: usize = 32;

fn visit(folder: &Path, listing: &mut Listing, seen: &mut HashSet<PathBuf>) {
    let mut pending = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = pending.pop() {
        match entries(&folder, seen) {
            Err(error) => listing.unreadable.push((folder, error)),
            Ok(names) => {
                for path in names {
                    // A dangling link is no folder: if it is named like a file of ours, reading it tells what is wrong.
                    if fs::metadata(&path).is_ok_and(|metadata| metadata.is_dir()) {
                        if depth < MAX_DEPTH {
                            pending.push((path, depth + 1));
                        }
                    } else if is_ours(&path) {
                        listing.files.push(path);
                    }
                }
            }
        }
    }
    listing.files.sort();
}

/// The visible entries of a folder; none if the folder was seen before.
fn entries(folder: &Path, seen: &mut HashSet<PathBuf>) -> io::Result<Vec<PathBuf>> {
    if !seen.insert(fs::canonicalize(folder)?) {
        return Ok(Vec::new());
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    // The last is visited first: of two links to a folder, the first in order of name is the one that is followed.
    paths.sort_by(|a, b| b.cmp(a));
    Ok(paths)
}

fn is_ours(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        ["yaml", "yml", "json"]
            .iter()
            .any(|ours| extension.eq_ignore_ascii_case(ours))
    })
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::list;

    #[test]
    fn hidden_entries_are_left_out_and_links_are_followed() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        fs::create_dir_all(at("..2024/x")).unwrap();
        fs::create_dir_all(at("a/b")).unwrap();
        symlink("..2024", at("..data")).unwrap();
        symlink("..data/link.yaml", at("link.yaml")).unwrap();
        symlink("nowhere.yaml", at("dangling.yaml")).unwrap();
        symlink("..", at("a/b/up")).unwrap();
        symlink(".", at("a/self")).unwrap();
        symlink("a", at("z")).unwrap();
        for file in [
            "..2024/link.yaml",
            "a/b/1.yml",
            "a/2.JSON",
            "a/.hidden.yaml",
            "a/notes.txt",
            "a/3.yaml~",
        ] {
            fs::write(at(file), "").unwrap();
        }
        let listing = list(root.path());
        let names: Vec<_> = listing
            .files
            .iter()
            .map(|path| path.strip_prefix(root.path()).unwrap().to_str().unwrap())
            .collect();
        assert_eq!(
            names,
            ["a/2.JSON", "a/b/1.yml", "dangling.yaml", "link.yaml"]
        );
        assert!(listing.unreadable.is_empty());
    }

    #[test]
    fn a_folder_that_is_not_there_is_told() {
        let root = tempfile::tempdir().unwrap();
        let listing = list(&root.path().join("missing"));
        assert_eq!(listing.unreadable.len(), 1);
        fs::write(root.path().join("one"), "").unwrap();
        assert_eq!(list(&root.path().join("one")).files.len(), 1);
    }
}
