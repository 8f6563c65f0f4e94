//! A policy refuses the status of one object: the others have theirs, and it gets its own when the policy is gone.

use super::{CONFIG, PLUGIN, cluster, get, has};
use crate::rig::eventually;
use crate::serve::Serve;

/// Plugins come first, so that this one is before all others.
const POLICY: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: { name: no-status }
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
    - { apiGroups: [plugin.flomesh.io], apiVersions: ["*"], operations: [UPDATE], resources: [plugins/status] }
  validations: [{ expression: "false", reason: Forbidden, message: not this one }]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: { name: no-status }
spec: { policyName: no-status, validationActions: [Deny] }
"#;

#[tokio::test]
async fn an_object_that_is_refused_keeps_no_other_from_its_status() {
    let Some(cluster) = cluster().await else {
        return;
    };
    cluster.apply(POLICY).await;
    let attempt = r#"kubectl patch plugin traffic-mirror --subresource=status --type=merge --dry-run=server \
        -p '{"status":{"reason":"none"}}' 2>&1 || true"#;
    eventually("the policy holds", async || {
        let said = cluster.shell(attempt).await.ok();
        said.contains("not this one").then_some(())
    })
    .await;
    let control_plane = Serve::start::<&str>(&cluster, &[]).await;
    has(
        &cluster,
        &CONFIG,
        "Accepted=True:Accepted ResolvedRefs=True:ResolvedRefs Programmed=False:NoSidecars",
    )
    .await;
    assert_eq!(get(&cluster, &PLUGIN).await.get("status"), None);
    eventually("it is told which", async || {
        let log = control_plane.log();
        let told = log.lines().find(|line| line.contains("MP506"))?;
        (told.contains("traffic-mirror") && told.contains("not this one")).then_some(())
    })
    .await;

    let remove = [
        "delete",
        "validatingadmissionpolicybinding,validatingadmissionpolicy",
        "no-status",
    ];
    cluster.kubectl(&remove).await.ok();
    has(&cluster, &PLUGIN, "Accepted=True:Accepted").await;
    assert_eq!(control_plane.log().matches("MP506").count(), 1);
}
