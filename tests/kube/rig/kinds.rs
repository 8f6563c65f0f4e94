//! Our kinds in a cluster.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams};
use mirrorplane::crd::definitions;

use super::{Cluster, eventually};

impl Cluster {
    /// Defines our kinds; returns when they are served.
    pub(crate) async fn define_kinds(&self) {
        let api: Api<CustomResourceDefinition> = Api::all(self.client().await);
        for definition in definitions() {
            let name = definition.object["metadata"]["name"].as_str().unwrap();
            let params = PatchParams::apply("test").force();
            let patch = Patch::Apply(&definition.object);
            api.patch(name, &params, &patch).await.unwrap();
            eventually(format!("{name} is served"), async || {
                let found = api.get(name).await.unwrap();
                let conditions = found.status.unwrap_or_default().conditions;
                let mut conditions = conditions.into_iter().flatten();
                conditions
                    .any(|is| is.type_ == "Established" && is.status == "True")
                    .then_some(())
            })
            .await;
        }
    }
}
