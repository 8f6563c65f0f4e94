//! Telling the API server which CA to trust when it calls the webhooks.

use std::fmt::Debug;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::admissionregistration::v1::WebhookClientConfig;
use kube::Api;
use kube::Client;
use kube::Resource;
use kube::api::Patch;
use kube::api::PatchParams;
use serde::de::DeserializeOwned;
use serde_json::json;

/// The name of both configurations.
const NAME: &str = "mirrorplane";

/// Puts the CAs into the webhook configurations that are there, if they hold others.
pub(super) async fn tell(client: &Client, bundle: &str) -> Result<(), kube::Error> {
    let validating = |one: &ValidatingWebhookConfiguration| {
        let webhooks = one.webhooks.iter().flatten();
        differing(webhooks.map(|webhook| &webhook.client_config), bundle)
    };
    let mutating = |one: &MutatingWebhookConfiguration| {
        let webhooks = one.webhooks.iter().flatten();
        differing(webhooks.map(|webhook| &webhook.client_config), bundle)
    };
    put(Api::all(client.clone()), validating, bundle).await?;
    put(Api::all(client.clone()), mutating, bundle).await
}

async fn put<T>(
    api: Api<T>,
    differing: impl Fn(&T) -> Vec<usize>,
    bundle: &str,
) -> Result<(), kube::Error>
where
    T: Resource + Clone + Debug + DeserializeOwned,
{
    let Some(found) = api.get_opt(NAME).await? else {
        return Ok(());
    };
    let differing = differing(&found);
    if differing.is_empty() {
        return Ok(());
    }
    // The webhooks are known by number: not if they were changed meanwhile.
    let version = found.meta().resource_version.as_deref();
    let test = json!({ "op": "test", "path": "/metadata/resourceVersion", "value": version });
    let add = differing.iter().map(|index| {
        json!({
            "op": "add",
            "path": format!("/webhooks/{index}/clientConfig/caBundle"),
            "value": STANDARD.encode(bundle),
        })
    });
    let operations: Vec<_> = std::iter::once(test).chain(add).collect();
    let patch: json_patch::Patch =
        serde_json::from_value(json!(operations)).map_err(kube::Error::SerdeError)?;
    api.patch(NAME, &PatchParams::default(), &Patch::<()>::Json(patch))
        .await?;
    tracing::info!("the webhook configuration has the CAs of the control plane");
    Ok(())
}

/// The numbers of those that trust other CAs.
fn differing<'a>(
    webhooks: impl Iterator<Item = &'a WebhookClientConfig>,
    bundle: &str,
) -> Vec<usize> {
    let bundles =
        webhooks.map(|webhook| webhook.ca_bundle.as_ref().map(|bytes| bytes.0.as_slice()));
    let differs = |held: Option<&[u8]>| held != Some(bundle.as_bytes());
    let numbered = bundles.enumerate().filter(|(_, held)| differs(*held));
    numbered.map(|(index, _)| index).collect()
}
