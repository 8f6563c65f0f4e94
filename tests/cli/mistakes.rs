//! Mistakes that people make, and the code of what is said about each.

/// A mistake made in a file of the example: a text is replaced. `«` stands before the place that must be reported.
#[derive(Clone)]
pub(crate) struct Mistake {
    pub(crate) code: &'static str,
    pub(crate) file: &'static str,
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
}

pub(crate) const fn mistake(
    code: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
) -> Mistake {
    Mistake {
        code,
        file,
        from,
        to,
    }
}

pub(crate) const SERVICES: &str = "services.yaml";
pub(crate) const ENDPOINTS: &str = "endpoints.yaml";
pub(crate) const MIRROR: &str = "mirror.yaml";

pub(crate) const MISTAKES: &[Mistake] = &[
    // YAML.
    mistake(
        "MP001",
        MIRROR,
        "  priority: 115",
        "  priority: 115\n «bad indentation: [1",
    ),
    mistake(
        "MP001",
        MIRROR,
        "  priority: 115",
        "  priority: 115\n  «priority: 116",
    ),
    mistake("MP001", MIRROR, "  priority: 115", "«\tpriority: 115"),
    mistake(
        "MP003",
        SERVICES,
        "# The two versions",
        "«just a text\n---\n# The two versions",
    ),
    // Objects.
    mistake(
        "MP006",
        SERVICES,
        "  name: pipy-ok-v2\n  namespace: pipy\nspec",
        "  «name: pipy-ok-v1\n  namespace: pipy\nspec",
    ),
    mistake(
        "MP007",
        MIRROR,
        "metadata:\n  name: traffic-mirror\nspec",
        "«metadata: {}\nspec",
    ),
    mistake(
        "MP008",
        MIRROR,
        "apiVersion: plugin.flomesh.io/v1alpha1\nkind: PluginChain",
        "«apiVersion: plugin.flomesh.io/v1\nkind: PluginChain",
    ),
    // Wrong types and missing fields.
    mistake(
        "MP004",
        SERVICES,
        "      port: 8080\n---",
        "      «port: http\n---",
    ),
    mistake(
        "MP004",
        SERVICES,
        "      port: 8080\n---",
        "      «port: 99999\n---",
    ),
    mistake("MP004", MIRROR, "  priority: 115", "  «priority: high"),
    mistake(
        "MP004",
        MIRROR,
        "  plugin: traffic-mirror\n",
        "  «plugin: [traffic-mirror]\n",
    ),
    mistake(
        "MP004",
        MIRROR,
        "    enablePluginPolicy: true",
        "    «enablePluginPolicy: 3",
    ),
    mistake(
        "MP004",
        MIRROR,
        "        - traffic-mirror\n",
        "        - «{}\n",
    ),
    mistake(
        "MP004",
        ENDPOINTS,
        "  - addresses: [\"127.0.0.1\"]\nports:\n  - name: pipy\n    port: 8081",
        "  - «addresses: 127.0.0.1\nports:\n  - name: pipy\n    port: 8081",
    ),
    mistake(
        "MP005",
        MIRROR,
        "  priority: 115",
        "  priority: 115\n  «prioritty: 3",
    ),
    mistake("MP206", MIRROR, "    podSelector:", "    «podselector:"),
    mistake(
        "MP206",
        MIRROR,
        "      matchLabels:\n        app: curl",
        "      «matchLabel:\n        app: curl",
    ),
    mistake("MP010", MIRROR, "kind: PluginConfig", "«kind: PluginConf"),
    mistake(
        "MP010",
        MIRROR,
        "apiVersion: plugin.flomesh.io/v1alpha1\nkind: PluginConfig",
        "«apiVersion: plugin.flomsh.io/v1alpha1\nkind: PluginConfig",
    ),
    mistake("MP010", MIRROR, "kind: MeshConfig", "«kind: Meshconfig"),
    mistake(
        "MP010",
        ENDPOINTS,
        "apiVersion: discovery.k8s.io/v1",
        "«apiVersion: v1",
    ),
    mistake(
        "MP011",
        SERVICES,
        "# The two versions",
        "apiVersion: v1\n«kind: Endpoints\n---\n# The two versions",
    ),
    mistake(
        "MP012",
        SERVICES,
        "      labels:\n        app: curl",
        "      annotations:\n        «mirrorplane.io/listne: 127.0.0.1:1\n      labels:\n        app: curl",
    ),
    mistake(
        "MP012",
        MIRROR,
        "metadata:\n  name: traffic-mirror\nspec",
        "metadata:\n  name: traffic-mirror\n  annotations: {«mirrorplane.io/plugn: traffic-mirror}\nspec",
    ),
    // The kill switch, by each of the objects that have one, and where it is none.
    mistake(
        "MP701",
        MIRROR,
        "  name: traffic-mirror-config\n",
        "  name: traffic-mirror-config\n  annotations:\n    «mirrorplane.io/stop: it hurts\n",
    ),
    mistake(
        "MP701",
        MIRROR,
        "  name: osm-mesh-config\n",
        "  name: osm-mesh-config\n  annotations: {mirrorplane.io/stop: it hurts}\n",
    ),
    mistake(
        "MP012",
        MIRROR,
        "  name: traffic-mirror-chain\n",
        "  name: traffic-mirror-chain\n  annotations: {«mirrorplane.io/stop: it hurts}\n",
    ),
    // The switch, the plugin, the chain.
    mistake(
        "MP102",
        MIRROR,
        "    enablePluginPolicy: true",
        "    «enablePluginPolicy: false",
    ),
    mistake("MP106", MIRROR, "  priority: 115", "  «priority: 90"),
    mistake(
        "MP201",
        MIRROR,
        "    - name: outbound-http",
        "    - «name: inbound-http",
    ),
    mistake(
        "MP202",
        MIRROR,
        "          operator: In",
        "          «operator: Within",
    ),
    mistake(
        "MP202",
        MIRROR,
        "          values: [\"osm\"]",
        "          «values: []",
    ),
    mistake("MP203", MIRROR, "        app: curl", "        app: wget"),
    mistake(
        "MP204",
        MIRROR,
        "        - traffic-mirror\n",
        "        - «traffic-miror\n",
    ),
    // The configuration: references.
    mistake(
        "MP301",
        MIRROR,
        "  plugin: traffic-mirror\n",
        "  «plugin: traffic-miror\n",
    ),
    mistake(
        "MP302",
        MIRROR,
        "    - name: outbound-http\n      plugins:\n        - traffic-mirror",
        "    - name: outbound-http\n      plugins: []",
    ),
    mistake(
        "MP303",
        MIRROR,
        "    - kind: Service",
        "    - «kind: Deployment",
    ),
    mistake(
        "MP303",
        MIRROR,
        "    - kind: Service",
        "    - «kind: service",
    ),
    mistake(
        "MP304",
        MIRROR,
        "      name: pipy-ok-v1",
        "      «name: pipy-ok-v0",
    ),
    mistake(
        "MP306",
        MIRROR,
        "  destinationRefs:\n    - kind: Service\n      name: pipy-ok-v1\n      namespace: pipy",
        "  «destinationRefs: []",
    ),
    mistake(
        "MP321",
        MIRROR,
        "    service: pipy-ok-v2",
        "    «service: pipy-ok-v3",
    ),
    mistake("MP322", MIRROR, "    port: 8080", "    «port: 8081"),
    mistake(
        "MP325",
        MIRROR,
        "    - kind: Service\n      name: pipy-ok-v1",
        "    - «kind: Service\n      name: pipy-ok-v2",
    ),
    // The configuration: mirrors that lead back or on, with what else there is.
    mistake(
        "MP331",
        SERVICES,
        "    version: v2\n  ports",
        "    version: v1\n  ports",
    ),
    mistake(
        "MP332",
        SERVICES,
        "    app: pipy-ok\n    version: v1\n",
        "    app: pipy-ok\n",
    ),
    mistake(
        "MP333",
        MIRROR,
        "# What is mirrored:",
        concat!(
            "kind: PluginConfig\napiVersion: plugin.flomesh.io/v1alpha1\n",
            "metadata: {name: way-back, namespace: curl}\n",
            "spec:\n  plugin: traffic-mirror\n",
            "  destinationRefs: [«{kind: Service, namespace: pipy, name: pipy-ok-v2}]\n",
            "  config: {namespace: pipy, service: pipy-ok-v1, port: 8080, percentage: {value: 1}}\n",
            "---\n# What is mirrored:",
        ),
    ),
    mistake(
        "MP334",
        MIRROR,
        "        - traffic-mirror\n",
        concat!(
            "        - traffic-mirror\n        - again\n---\n",
            "kind: Plugin\napiVersion: plugin.flomesh.io/v1alpha1\n",
            "metadata: {name: again, annotations: {mirrorplane.io/plugin: traffic-mirror}}\n",
            "spec: {priority: 112}\n---\n",
            "kind: PluginConfig\napiVersion: plugin.flomesh.io/v1alpha1\n",
            "metadata: {name: again, namespace: curl}\n",
            "spec:\n  plugin: again\n",
            "  destinationRefs: [«{kind: Service, namespace: pipy, name: pipy-ok-v1}]\n",
            "  config: {namespace: pipy, service: pipy-ok-v2, port: 8080, percentage: {value: 1}}\n",
            "---\n# The rest of the chain is another one.\n",
            "kind: PluginChain\napiVersion: plugin.flomesh.io/v1alpha1\n",
            "metadata: {name: rest, namespace: pipy}\nspec:\n",
            "  chains:\n    - name: outbound-http\n      plugins: [traffic-mirror, again]\n",
        ),
    ),
    mistake(
        "MP335",
        MIRROR,
        "# What is mirrored:",
        concat!(
            "kind: Service\napiVersion: v1\n",
            "metadata: {name: pipy-ok-v3, namespace: pipy}\n",
            "spec:\n  selector: {version: v3}\n  ports: [{port: 8080}]\n---\n",
            "kind: PluginConfig\napiVersion: plugin.flomesh.io/v1alpha1\n",
            "metadata: {name: further, namespace: curl}\n",
            "spec:\n  plugin: traffic-mirror\n",
            "  destinationRefs: [{kind: Service, namespace: pipy, name: pipy-ok-v2}]\n",
            "  config: {namespace: pipy, service: pipy-ok-v3, port: 8080, percentage: {value: 1}}\n",
            "---\n# What is mirrored:",
        ),
    ),
    mistake(
        "MP337",
        MIRROR,
        concat!(
            "    podSelector:\n      matchLabels:\n        app: curl\n",
            "    namespaceSelector:\n      matchExpressions:\n",
            "        - key: openservicemesh.io/monitored-by\n",
            "          operator: In\n          values: [\"osm\"]\n",
        ),
        concat!(
            "    podSelector: {}\n---\n",
            "kind: Deployment\napiVersion: apps/v1\nmetadata: {name: v2, namespace: pipy}\n",
            "spec: {template: {metadata: {labels: {app: pipy-ok, version: v2}}}}\n",
        ),
    ),
    // The configuration: keys and values.
    mistake(
        "MP311",
        MIRROR,
        "    percentage:\n",
        "    «percent: 1\n    percentage:\n",
    ),
    mistake("MP312", MIRROR, "    service: pipy-ok-v2\n", ""),
    mistake("MP313", MIRROR, "    port: 8080", "    «port: 0"),
    mistake(
        "MP313",
        MIRROR,
        "    service: pipy-ok-v2",
        "    «service: [pipy-ok-v2]",
    ),
    mistake("MP314", MIRROR, "    percentage:\n      value: 1.0\n", ""),
    mistake("MP315", MIRROR, "value: 1.0", "«value: 50"),
    mistake("MP316", MIRROR, "value: 1.0", "«value: -0.5"),
    mistake("MP316", MIRROR, "value: 1.0", "«value: 50%"),
    mistake("MP001", MIRROR, "value: 1.0", "value: «.nan"),
    mistake("MP316", MIRROR, "value: 1.0", "«value: [1]"),
    mistake("MP317", MIRROR, "value: 1.0", "«value: 0.0000001"),
    mistake("MP318", MIRROR, "value: 1.0", "«value: \"0.5\""),
    // Endpoints and workloads.
    mistake(
        "MP309",
        ENDPOINTS,
        "  - addresses: [\"127.0.0.1\"]\nports:\n  - name: pipy\n    port: 8081",
        "  - addresses: [\"127.0.0.1\"]\nports:\n  - name: http\n    port: 8081",
    ),
    mistake(
        "MP309",
        ENDPOINTS,
        "  - addresses: [\"127.0.0.1\"]\nports:\n  - name: pipy\n    port: 8081",
        "  - addresses: [\"127.0.0.1\"]\n    conditions: {ready: false}\nports:\n  - name: pipy\n    port: 8081",
    ),
    mistake(
        "MP310",
        ENDPOINTS,
        "name: pipy-ok-v1\naddressType",
        "name: pipy-ok-v9\naddressType",
    ),
    mistake(
        "MP324",
        ENDPOINTS,
        "name: pipy-ok-v2\naddressType",
        "name: pipy-ok-v9\naddressType",
    ),
    mistake(
        "MP401",
        ENDPOINTS,
        "  - addresses: [\"127.0.0.1\"]\nports:\n  - name: pipy\n    port: 8082",
        "  - addresses: [«\"somewhere\"]\nports:\n  - name: pipy\n    port: 8082",
    ),
    mistake(
        "MP402",
        SERVICES,
        "      labels:\n        app: curl",
        "      annotations:\n        «mirrorplane.io/listen: everywhere\n      labels:\n        app: curl",
    ),
];
