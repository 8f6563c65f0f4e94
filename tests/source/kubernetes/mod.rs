//! What the Kubernetes source makes of the answers of an API server, the rare ones included.

mod following;
mod script;

use std::sync::Arc;
use std::time::Duration;

use mirrorplane::source::State;
use mirrorplane::source::kubernetes::Standing;
use mirrorplane::source::kubernetes::run;
use serde_json::Value;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::script::Server;

/// How long anything may take before a test gives up.
const DEADLINE: Duration = Duration::from_secs(30);

/// A running source, and what it publishes.
struct Following {
    states: watch::Receiver<Option<Arc<State>>>,
    task: JoinHandle<()>,
}

impl Following {
    async fn start(server: &Server) -> Self {
        let client = server.start().await;
        let (sender, states) = watch::channel(None);
        let task = tokio::spawn(async move { run(client, &Standing::default(), sender).await });
        Self { states, task }
    }

    /// Waits for a state that is like this.
    async fn until(&mut self, is: impl Fn(&State) -> bool) -> Arc<State> {
        let wanted = |state: &Option<Arc<State>>| state.as_deref().is_some_and(&is);
        let found = timeout(DEADLINE, self.states.wait_for(wanted)).await;
        let found = found.map(|state| state.unwrap().clone().unwrap());
        found.unwrap_or_else(|_| panic!("it stays {:?}", self.states.borrow()))
    }

    /// Waits until there are PluginConfigs of these names.
    async fn configs(&mut self, names: &[&str]) -> Arc<State> {
        self.until(|state| configs(state) == names).await
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn configs(state: &State) -> Vec<String> {
    let configs = state.objects.plugin_configs.keys();
    configs.map(ToString::to_string).collect()
}

fn plugins_of(state: &State) -> Vec<&str> {
    let configs = state.objects.plugin_configs.values();
    configs.map(|one| one.object.spec.plugin.as_str()).collect()
}

fn codes(state: &State) -> Vec<&'static str> {
    let report = state.report.iter();
    report.map(|diagnostic| diagnostic.code.as_str()).collect()
}

/// A PluginConfig in the namespace `n`.
fn config(name: &str, plugin: Value, version: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "n", "uid": name, "resourceVersion": version},
        "spec": {"plugin": plugin, "destinationRefs": [], "config": {}},
    })
}
