//! A folder to read from.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use mirrorplane::source::Folder;
use mirrorplane::source::Objects;
use mirrorplane::source::read;

/// A temporary folder, and what it last held.
pub(crate) struct Mesh {
    root: tempfile::TempDir,
    pub(crate) folder: Folder,
}

impl Mesh {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let mesh = Self {
            root: tempfile::tempdir().unwrap(),
            folder: Folder::default(),
        };
        for (name, text) in files {
            mesh.write(name, text);
        }
        mesh
    }

    pub(crate) fn of(text: &str) -> Self {
        let mut mesh = Self::new(&[("mesh.yaml", text)]);
        mesh.read();
        mesh
    }

    pub(crate) fn path(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&mut self) -> &Folder {
        self.folder = read(self.root.path(), &self.folder);
        &self.folder
    }

    /// The names of the Services.
    pub(crate) fn services(&self) -> Vec<String> {
        services(&self.folder.objects)
    }

    /// The diagnostics as text, with paths relative to the folder.
    pub(crate) fn report(&self) -> Vec<String> {
        let root = format!("{}/", self.root.path().display());
        (self.folder.report.iter())
            .map(|diagnostic| diagnostic.to_string().replace(&root, ""))
            .collect()
    }

    /// Code, place and path of the diagnostics.
    pub(crate) fn places(&self) -> Vec<String> {
        let root = format!("{}/", self.root.path().display());
        (self.folder.report.iter())
            .map(|diagnostic| {
                let place = diagnostic.place.as_ref().unwrap().to_string();
                let place = place.replace(&root, "");
                format!("{} {place} {}", diagnostic.code, diagnostic.path)
                    .trim_end()
                    .to_owned()
            })
            .collect()
    }
}

pub(crate) fn services(objects: &Objects) -> Vec<String> {
    (objects.services.keys()).map(ToString::to_string).collect()
}

/// A Service with one port.
pub(crate) fn service(name: &str, port: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\nspec:\n  ports:\n  - port: {port}\n"
    )
}
