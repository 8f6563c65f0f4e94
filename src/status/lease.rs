//! Who of several control planes writes: the holder of a Lease.
//!
//! Every step replaces the Lease as it was read, so that of two who try the API server lets one; a Lease is taken only when
//! it was seen unchanged for its whole duration, by the clock of this process alone.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::ObjectMeta;
use kube::api::PostParams;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio::time::timeout;

/// The name of the Lease.
const NAME: &str = "mirrorplane-leader";

/// For how long the others leave a holder alone that does not say anything.
const DURATION: Duration = Duration::from_secs(15);

/// For how long a holder believes that it is one. What it has begun by then is over before the others take the Lease.
const CERTAIN: Duration = Duration::from_secs(10);

/// How often the Lease is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(4);

/// Until when this process is the leader; `None` if it is not.
pub(super) type Term = Option<Instant>;

/// What to do about a Lease.
#[derive(Debug, PartialEq)]
enum Step {
    /// Put this in its place; then it is ours.
    Replace(Box<Lease>),
    /// Make it; then it is ours.
    Create(Box<Lease>),
    /// Somebody else has it.
    Wait,
}

/// What one candidate has seen.
#[derive(Debug)]
pub(super) struct Election {
    identity: String,
    /// A version of the Lease, and since when it is the last.
    seen: Option<(String, Instant)>,
}

impl Election {
    pub(super) fn new(identity: String) -> Self {
        Self {
            identity,
            seen: None,
        }
    }

    fn step(&mut self, found: Option<Lease>, now: Instant) -> Step {
        let spec = |transitions| LeaseSpec {
            acquire_time: Some(MicroTime(Timestamp::now())),
            renew_time: Some(MicroTime(Timestamp::now())),
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        };
        let Some(mut lease) = found else {
            return Step::Create(Box::new(Lease {
                metadata: ObjectMeta {
                    name: Some(NAME.to_owned()),
                    ..ObjectMeta::default()
                },
                spec: Some(spec(0)),
            }));
        };
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let since = match &self.seen {
            Some((seen, since)) if *seen == version => *since,
            _ => {
                self.seen = Some((version, now));
                now
            }
        };
        let held = lease.spec.take().unwrap_or_default();
        let holder = held.holder_identity.as_deref().unwrap_or_default();
        if holder == self.identity {
            lease.spec = Some(LeaseSpec {
                acquire_time: held.acquire_time,
                ..spec(held.lease_transitions.unwrap_or_default())
            });
            return Step::Replace(Box::new(lease));
        }
        let duration = held
            .lease_duration_seconds
            .and_then(|one| u64::try_from(one).ok());
        let duration = duration.map_or(DURATION, Duration::from_secs);
        if !holder.is_empty() && now < since + duration {
            return Step::Wait;
        }
        lease.spec = Some(spec(
            held.lease_transitions.unwrap_or_default().saturating_add(1),
        ));
        Step::Replace(Box::new(lease))
    }
}

/// Stands for election for ever, and says until when it was won.
pub(super) async fn stand(leases: Api<Lease>, mut election: Election, term: watch::Sender<Term>) {
    // Said once for each time that it goes wrong.
    let mut told = false;
    loop {
        // From before the request: the others count from after it.
        let asked = Instant::now();
        match timeout(PATIENCE, look(&leases, &mut election)).await {
            Ok(Ok(won)) => {
                told = false;
                let next = won.then(|| asked + CERTAIN);
                let had = term.send_replace(next);
                let had = had.is_some_and(|until| asked < until);
                if won != had {
                    let identity = &election.identity;
                    tracing::info!(leader = won, identity, "who writes statuses has changed");
                }
            }
            failed => {
                let error = match failed {
                    Ok(Err(error)) => error.to_string(),
                    _ => "no answer".to_owned(),
                };
                if !told {
                    told = true;
                    let code = "MP506";
                    tracing::warn!(
                        code,
                        error,
                        "the Lease `{NAME}` cannot be used: no statuses are written"
                    );
                }
            }
        }
        // Candidates that were started together should not stay together.
        sleep(LOOK.mul_f64(0.8 + fastrand::f64() * 0.4)).await;
    }
}

/// Looks once; whether the Lease is ours now.
async fn look(leases: &Api<Lease>, election: &mut Election) -> Result<bool, kube::Error> {
    let found = leases.get_opt(NAME).await?;
    let params = PostParams::default();
    let done = match election.step(found, Instant::now()) {
        Step::Wait => return Ok(false),
        Step::Create(lease) => leases.create(&params, &lease).await,
        Step::Replace(lease) => leases.replace(NAME, &params, &lease).await,
    };
    match done {
        Ok(_) => Ok(true),
        // Somebody was faster.
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

/// Gives the Lease back, so that nobody has to wait for its end.
pub(super) async fn resign(leases: &Api<Lease>, identity: &str) {
    let given_back = timeout(PATIENCE, async {
        let Some(mut lease) = leases.get_opt(NAME).await? else {
            return Ok(());
        };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(identity) {
            return Ok(());
        }
        spec.holder_identity = None;
        leases
            .replace(NAME, &PostParams::default(), &lease)
            .await
            .map(drop)
    });
    if let Ok(Err(error)) = given_back.await {
        tracing::debug!(%error, "the Lease was not given back");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use k8s_openapi::api::coordination::v1::Lease;
    use tokio::time::Instant;

    use super::DURATION;
    use super::Election;
    use super::Step;

    fn lease(holder: &str, version: &str) -> Option<Lease> {
        let lease = serde_json::json!({
            "metadata": { "name": "x", "resourceVersion": version },
            "spec": { "holderIdentity": holder, "leaseDurationSeconds": 15, "leaseTransitions": 3,
                // Whatever the clock of the holder says.
                "renewTime": "1990-01-01T00:00:00.000000Z" },
        });
        serde_json::from_value(lease).unwrap()
    }

    /// The holder and the number of transitions of what is put there; `None` for waiting.
    fn taken(step: Step) -> Option<(String, i32)> {
        match step {
            Step::Wait => None,
            Step::Create(lease) | Step::Replace(lease) => {
                let spec = lease.spec.unwrap();
                Some((
                    spec.holder_identity.unwrap(),
                    spec.lease_transitions.unwrap(),
                ))
            }
        }
    }

    #[test]
    fn a_lease_is_taken_when_its_holder_was_silent_for_its_whole_duration() {
        let (mut me, start) = (Election::new("me".to_owned()), Instant::now());
        let second = Duration::from_secs(1);
        let mut at = |lease, after| taken(me.step(lease, start + after));
        assert_eq!(at(lease("you", "1"), Duration::ZERO), None);
        assert_eq!(at(lease("you", "1"), DURATION - second), None);
        // It was renewed, so that the time begins anew.
        assert_eq!(at(lease("you", "2"), DURATION), None);
        assert_eq!(at(lease("you", "2"), DURATION * 2 - second), None);
        let won = Some(("me".to_owned(), 4));
        assert_eq!(at(lease("you", "2"), DURATION * 2), won);
        // Ours is renewed.
        let mine = Some(("me".to_owned(), 3));
        assert_eq!(at(lease("me", "3"), DURATION * 2), mine);
        // One that was given back is taken at once.
        assert_eq!(at(lease("", "4"), DURATION * 2), won);
        assert_eq!(at(None, DURATION * 2), Some(("me".to_owned(), 0)));
    }

    #[test]
    fn what_is_replaced_is_what_was_seen() {
        let mut me = Election::new("me".to_owned());
        let Step::Replace(lease) = me.step(lease("", "7"), Instant::now()) else {
            panic!("it is free");
        };
        assert_eq!(lease.metadata.resource_version.as_deref(), Some("7"));
    }
}
