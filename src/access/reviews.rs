//! Reviews of service accounts' tokens by the Kubernetes API, not one more than needed.
//!
//! After a restart thousands of sidecars come at once, and each comes back when it is refused. So a verdict is kept for a
//! while, streams with the same token wait for the same review, few reviews are under way at a time, and few may wait.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::SystemTime;

use k8s_openapi::api::authentication::v1::TokenReview;
use k8s_openapi::api::authentication::v1::TokenReviewSpec;
use kube::Api;
use kube::Client;
use kube::api::PostParams;
use ring::digest;
use tokio::sync::Semaphore;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio::time::timeout;

use super::refusal::Refusal;
use super::refusal::Refused;
use super::verdict::time_left;
use super::verdict::verdict;
use crate::name::Namespaced;

/// For how long a good token is not reviewed again. Within it a sidecar may come back while the API server is away, and a
/// token whose Pod was deleted is still good: enough for the first, and little for the second.
const GOOD: Duration = Duration::from_secs(180);

/// For how long a bad token is not reviewed again. The API server may not have heard yet of the Pod that it belongs to.
const BAD: Duration = Duration::from_secs(3);

/// Reviews under way at a time. Each takes the API server a few milliseconds.
const AT_ONCE: usize = 16;

/// Tokens that wait for their review, those under way included.
const WAITING: usize = 4096;

/// How long a review may take, the wait for its turn included.
const LIMIT: Duration = Duration::from_secs(10);

/// Verdicts that are looked through for outdated ones at the earliest.
const FEW: usize = 1024;

type Verdict = Result<Namespaced, Refused>;

/// What a token is known by: nobody who sees it can tell the token, or make another one like it.
type Fingerprint = [u8; digest::SHA256_OUTPUT_LEN];

/// The reviewer of tokens, with what it knows.
pub struct Reviews {
    api: Api<TokenReview>,
    audience: String,
    turns: Semaphore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: HashMap<Fingerprint, (Verdict, Instant)>,
    waiting: HashMap<Fingerprint, watch::Receiver<Option<Verdict>>>,
    /// So many verdicts are looked through for outdated ones.
    sweep_at: usize,
}

/// What is known of a token.
pub(super) enum Review {
    /// It was reviewed a moment ago.
    Known(Verdict),
    /// It is being reviewed.
    UnderWay(watch::Receiver<Option<Verdict>>),
}

impl Reviews {
    /// Asks this API server for tokens of this audience. The client should not try again by itself: whoever is refused
    /// comes again, and until then others have their turn.
    pub fn new(client: Client, audience: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            api: Api::all(client),
            audience: audience.into(),
            turns: Semaphore::new(AT_ONCE),
            state: Mutex::default(),
        })
    }

    /// Whether the API server lets this process review tokens at all.
    ///
    /// # Errors
    ///
    /// What it says otherwise.
    pub async fn probe(&self) -> Result<(), kube::Error> {
        self.ask("probe").await.map(drop)
    }

    /// What is known of a token, or a review of it.
    pub(super) fn of(self: &Arc<Self>, token: &str) -> Review {
        let now = Instant::now();
        let fingerprint = fingerprint(token);
        let mut state = self.lock();
        match state.known.get(&fingerprint) {
            Some((verdict, until)) if now < *until => return Review::Known(verdict.clone()),
            _ => {}
        }
        if let Some(answer) = state.waiting.get(&fingerprint) {
            return Review::UnderWay(answer.clone());
        }
        // What is no token with an end is none of ours, and no work for the API server.
        if time_left(token, SystemTime::now()).is_none() {
            let detail = "no token of a service account";
            return Review::Known(Err(Refused::new(Refusal::WrongToken, detail)));
        }
        if state.waiting.len() >= WAITING {
            return Review::Known(Err(unreviewed("too many tokens wait for their review")));
        }
        let (answer, answered) = watch::channel(None);
        state.waiting.insert(fingerprint, answered.clone());
        drop(state);
        // The review is of use to all who wait for it, also if the first of them leaves.
        let (this, token) = (Arc::clone(self), token.to_owned());
        tokio::spawn(async move {
            let reviewed = timeout(LIMIT, this.review(&token, &answer)).await;
            let (verdict, keep) =
                reviewed.unwrap_or_else(|_| (Err(unreviewed("no answer in time")), None));
            this.settle(fingerprint, &verdict, keep);
            answer.send_replace(Some(verdict));
        });
        Review::UnderWay(answered)
    }

    /// Waits for its turn, and asks; the verdict, and for how long it holds.
    async fn review(
        &self,
        token: &str,
        answer: &watch::Sender<Option<Verdict>>,
    ) -> (Verdict, Option<Duration>) {
        let Ok(_turn) = self.turns.acquire().await else {
            return (Err(unreviewed("the server stops")), None);
        };
        // The one who waits is the receiver in `waiting` and those of the streams.
        if answer.receiver_count() <= 1 {
            return (Err(unreviewed("nobody waits for it any more")), None);
        }
        match self.ask(token).await {
            Ok(reviewed) => {
                let status = reviewed.status.unwrap_or_default();
                let verdict = verdict(&status, &self.audience);
                let left = time_left(token, SystemTime::now()).unwrap_or_default();
                let keep = if verdict.is_ok() { GOOD.min(left) } else { BAD };
                (verdict, Some(keep))
            }
            Err(error) => (Err(unreviewed(said(&error))), None),
        }
    }

    async fn ask(&self, token: &str) -> Result<TokenReview, kube::Error> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: Some(token.to_owned()),
                audiences: Some(vec![self.audience.clone()]),
            },
            ..TokenReview::default()
        };
        self.api.create(&PostParams::default(), &review).await
    }

    /// Takes note of a verdict. What could not be reviewed is asked for again at once.
    fn settle(&self, fingerprint: Fingerprint, verdict: &Verdict, keep: Option<Duration>) {
        let mut state = self.lock();
        let state = &mut *state;
        state.waiting.remove(&fingerprint);
        if let Some(keep) = keep {
            let now = Instant::now();
            if state.known.len() >= state.sweep_at.max(FEW) {
                state.known.retain(|_, (_, until)| now < *until);
                state.sweep_at = state.known.len() * 2;
            }
            state
                .known
                .insert(fingerprint, (verdict.clone(), now + keep));
        }
    }

    /// Nothing under the lock can panic half-way.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The verdict, once it is there.
pub(super) async fn answered(mut answer: watch::Receiver<Option<Verdict>>) -> Verdict {
    match answer.wait_for(Option::is_some).await.as_deref() {
        Ok(Some(verdict)) => verdict.clone(),
        _ => Err(unreviewed("the review was given up")),
    }
}

fn fingerprint(token: &str) -> Fingerprint {
    let digest = digest::digest(&digest::SHA256, token.as_bytes());
    let mut fingerprint = Fingerprint::default();
    fingerprint.copy_from_slice(digest.as_ref());
    fingerprint
}

fn unreviewed(detail: impl Into<String>) -> Refused {
    Refused::new(Refusal::Unreviewed, detail)
}

/// The error with what is below it; neither has the token.
fn said(error: &kube::Error) -> String {
    let mut said = format!("API server: {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !said.ends_with(&more) {
            said = format!("{said}: {more}");
        }
        cause = error.source();
    }
    said
}

/// Without what it knows.
impl fmt::Debug for Reviews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reviews")
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}
