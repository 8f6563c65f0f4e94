//! Under which namespace an object is filed that names none: what `kubectl apply -n` is on the command line.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

use super::entry::Entry;
use super::entry::Object;

/// The namespaces that files and folders can stand for.
#[derive(Debug)]
pub(super) struct Filing<'a> {
    root: &'a Path,
    namespaces: BTreeSet<&'a str>,
}

impl<'a> Filing<'a> {
    /// A file or folder below `root` stands for a namespace if one of the entries is a Namespace of its name.
    pub(super) fn new(root: &'a Path, entries: impl Iterator<Item = &'a Entry>) -> Self {
        let namespaces = entries
            .filter(|entry| matches!(entry.object, Object::Namespace(_)))
            .map(|entry| entry.name.name.as_str())
            .collect();
        Self { root, namespaces }
    }

    /// The entry, in the namespace that its file or else the nearest folder stands for. One that names its namespace,
    /// or whose path says nothing, is left as it is: in `default`, as with `kubectl`.
    pub(super) fn file<'e>(&self, entry: &'e Entry) -> Cow<'e, Entry> {
        let path = entry
            .origin
            .document
            .as_ref()
            .map(|document| &*document.file);
        match path.and_then(|path| self.namespace_of(path)) {
            Some(namespace) if !entry.names_namespace => {
                let mut entry = entry.clone();
                entry.name.namespace = namespace.to_owned();
                entry.object.metadata_mut().namespace = Some(namespace.to_owned());
                if let Some(object) = &mut entry.origin.object {
                    object.name.namespace = namespace.to_owned();
                }
                Cow::Owned(entry)
            }
            _ => Cow::Borrowed(entry),
        }
    }

    fn namespace_of(&self, file: &Path) -> Option<&'a str> {
        let inside = file.strip_prefix(self.root).ok()?;
        let folders = inside.ancestors().skip(1).filter_map(Path::file_name);
        inside
            .file_stem()
            .into_iter()
            .chain(folders)
            .find_map(|name| self.namespaces.get(name.to_str()?).copied())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::Filing;

    #[test]
    fn the_file_goes_before_the_nearest_folder_and_the_root_says_nothing() {
        let filing = Filing {
            root: Path::new("mesh/curl"),
            namespaces: BTreeSet::from(["curl", "pipy"]),
        };
        for (file, expected) in [
            ("mesh/curl/curl.yaml", Some("curl")),
            ("mesh/curl/pipy/services.yaml", Some("pipy")),
            ("mesh/curl/pipy/x/services.yaml", Some("pipy")),
            ("mesh/curl/pipy/curl.yaml", Some("curl")),
            ("mesh/curl/other/services.yaml", None),
            ("mesh/curl/services.yaml", None),
        ] {
            assert_eq!(filing.namespace_of(Path::new(file)), expected, "{file}");
        }
    }
}
