//! Reads what the other replicas have told, for the leader, and clears away what is left of those that are gone.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::DeleteParams;
use kube::api::ListParams;
use kube::api::Preconditions;
use tokio::time::Instant;
use tokio::time::timeout;

use super::heard::Heard;
use super::heard::Note;
use super::heard::Others;
use super::note::LABEL;
use super::note::told;
use super::tally::Tally;

/// How often the notes are read.
const LOOK: Duration = Duration::from_secs(2);

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(4);

/// The longest time between two tries while the API server refuses.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Notes that are removed at once: there are never many.
const AT_ONCE: usize = 10;

/// Reads the notes of the other replicas.
pub(super) struct Listener {
    notes: Api<ConfigMap>,
    /// The name of our own note.
    own: String,
    heard: Heard,
    others: Others,
    /// When they are read next, and how long that was waited for.
    next: (Instant, Duration),
    /// Notes that are known to be unreadable.
    unreadable: BTreeSet<String>,
}

impl Listener {
    pub(super) fn new(notes: Api<ConfigMap>, own: String) -> Self {
        Self {
            notes,
            own,
            heard: Heard::default(),
            others: Others::default(),
            next: (Instant::now(), LOOK),
            unreadable: BTreeSet::new(),
        }
    }

    /// What the sidecars of the other replicas have, as far as it was told; read anew if it is time to.
    pub(super) async fn others(&mut self) -> &[Tally] {
        let now = Instant::now();
        if self.next.0 <= now {
            match self.read().await {
                Ok(found) => {
                    self.next = (now + LOOK, LOOK);
                    self.others = self.heard.hear(found, &self.own, Instant::now());
                    self.report_unreadable();
                    self.clear().await;
                }
                Err(error) => {
                    if self.next.1 == LOOK {
                        tracing::warn!(
                            code = "MP506",
                            error,
                            "what sidecars of other replicas have cannot be read: statuses are without their news"
                        );
                    }
                    let pause = (self.next.1 * 2).min(LONGEST_PAUSE);
                    self.next = (now + pause, pause);
                }
            }
        }
        &self.others.tallies
    }

    async fn read(&self) -> Result<Vec<Note>, String> {
        let (key, value) = LABEL;
        let params = ListParams::default().labels(&format!("{key}={value}"));
        match timeout(PATIENCE, self.notes.list(&params)).await {
            Ok(Ok(list)) => Ok(list
                .items
                .into_iter()
                .map(|one| Note {
                    tally: told(&one),
                    name: one.metadata.name.unwrap_or_default(),
                    version: one.metadata.resource_version.unwrap_or_default(),
                })
                .collect()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer".to_owned()),
        }
    }

    fn report_unreadable(&mut self) {
        let unreadable: BTreeSet<String> = self.others.unreadable.drain(..).collect();
        for name in unreadable.difference(&self.unreadable) {
            let code = "MP506";
            tracing::warn!(
                code,
                name,
                "a replica tells what its sidecars have in words that are not known: statuses are without them"
            );
        }
        self.unreadable = unreadable;
    }

    async fn clear(&mut self) {
        for (name, version) in self.others.gone.drain(..).take(AT_ONCE) {
            let params = DeleteParams {
                // Whoever has written it since is there after all.
                preconditions: Some(Preconditions {
                    resource_version: Some(version),
                    uid: None,
                }),
                ..DeleteParams::default()
            };
            match timeout(PATIENCE, self.notes.delete(&name, &params)).await {
                Ok(Ok(_)) => tracing::debug!(name, "what a replica told that is gone was removed"),
                Ok(Err(error)) => tracing::debug!(name, %error, "what it told stays"),
                Err(_) => return,
            }
        }
    }
}
