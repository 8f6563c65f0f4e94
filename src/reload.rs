//! Files that are read again when they change: certificates, keys, tokens.
//!
//! They are compared by content at a regular look, not by notification: Kubernetes swaps a symbolic link two folders up,
//! cert-manager and editors rename, network file systems tell nothing. The files are few and small.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// A file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct FileError {
    /// Which one.
    pub path: PathBuf,
    /// What is wrong with it; never a part of its content, which may be secret.
    pub reason: String,
}

/// A file as it was read.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds.
    pub content: Vec<u8>,
}

impl File {
    /// Says what is wrong with this file.
    pub fn fault(&self, reason: impl fmt::Display) -> FileError {
        FileError {
            path: self.path.clone(),
            reason: reason.to_string(),
        }
    }
}

/// Without the content, which may be a key.
impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Loads files, which are given to `load` in the order of `paths`, and again whenever one of them has another content. If
/// that fails, the last good value stays and the fault is logged. It ends when the receiver is gone.
///
/// # Errors
///
/// If the files cannot be loaded now.
pub async fn follow<T: Send + Sync + 'static, const N: usize>(
    paths: [PathBuf; N],
    load: impl Fn(&[File; N]) -> Result<T, FileError> + Send + 'static,
) -> Result<watch::Receiver<Arc<T>>, FileError> {
    let mut held = read(&paths).await?;
    let (sender, receiver) = watch::channel(Arc::new(load(&held)?));
    tokio::spawn(async move {
        let mut faults = Faults::default();
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = sender.closed() => return,
            }
            let next = read(&paths).await.and_then(|files| {
                if files == held {
                    return Ok(None);
                }
                let value = load(&files)?;
                held = files;
                Ok(Some(value))
            });
            match next {
                Ok(None) => faults = Faults::default(),
                Ok(Some(value)) => {
                    faults = Faults::default();
                    sender.send_replace(Arc::new(value));
                    tracing::info!(files = ?paths, "reloaded; new connections use it");
                }
                Err(error) if faults.is_worth_saying(&error) => {
                    tracing::error!(
                        path = %error.path.display(),
                        reason = error.reason,
                        "cannot be reloaded; what was last good stays in use",
                    );
                }
                Err(_) => {}
            }
        }
    });
    Ok(receiver)
}

async fn read<const N: usize>(paths: &[PathBuf; N]) -> Result<[File; N], FileError> {
    let mut files = paths.clone().map(|path| File {
        path,
        content: Vec::new(),
    });
    for file in &mut files {
        let content = tokio::fs::read(&file.path).await;
        file.content = content.map_err(|error| file.fault(error))?;
    }
    Ok(files)
}

/// What was wrong at the last looks.
#[derive(Debug, Default)]
struct Faults {
    last: Option<FileError>,
    times: u32,
}

impl Faults {
    /// A fault is said once, at the second look that finds it: at the first one, a certificate may be there and its key
    /// not yet.
    fn is_worth_saying(&mut self, error: &FileError) -> bool {
        if self.last.as_ref() == Some(error) {
            self.times = self.times.saturating_add(1);
        } else {
            self.last = Some(error.clone());
            self.times = 1;
        }
        self.times == 2
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::Faults;
    use super::File;
    use super::FileError;
    use super::follow;

    fn text([file]: &[File; 1]) -> Result<String, FileError> {
        match String::from_utf8_lossy(&file.content).into_owned() {
            text if text.starts_with("good") => Ok(text),
            _ => Err(file.fault("not good")),
        }
    }

    #[test]
    fn a_fault_is_said_once_and_not_at_once() {
        let error = |reason: &str| FileError {
            path: PathBuf::from("key"),
            reason: reason.to_owned(),
        };
        let mut faults = Faults::default();
        let said =
            ["a", "a", "a", "b", "a", "a"].map(|reason| faults.is_worth_saying(&error(reason)));
        assert_eq!(said, [false, true, false, false, false, true]);
    }

    #[tokio::test]
    async fn a_swapped_link_is_followed_and_a_broken_file_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        // As Kubernetes mounts a Secret: key -> ..data/key, ..data -> a folder for each version.
        for (version, content) in [("1", "good 1"), ("2", "broken"), ("3", "good 3")] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("key"), content).unwrap();
        }
        symlink("1", at("..data")).unwrap();
        symlink("..data/key", at("key")).unwrap();
        let swap = |version: &str| {
            symlink(version, at("..new")).unwrap();
            fs::rename(at("..new"), at("..data")).unwrap();
        };
        let mut values = follow([at("key")], text).await.unwrap();
        assert_eq!(**values.borrow_and_update(), "good 1");
        swap("2");
        let silence = timeout(Duration::from_millis(2_500), values.changed()).await;
        assert!(silence.is_err(), "the broken file changed something");
        swap("3");
        let change = timeout(Duration::from_secs(20), values.changed()).await;
        change.unwrap().unwrap();
        assert_eq!(**values.borrow(), "good 3");
    }

    #[tokio::test]
    async fn what_is_broken_at_the_start_is_an_error_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        for content in [None, Some("broken")] {
            if let Some(content) = content {
                fs::write(&path, content).unwrap();
            }
            let error = follow([path.clone()], text).await.unwrap_err();
            assert_eq!(error.path, path);
        }
    }
}
