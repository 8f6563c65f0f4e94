//! Whether the files of a folder look as they did.

use std::fs;
use std::fs::Metadata;
use std::hash::Hash;
use std::hash::Hasher;
use std::path::Path;

use xxhash_rust::xxh3::Xxh3Default;

use super::walk;

/// What a folder looks like from outside: names, sizes and times, no content. Different if something was written,
/// replaced, renamed or removed, also behind links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The folder itself: another one if it was removed and made again.
    pub(super) root: u64,
    files: u64,
}

impl Stamp {
    pub(super) fn of(path: &Path) -> Self {
        let listing = walk::list(path);
        let mut files = Xxh3Default::new();
        for file in &listing.files {
            file.hash(&mut files);
            look(fs::metadata(file).ok().as_ref(), &mut files);
        }
        for (folder, _) in &listing.unreadable {
            folder.hash(&mut files);
        }
        let mut root = Xxh3Default::new();
        identity(fs::metadata(path).ok().as_ref(), &mut root);
        Self {
            root: root.finish(),
            files: files.finish(),
        }
    }
}

fn look(metadata: Option<&Metadata>, hasher: &mut impl Hasher) {
    identity(metadata, hasher);
    if let Some(metadata) = metadata {
        metadata.len().hash(hasher);
        metadata.modified().ok().hash(hasher);
        changed(metadata).hash(hasher);
    }
}

/// Which file it is. File systems give the number of a removed file to the next one, so the time of its creation counts
/// too, where it is known.
fn identity(metadata: Option<&Metadata>, hasher: &mut impl Hasher) {
    metadata
        .map(|metadata| (number(metadata), metadata.created().ok()))
        .hash(hasher);
}

#[cfg(unix)]
fn number(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

/// The time of the last change, which, unlike the time of modification, nobody can set back.
#[cfg(unix)]
fn changed(metadata: &Metadata) -> (i64, i64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.ctime(), metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn number(_: &Metadata) {}

#[cfg(not(unix))]
fn changed(_: &Metadata) {}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::Stamp;

    #[test]
    fn a_change_changes_the_stamp_also_behind_a_link() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let target = outside.path().join("x");
        let path = root.path();
        fs::write(&target, "a: 1").unwrap();
        let mut stamp = Stamp::of(path);
        let mut steps = 0;
        let mut differs = |change: &dyn Fn()| {
            change();
            let next = Stamp::of(path);
            steps += 1;
            assert_ne!(next, stamp, "step {steps}");
            assert_eq!(next, Stamp::of(path));
            stamp = next;
        };
        differs(&|| symlink(&target, path.join("x.yaml")).unwrap());
        differs(&|| fs::write(&target, "a: 23").unwrap());
        differs(&|| fs::rename(path.join("x.yaml"), path.join("y.yaml")).unwrap());
        differs(&|| fs::remove_file(path.join("y.yaml")).unwrap());
    }

    #[test]
    fn a_folder_that_was_made_again_is_another_one() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("mesh");
        let missing = Stamp::of(&path);
        fs::create_dir(&path).unwrap();
        assert_ne!(Stamp::of(&path).root, missing.root);
    }
}
