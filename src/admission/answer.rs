//! A path and a body → a status and a body: no sockets here.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::StatusCode;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::home::Homes;
use super::mutate;
use super::review::Answer;
use super::review::Request;
use super::review::Review;
use super::review::line;
use super::stats::Outcome;
use super::stats::Stats;
use super::validate::validate;
use crate::resolve;
use crate::sidecar::inject;
use crate::source::State;

/// Objects that are resolved at a time; each takes a core for as long as the world is large.
const RESOLVED: usize = 2;

/// What is needed to answer.
pub(super) struct Answers {
    homes: Homes,
    /// What is added to Pods, as it is now: it holds the CAs.
    sidecar: Box<dyn Fn() -> Option<inject::Settings> + Send + Sync>,
    settings: resolve::Settings,
    states: watch::Receiver<Option<Arc<State>>>,
    stats: Arc<Stats>,
    free: Arc<Semaphore>,
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").finish_non_exhaustive()
    }
}

/// The question cannot be answered.
#[derive(Debug)]
pub(super) struct Unanswered {
    pub(super) status: StatusCode,
    pub(super) why: String,
}

fn unanswered(status: StatusCode, why: impl fmt::Display) -> Unanswered {
    Unanswered {
        status,
        why: why.to_string(),
    }
}

impl Answers {
    /// Answers from these sources.
    pub(super) fn new(
        homes: Homes,
        sidecar: Box<dyn Fn() -> Option<inject::Settings> + Send + Sync>,
        settings: resolve::Settings,
        states: watch::Receiver<Option<Arc<State>>>,
        stats: Arc<Stats>,
    ) -> Self {
        Self {
            homes,
            sidecar,
            settings,
            states,
            stats,
            free: Arc::new(Semaphore::new(RESOLVED)),
        }
    }

    /// Answers a question. Total: every path and body has an answer, or the reason why not.
    pub(super) async fn answer(
        &self,
        method: &Method,
        path: &str,
        body: &Bytes,
    ) -> Result<Value, Unanswered> {
        let webhook = match path {
            "/mutate" => "mutate",
            "/validate" => "validate",
            _ => {
                return Err(unanswered(
                    StatusCode::NOT_FOUND,
                    "there are /mutate and /validate",
                ));
            }
        };
        if method != Method::POST {
            return Err(unanswered(StatusCode::METHOD_NOT_ALLOWED, "only POST"));
        }
        let start = Instant::now();
        let answered = self.review(webhook, body).await;
        let outcome = match &answered {
            Ok((_, answer)) if answer.refused.is_empty() => Outcome::Allowed,
            Ok(_) => Outcome::Refused,
            Err(_) => Outcome::Failed,
        };
        self.stats.answered(webhook, outcome, start.elapsed());
        match answered {
            Ok((uid, answer)) => Ok(answer.to_json(&uid)),
            Err(unanswered) => {
                self.stats.unanswered(webhook, &unanswered.why);
                Err(unanswered)
            }
        }
    }

    async fn review(&self, webhook: &str, body: &Bytes) -> Result<(String, Answer), Unanswered> {
        let review: Review = serde_json::from_slice(body).map_err(|error| {
            unanswered(
                StatusCode::BAD_REQUEST,
                format_args!("not an AdmissionReview: {error}"),
            )
        })?;
        let request = review.request;
        let uid = request.uid.clone();
        let answer = match webhook {
            "mutate" => self.mutate(&request).await?,
            _ => self.validate(request).await?,
        };
        Ok((uid, answer))
    }

    async fn mutate(&self, request: &Request) -> Result<Answer, Unanswered> {
        if !mutate::concerns(request) {
            return Ok(Answer::default());
        }
        let settings = (self.sidecar)().ok_or_else(|| {
            unanswered(
                StatusCode::SERVICE_UNAVAILABLE,
                "the certificates are not there yet",
            )
        })?;
        let namespace = request.namespace.as_deref().unwrap_or_default();
        let home = self.homes.get(namespace).await;
        let home = home.map_err(|error| unanswered(StatusCode::INTERNAL_SERVER_ERROR, error))?;
        Ok(mutate::mutate(request, &home, &settings, &self.stats))
    }

    async fn validate(&self, request: Request) -> Result<Answer, Unanswered> {
        let is_whole = request
            .sub_resource
            .as_deref()
            .unwrap_or_default()
            .is_empty();
        let is_written = matches!(&*request.operation, "CREATE" | "UPDATE");
        if !is_whole || !is_written || is_untouched(&request) {
            return Ok(Answer::default());
        }
        let fault = |what: &str| unanswered(StatusCode::INTERNAL_SERVER_ERROR, what);
        let Ok(permit) = Arc::clone(&self.free).acquire_owned().await else {
            return Err(fault("the server stops"));
        };
        let state = self.states.borrow().clone();
        let settings = self.settings.clone();
        // A large world takes its time.
        let judged = spawn_blocking(move || {
            // Held until this is over, also if nobody waits for the answer any more.
            let _permit = permit;
            let objects = state.as_ref().map(|state| &state.objects);
            validate(&request.object, objects, &settings)
        });
        let verdict = judged
            .await
            .map_err(|_| fault("the object could not be judged"))?;
        let say = |diagnostics: &[crate::diag::Diagnostic]| {
            let lines = diagnostics.iter();
            lines
                .map(|one| line(one, one.object == verdict.object))
                .collect()
        };
        if let (Some(object), false) = (&verdict.object, verdict.refused.is_empty()) {
            let codes: Vec<_> = verdict
                .refused
                .iter()
                .map(|one| one.code.as_str())
                .collect();
            tracing::info!(%object, ?codes, "refused");
        }
        Ok(Answer {
            refused: say(&verdict.refused),
            warnings: say(&verdict.warnings),
            ..Answer::default()
        })
    }
}

/// Whether a change concerns nothing but metadata and status: finalizers and labels must be free to change on an object
/// that was there before anybody could refuse it.
fn is_untouched(request: &Request) -> bool {
    let rest = |object: &Value| {
        let mut fields = object.as_object()?.clone();
        fields.retain(|key, _| !matches!(key.as_str(), "metadata" | "status"));
        Some(fields)
    };
    request.operation == "UPDATE"
        && rest(&request.object).is_some_and(|new| rest(&request.old_object) == Some(new))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Request;
    use super::is_untouched;

    #[test]
    fn metadata_and_status_may_always_change() {
        let object = |spec: u8, rest: u8| json!({"kind": "Plugin", "spec": spec, "metadata": rest, "status": rest});
        for (operation, old, new, expected) in [
            ("UPDATE", object(1, 1), object(1, 2), true),
            ("UPDATE", object(1, 1), object(2, 1), false),
            ("CREATE", json!(null), object(1, 1), false),
            ("UPDATE", json!(null), object(1, 1), false),
            ("UPDATE", json!(null), json!(null), false),
        ] {
            let request = Request {
                operation: operation.to_owned(),
                object: new,
                old_object: old,
                ..Request::default()
            };
            assert_eq!(is_untouched(&request), expected, "{request:?}");
        }
    }
}
