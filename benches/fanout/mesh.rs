//! The objects that are served: pods in groups, all of which mirror the same destinations.

use anyhow::Context;
use mirrorplane::diag::Origin;
use mirrorplane::name::Namespaced;
use mirrorplane::source::Objects;
use mirrorplane::source::Sourced;
use mirrorplane::source::Table;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::json;

/// The namespace of the pods.
const CALLERS: &str = "bench";

/// How much there is.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Size {
    /// Sidecars, one stream each
    #[arg(long, default_value_t = 5_000)]
    pub(crate) streams: usize,
    /// Groups that they are spread over
    #[arg(long, default_value_t = 50)]
    pub(crate) groups: usize,
    /// Mirrored destinations of each group
    #[arg(long, default_value_t = 1)]
    pub(crate) rules: usize,
}

/// What changes between two states of the world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// The share of the first rule is another.
    pub(crate) percent: bool,
    /// The first destination has another virtual address, and so its routes another host.
    pub(crate) route: bool,
}

impl State {
    /// All states, in the order of their index.
    pub(crate) const ALL: [Self; 4] = [
        Self {
            percent: false,
            route: false,
        },
        Self {
            percent: true,
            route: false,
        },
        Self {
            percent: false,
            route: true,
        },
        Self {
            percent: true,
            route: true,
        },
    ];

    /// Where the state is in [`State::ALL`].
    pub(crate) fn index(self) -> usize {
        usize::from(self.percent) + 2 * usize::from(self.route)
    }
}

/// `node.id` of a sidecar.
pub(crate) fn node(sidecar: usize) -> Namespaced {
    Namespaced::new(CALLERS, format!("node-{sidecar:05}"))
}

/// The group of a sidecar, by its `node.id`: what the servers without a pipeline go by.
pub(crate) fn group_of(node: &str, groups: usize) -> Option<usize> {
    let number: usize = node.rsplit('-').next()?.parse().ok()?;
    Some(number % groups)
}

/// All objects of a state.
pub(crate) fn objects(size: Size, state: State) -> anyhow::Result<Objects> {
    let mut objects = Objects {
        namespaces: one("", CALLERS, json!({}))?,
        mesh_configs: one(
            "osm-system",
            "osm-mesh-config",
            json!({"spec": {"featureFlags": {"enablePluginPolicy": true}}}),
        )?,
        plugins: one("", "traffic-mirror", json!({}))?,
        plugin_chains: one(
            CALLERS,
            "chain",
            json!({"spec": {
                "chains": [{"name": "outbound-http", "plugins": ["traffic-mirror"]}],
                "selectors": {"podSelector": {"matchLabels": {"app": "caller"}}},
            }}),
        )?,
        ..Objects::default()
    };
    for sidecar in 0..size.streams {
        // An address of its own makes a group of its own.
        let listen = format!("127.0.0.1:{}", 20_000 + sidecar % size.groups);
        let pod = json!({"metadata": {
            "labels": {"app": "caller"},
            "annotations": {"mirrorplane.io/listen": listen},
        }});
        let name = node(sidecar);
        let pod = sourced(&name.namespace, &name.name, pod)?;
        objects.pods.insert(name, pod);
    }
    for rule in 0..size.rules {
        let (live, shadow) = (format!("orders-{rule}"), format!("orders-{rule}-next"));
        for (version, service) in [(1, &live), (2, &shadow)] {
            let changed = state.route && rule == 0 && version == 1;
            let (high, low) = (rule / 256, rule % 256);
            let address = format!(
                "10.{}.{low}.{}",
                96 + high,
                if changed { 9 } else { version }
            );
            objects.services.adopt(&one(
                "shop",
                service,
                json!({"spec": {"clusterIP": address, "ports": [{"name": "http", "port": 8080}]}}),
            )?);
            let endpoints: Vec<_> = (1..=3)
                .map(|host| json!({"addresses": [format!("10.{high}.{low}.{}", 10 * version + host)]}))
                .collect();
            objects.endpoint_slices.adopt(&one(
                "shop",
                service,
                json!({
                    "metadata": {"labels": {"kubernetes.io/service-name": service}},
                    "addressType": "IPv4",
                    "endpoints": endpoints,
                    "ports": [{"name": "http", "port": 8080}],
                }),
            )?);
        }
        let share = if state.percent && rule == 0 {
            0.5
        } else {
            0.25
        };
        objects.plugin_configs.adopt(&one(
            "shop",
            &format!("mirror-{rule}"),
            json!({"spec": {
                "plugin": "traffic-mirror",
                "destinationRefs": [{"kind": "Service", "name": live, "namespace": "shop"}],
                "config": {
                    "namespace": "shop",
                    "service": shadow,
                    "port": 8080,
                    "percentage": {"value": share},
                },
            }}),
        )?);
    }
    Ok(objects)
}

fn one<T: DeserializeOwned>(
    namespace: &str,
    name: &str,
    object: Value,
) -> anyhow::Result<Table<T>> {
    let object = sourced(namespace, name, object)?;
    Ok(Table::from_iter([(
        Namespaced::new(namespace, name),
        object,
    )]))
}

fn sourced<T: DeserializeOwned>(
    namespace: &str,
    name: &str,
    mut object: Value,
) -> anyhow::Result<Sourced<T>> {
    object["metadata"]["name"] = name.into();
    object["metadata"]["namespace"] = namespace.into();
    Ok(Sourced {
        object: serde_json::from_value(object).with_context(|| format!("{namespace}/{name}"))?,
        origin: Origin {
            object: None,
            document: None,
            within: Vec::new(),
        },
    })
}
