//! Whatever fails, the application's requests succeed; and what changes afterwards takes effect.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::mesh::{HOST, Mesh, Services};
use crate::node::RunningPod;
use crate::rig::{Cluster, Parts, eventually};
use crate::serve::Serve;

/// Requests of the application, one after the other without a pause.
struct Load {
    ends: Arc<AtomicBool>,
    task: JoinHandle<(usize, Vec<String>)>,
}

impl Load {
    fn start(caller: &Arc<RunningPod>, address: &str) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let (caller, address, stop) = (Arc::clone(caller), address.to_owned(), Arc::clone(&ends));
        let task = tokio::spawn(async move {
            let (mut requests, mut failures) = (0, Vec::new());
            while !stop.load(Ordering::Relaxed) {
                requests += 1;
                match caller.call(&address, HOST).await {
                    Ok(by) if by == "v1" => {}
                    other => failures.push(format!("request {requests}: {other:?}")),
                }
            }
            (requests, failures)
        });
        Self { ends, task }
    }

    /// Ends it; none of the requests may have failed.
    async fn end(mut self) -> usize {
        self.ends.store(true, Ordering::Relaxed);
        let (requests, failures) = (&mut self.task).await.unwrap();
        assert_eq!(failures, Vec::<String>::new(), "of {requests} requests");
        requests
    }
}

/// A test that fails elsewhere is not to wait for requests without end.
impl Drop for Load {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
    }
}

/// The mesh of the seed, with a mirror that is on.
struct Scene {
    mesh: Mesh,
    services: Services,
    caller: Arc<RunningPod>,
    percent: u32,
}

impl Scene {
    /// Changes the share, and waits until the sidecar has it.
    async fn a_change_takes_effect(&mut self, after: &str) {
        self.percent = self.percent % 50 + 7;
        let share = f64::from(self.percent) / 100.0;
        let patch = format!(
            r#"[{{"op":"replace","path":"/spec/config/percentage/value","value":{share}}}]"#
        );
        let arguments = "patch picfg traffic-mirror-config -n curl --type=json -p";
        let arguments: Vec<&str> = arguments.split(' ').chain([patch.as_str()]).collect();
        self.mesh.cluster.kubectl(&arguments).await.ok();
        eventually(format!("{}% {after}", self.percent), async || {
            let runtime: Value = serde_json::from_str(&self.caller.admin("runtime").await).ok()?;
            let entry = &runtime["entries"]["mirror.curl.traffic-mirror-config"];
            let value = entry["final_value"].as_str()?;
            value.contains(&self.percent.to_string()).then_some(())
        })
        .await;
        self.copies_arrive(after).await;
    }

    async fn copies_arrive(&self, after: &str) {
        let before = self.services.shadow.count();
        eventually(format!("copies {after}"), async || {
            (self.services.shadow.count() > before).then_some(())
        })
        .await;
    }

    /// The Service of the control plane leads to these.
    fn behind_the_service(&self, replicas: &[&Serve]) {
        let addresses = replicas.iter().map(|one| one.address.parse().unwrap());
        self.mesh.service.set(addresses.collect());
    }

    /// Waits until exactly one of them writes statuses.
    async fn one_leads(&self, replicas: &[&Serve]) {
        eventually("exactly one leads", async || {
            let mut leaders = 0;
            for replica in replicas {
                leaders += replica.find_metric("leader").await.unwrap_or_default();
            }
            assert!(leaders < 2, "{leaders} lead at once");
            (leaders == 1).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_go_on_whatever_fails_and_changes_take_effect_afterwards() {
    let Some(mesh) = Mesh::start().await else {
        return;
    };
    let (mut first, second) = (mesh.serve().await, mesh.serve().await);
    let (services, caller) = mesh.seed(&second).await;
    let mut scene = Scene {
        mesh,
        services,
        caller: Arc::new(caller),
        percent: 100,
    };
    scene.behind_the_service(&[&first, &second]);
    let load = Load::start(&scene.caller, &scene.services.address);
    scene.copies_arrive("from the start").await;
    scene.a_change_takes_effect("before any fault").await;
    scene.one_leads(&[&first, &second]).await;

    // Both serve the same: a sidecar that changes over to the other is sent nothing that it has.
    let before = scene.caller.updates().await;
    first.kill();
    scene.behind_the_service(&[&second]);
    scene
        .a_change_takes_effect("after one of two was killed")
        .await;
    let after = scene.caller.updates().await;
    for name in ["cluster_manager.cds", "listener_manager.lds"] {
        let name = format!("{name}.update_success");
        let of = |all: &[(String, u64)]| all.iter().find(|(one, _)| *one == name).cloned();
        assert_eq!(of(&before), of(&after));
    }
    let third = scene.mesh.serve().await;
    scene.behind_the_service(&[&second, &third]);
    scene.one_leads(&[&second, &third]).await;

    // The API server goes away, and comes back without a memory.
    scene.mesh.cluster.compact_etcd().await;
    scene.mesh.cluster.kill_api_server();
    scene.copies_arrive("while the API server is away").await;
    scene.mesh.cluster.start_api_server().await;
    scene
        .a_change_takes_effect("after all watches expired")
        .await;
    scene.one_leads(&[&second, &third]).await;

    // No control plane at all.
    drop((second, third));
    scene.behind_the_service(&[]);
    scene.copies_arrive("without a control plane").await;
    let patch = r#"[{"op":"replace","path":"/spec/config/service","value":"nobody"}]"#;
    let arguments = "patch picfg traffic-mirror-config -n curl --type=json -p";
    let arguments: Vec<&str> = arguments.split(' ').chain([patch]).collect();
    scene.mesh.cluster.kubectl(&arguments).await.ok();
    let fourth = scene.mesh.serve().await;
    scene.behind_the_service(&[&fourth]);
    // What was changed meanwhile is so: the shadow is no longer one.
    eventually("nothing is mirrored any more", async || {
        let requests = scene.services.primary.count();
        let copies = scene.services.shadow.count();
        eventually("more requests", async || {
            (scene.services.primary.count() > requests + 50).then_some(())
        })
        .await;
        (scene.services.shadow.count() == copies).then_some(())
    })
    .await;
    let requests = load.end().await;
    assert!(requests > 100, "{requests}");
    eprintln!("{requests} requests while everything failed, none of them did");
}

/// How many of the configurations have a status.
async fn with_status(cluster: &Cluster) -> usize {
    let path = "jsonpath={range .items[?(@.status.conditions)]}{.metadata.name}{\"\\n\"}{end}";
    let arguments = ["get", "picfg", "-n", "many", "-o", path];
    cluster.kubectl(&arguments).await.ok().lines().count()
}

#[tokio::test]
async fn a_leader_that_dies_while_it_writes_is_followed_by_another() {
    const MANY: usize = 120;
    let Some(cluster) = Cluster::own(Parts::Api).await else {
        return;
    };
    cluster.define_kinds().await;
    for namespace in ["mirrorplane-system", "many"] {
        cluster
            .kubectl(&["create", "namespace", namespace])
            .await
            .ok();
    }
    let mut first = Serve::start::<&str>(&cluster, &[]).await;
    eventually("the first leads", async || {
        (first.find_metric("leader").await == Some(1)).then_some(())
    })
    .await;
    let second = Serve::start::<&str>(&cluster, &[]).await;
    let many: Vec<String> = (0..MANY)
        .map(|number| {
            json!({
                "apiVersion": "plugin.flomesh.io/v1alpha1",
                "kind": "PluginConfig",
                "metadata": {"name": format!("config-{number}"), "namespace": "many"},
                "spec": {
                    "plugin": "traffic-mirror",
                    "destinationRefs": [{"kind": "Service", "name": "a", "namespace": "many"}],
                    "config": {"namespace": "many", "service": "b", "port": 80},
                },
            })
            .to_string()
        })
        .collect();
    cluster.apply(&many.join("\n---\n")).await;
    eventually("a part of the statuses is written", async || {
        (with_status(&cluster).await > 0).then_some(())
    })
    .await;
    first.kill();
    let written = with_status(&cluster).await;
    assert!((1..MANY).contains(&written), "{written} of {MANY}");
    assert_eq!(second.metric("status_writes_total").await, 0);
    eventually("all statuses are written", async || {
        (with_status(&cluster).await == MANY).then_some(())
    })
    .await;
    // It went on where the other had stopped. The last write of that may have been under way.
    let writes = usize::try_from(second.metric("status_writes_total").await).unwrap();
    assert!(
        (MANY - written - 1..=MANY - written).contains(&writes),
        "{writes} after {written} of {MANY}"
    );
}
