//! Under which namespace an object is filed that names none: what `kubectl apply -n` is on the command line.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

use super::entry::Entry;
use super::entry::Object;
use crate::diag::Code;
use crate::diag::Diagnostic;
use crate::diag::FieldPath;

/// The namespaces that files and folders can stand for.
#[derive(Debug)]
pub(super) struct Filing<'a> {
    root: &'a Path,
    namespaces: BTreeSet<&'a str>,
    /// The namespaces that objects are in or refer to.
    mentioned: BTreeSet<&'a str>,
}

impl<'a> Filing<'a> {
    /// A file or folder below `root` stands for a namespace if one of the entries is a Namespace of its name.
    pub(super) fn new(root: &'a Path, entries: impl Iterator<Item = &'a Entry> + Clone) -> Self {
        let mentioned = entries.clone().flat_map(mentioned_by);
        let namespaces = entries
            .filter(|entry| matches!(entry.object, Object::Namespace(_)))
            .map(|entry| entry.name.name.as_str())
            .collect();
        Self {
            root,
            mentioned: mentioned.collect(),
            namespaces,
        }
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

    /// Tells if objects of a file went to `default`, where its path seems to say otherwise: it is named like a
    /// namespace that is in use, but has no Namespace.
    pub(super) fn doubt(&self, entries: &[Entry]) -> Option<Diagnostic> {
        let entry = entries.iter().find(|entry| !entry.names_namespace)?;
        let file = &entry.origin.document.as_ref()?.file;
        if self.namespace_of(file).is_some() {
            return None;
        }
        let namespace = self.named(file, &self.mentioned)?;
        let message = format!("there is no Namespace `{namespace}` to file these objects under");
        let path = FieldPath::of("metadata");
        Some(
            Diagnostic::new(Code::FolderWithoutNamespace, &entry.origin, path, message)
                .effect("its objects went to `default`")
                .help(format!(
                    "add a Namespace `{namespace}`, or write `namespace: {namespace}` in the metadata"
                )),
        )
    }

    fn namespace_of(&self, file: &Path) -> Option<&'a str> {
        self.named(file, &self.namespaces)
    }

    /// The one of `namespaces` that a file or else the nearest folder is named after.
    fn named(&self, file: &Path, namespaces: &BTreeSet<&'a str>) -> Option<&'a str> {
        let inside = file.strip_prefix(self.root).ok()?;
        let folders = inside.ancestors().skip(1).filter_map(Path::file_name);
        inside
            .file_stem()
            .into_iter()
            .chain(folders)
            .find_map(|name| namespaces.get(name.to_str()?).copied())
    }
}

/// The namespaces, other than `default`, that an entry is in or refers to.
fn mentioned_by(entry: &Entry) -> impl Iterator<Item = &str> {
    let own = entry.names_namespace.then_some(&*entry.name.namespace);
    let config = match &entry.object {
        Object::PluginConfig(config) => Some(&config.spec),
        _ => None,
    };
    let target = config.and_then(|spec| spec.config.get("namespace")?.as_str());
    let destinations = config.into_iter().flat_map(|spec| &spec.destination_refs);
    own.into_iter()
        .chain(target)
        .chain(destinations.map(|to| &*to.namespace))
        .filter(|namespace| !matches!(*namespace, "" | "default"))
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
            mentioned: BTreeSet::new(),
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
