//! Reading and writing the Secret.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::Client;
use kube::api::ObjectMeta;
use kube::api::PostParams;

use super::held::Broken;
use super::held::Held;
use super::held::Signed;
use super::held::read;
use super::issue::IssueError;
use super::issue::Lives;
use super::plan::renewed;

/// The name of the Secret.
pub(super) const NAME: &str = "mirrorplane-certificates";
/// How often another replica may be faster before this one waits for its next look.
const ATTEMPTS: usize = 5;

/// The certificates cannot be had now.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the Secret cannot be read or written")]
    Api(#[source] kube::Error),
    #[error(transparent)]
    Broken(Broken),
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error("other replicas were faster, time and again")]
    Crowded,
}

/// What the Secret holds, after what is due was done.
pub(super) async fn settle(
    client: &Client,
    namespace: &str,
    names: &[String],
    lives: &Lives,
    now: u64,
) -> Result<Held, Error> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    for _ in 0..ATTEMPTS {
        let found = secrets.get_opt(NAME).await.map_err(Error::Api)?;
        let data = found
            .iter()
            .filter_map(|secret| secret.data.clone())
            .flatten();
        let data = data.map(|(key, ByteString(bytes))| (key, bytes)).collect();
        let held = match read(&data).map_err(Error::Broken)? {
            provided @ Held::Provided(_) => return Ok(provided),
            Held::Nothing => None,
            Held::Signed(held) => Some(*held),
        };
        let Some(next) = renewed(held.clone(), names, lives, now)? else {
            return Ok(held.map_or(Held::Nothing, |held| Held::Signed(Box::new(held))));
        };
        match write(&secrets, found, &next).await {
            Ok(()) => return Ok(Held::Signed(Box::new(next))),
            // Somebody else wrote it meanwhile: what they wrote counts.
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(Error::Api(error)),
        }
    }
    Err(Error::Crowded)
}

async fn write(
    secrets: &Api<Secret>,
    found: Option<Secret>,
    held: &Signed,
) -> Result<(), kube::Error> {
    let data = held.data().into_iter();
    let data = Some(data.map(|(key, bytes)| (key, ByteString(bytes))).collect());
    let params = PostParams::default();
    match found {
        Some(mut secret) => {
            // With the version that was read, so that a conflict is told.
            secret.data = data;
            secrets.replace(NAME, &params, &secret).await?;
        }
        None => {
            let labels = [("app.kubernetes.io/name", "mirrorplane")];
            let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
            let secret = Secret {
                metadata: ObjectMeta {
                    name: Some(NAME.to_owned()),
                    labels: Some(labels.into()),
                    ..ObjectMeta::default()
                },
                data,
                ..Secret::default()
            };
            secrets.create(&params, &secret).await?;
        }
    }
    Ok(())
}
