//! The API server's side of statuses: reads them now and then, writes those that differ. It decides nothing about their content.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Api;
use kube::Client;
use kube::api::DynamicObject;
use kube::api::ListParams;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::runtime::events::Event;
use kube::runtime::events::EventType;
use kube::runtime::events::Recorder;
use kube::runtime::events::Reporter;
use serde_json::Value;
use tokio::time::timeout;

use super::change::Change;
use super::concern::Concern;
use super::kind::Kind;
use super::wanted::Key;
use crate::api::status::Condition;
use crate::api::status::Truth;
use crate::name::Namespaced;

/// Under which name the API server notes who wrote.
const MANAGER: &str = "mirrorplane";

/// How long a request may take. A leader that begins one is sure of its term for longer than that.
const PATIENCE: Duration = Duration::from_secs(4);

/// Statuses of a list page.
const PAGE: u32 = 500;

/// The status that an object has, and which object of that name it was.
pub(super) type Known = BTreeMap<Key, (Option<String>, Value)>;

/// Writes statuses, and says what turned.
pub(super) struct Writer {
    client: Client,
    recorder: Recorder,
    /// Kinds whose status the cluster did not keep when it was last tried.
    closed: BTreeSet<Kind>,
    /// Those of which that was told.
    told: BTreeSet<Kind>,
}

/// What became of a write.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is done, or cannot be and need not be tried again.
    Settled {
        /// Whether anything was written.
        written: bool,
    },
    /// The API server does not take this one; others may fare better.
    Refused(String),
    /// It did not work this time, and others would hardly fare better.
    Failed(String),
}

impl Writer {
    pub(super) fn new(client: Client, identity: &str) -> Self {
        let reporter = Reporter {
            controller: MANAGER.to_owned(),
            instance: Some(identity.to_owned()),
        };
        Self {
            recorder: Recorder::new(client.clone(), reporter),
            client,
            closed: BTreeSet::new(),
            told: BTreeSet::new(),
        }
    }

    /// Whether the statuses of a kind can be written.
    pub(super) fn takes(&self, kind: Kind) -> bool {
        !self.closed.contains(&kind)
    }

    /// Tries all kinds again: their definitions may be others by now.
    pub(super) fn reopen(&mut self) {
        self.closed.clear();
    }

    /// Leaves a kind alone, and says why, once until its statuses are kept.
    fn close(&mut self, kind: Kind, why: &str) {
        self.closed.insert(kind);
        if self.told.insert(kind) {
            tracing::warn!(
                code = "MP507",
                kind = kind.as_str(),
                why,
                "the cluster does not keep the statuses of a kind; `mirrorplane crds` prints definitions that do"
            );
        }
    }

    /// The statuses that all objects have. Kinds that the cluster does not have are empty.
    pub(super) async fn read(&self) -> Result<Known, String> {
        let mut known = Known::new();
        for kind in Kind::ALL {
            let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &kind.resource());
            let mut params = ListParams::default().limit(PAGE);
            loop {
                let page = match timeout(PATIENCE, api.list(&params)).await {
                    Ok(Ok(page)) => page,
                    Ok(Err(kube::Error::Api(status))) if status.code == 404 => break,
                    Ok(Err(error)) => return Err(error.to_string()),
                    Err(_) => return Err("no answer".to_owned()),
                };
                for mut object in page.items {
                    let name = Namespaced::new(
                        object.metadata.namespace.unwrap_or_default(),
                        object.metadata.name.unwrap_or_default(),
                    );
                    let status = object.data.get_mut("status").map(Value::take);
                    let held = (object.metadata.uid, status.unwrap_or_default());
                    known.insert((kind, name), held);
                }
                match page.metadata.continue_.filter(|token| !token.is_empty()) {
                    Some(token) => params = params.continue_token(&token),
                    None => break,
                }
            }
        }
        Ok(known)
    }

    /// Writes the status of one object.
    pub(super) async fn write(&mut self, (kind, name): &Key, change: &Change) -> Outcome {
        let resource = kind.resource();
        let api: Api<DynamicObject> = match kind {
            Kind::Plugin => Api::all_with(self.client.clone(), &resource),
            _ => Api::namespaced_with(self.client.clone(), &name.namespace, &resource),
        };
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(&change.patch);
        let settled = |written| Outcome::Settled { written };
        match timeout(PATIENCE, api.patch_status(&name.name, &params, &patch)).await {
            Err(_) => Outcome::Failed("no answer".to_owned()),
            Ok(Ok(object)) => {
                let kept = object.data.pointer("/status/conditions");
                if kept.is_none() {
                    self.close(*kind, "its definition has no `status.conditions`");
                } else {
                    self.told.remove(kind);
                }
                settled(true)
            }
            Ok(Err(kube::Error::Api(status))) => match status.code {
                404 => match timeout(PATIENCE, api.get_opt(&name.name)).await {
                    Ok(Ok(Some(_))) => {
                        self.close(*kind, "its definition has no status subresource");
                        settled(false)
                    }
                    // That it is gone is told soon.
                    Ok(Ok(None)) => settled(false),
                    Ok(Err(error)) => failure(&error),
                    Err(_) => Outcome::Failed("no answer".to_owned()),
                },
                // Another object has its name by now.
                409 => settled(false),
                _ => failure(&kube::Error::Api(status)),
            },
            Ok(Err(error)) => failure(&error),
        }
    }

    /// Says what turned, as events. That they are told is not vital.
    pub(super) async fn tell(&self, (kind, name): &Key, uid: Option<&str>, turned: &[Condition]) {
        let resource = kind.resource();
        let object = ObjectReference {
            api_version: Some(resource.api_version),
            kind: Some(resource.kind),
            name: Some(name.name.clone()),
            namespace: Some(name.namespace.clone()).filter(|one| !one.is_empty()),
            uid: uid.map(str::to_owned),
            ..ObjectReference::default()
        };
        for condition in turned.iter().filter(|one| is_news(one)) {
            let event = Event {
                type_: match condition.status {
                    Truth::False if !is_passing(&condition.reason) => EventType::Warning,
                    _ => EventType::Normal,
                },
                reason: condition.reason.clone(),
                // The API server takes 1,024 bytes.
                note: Some(condition.message.chars().take(250).collect()),
                action: condition.type_.clone(),
                secondary: None,
            };
            let told = timeout(PATIENCE, self.recorder.publish(&event, &object)).await;
            if let Ok(Err(error)) = told {
                tracing::debug!(%error, "an event was not told");
            }
        }
    }
}

/// That an object is as it should be is seen in its status.
fn is_news(condition: &Condition) -> bool {
    condition.status != Truth::True || condition.type_ == Concern::Programmed.as_str()
}

/// Nothing is wrong; somebody has not come yet.
fn is_passing(reason: &str) -> bool {
    matches!(reason, "Pending" | "NoSidecars")
}

/// Whom an error is about. Only an API server that is out of reach or has too much to do is about everybody: "internal error"
/// is said about an object that is too large, and "forbidden" by a policy about one namespace.
fn failure(error: &kube::Error) -> Outcome {
    match error {
        kube::Error::Api(status) if !matches!(status.code, 429 | 503) => {
            Outcome::Refused(status.message.clone())
        }
        kube::Error::Api(status) => Outcome::Failed(status.message.clone()),
        error => Outcome::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::Outcome;
    use super::failure;

    #[test]
    fn only_an_api_server_that_cannot_serve_is_everybodys_matter() {
        for code in [400, 403, 413, 422, 500, 504] {
            let error = Status::failure("no", "no").with_code(code);
            let outcome = failure(&kube::Error::Api(error.boxed()));
            assert!(
                matches!(outcome, Outcome::Refused(_)),
                "{code}: {outcome:?}"
            );
        }
        for code in [429, 503] {
            let error = Status::failure("no", "no").with_code(code);
            let outcome = failure(&kube::Error::Api(error.boxed()));
            assert!(matches!(outcome, Outcome::Failed(_)), "{code}: {outcome:?}");
        }
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let outcome = failure(&kube::Error::Service(reset.into()));
        assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
    }
}
