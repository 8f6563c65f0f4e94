//! The definitions of our kinds for a Kubernetes API server, made from the types of [`crate::api`].
//!
//! An API server accepts what osm-edge's or fsm's definitions accept. It refuses an object only if it could never have
//! an effect in any of the three; what else is wrong is said by diagnostics.

mod columns;
mod schema;

use serde_json::{Value, json};

use crate::api::mesh_config::MeshConfig;
use crate::api::mirror_config::MirrorConfig;
use crate::api::plugin::{GROUP, Plugin, PluginChain, PluginConfig};
use crate::api::status::{PluginChainStatus, PluginConfigStatus, PluginStatus};

use columns::{CHAIN_COLUMNS, CONFIG_COLUMNS, Column, MESH_COLUMNS, PLUGIN_COLUMNS};
use schema::{node, of_kind, of_type, opened};

/// A CustomResourceDefinition of `apiextensions.k8s.io/v1`.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// `plugins`, as in the name of its file.
    pub plural: &'static str,
    /// The object.
    pub object: Value,
}

/// What a kind is called, and where its objects live.
struct Kind {
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
    short: &'static str,
    scope: &'static str,
}

/// All definitions.
pub fn definitions() -> Vec<Definition> {
    vec![plugin(), plugin_chain(), plugin_config(), mesh_config()]
}

fn plugin() -> Definition {
    let kind = Kind {
        group: GROUP,
        kind: "Plugin",
        plural: "plugins",
        singular: "plugin",
        short: "pi",
        scope: "Cluster",
    };
    let schema = of_kind::<Plugin>(Some(of_type::<PluginStatus>()));
    kind.define(vec![version("v1alpha1", schema, &PLUGIN_COLUMNS)])
}

fn plugin_chain() -> Definition {
    let kind = Kind {
        group: GROUP,
        kind: "PluginChain",
        plural: "pluginchains",
        singular: "pluginchain",
        short: "pichn",
        scope: "Namespaced",
    };
    let mut schema = of_kind::<PluginChain>(Some(of_type::<PluginChainStatus>()));
    for selector in ["podSelector", "namespaceSelector"] {
        let path = ["spec", "selectors", selector, "matchExpressions", "[]"];
        let requirement = node(&mut schema, &path);
        requirement["properties"]["operator"]["enum"] =
            json!(["In", "NotIn", "Exists", "DoesNotExist"]);
        requirement["x-kubernetes-validations"] = json!([
            {
                "rule": "!(self.operator in ['In', 'NotIn']) || (has(self.values) && size(self.values) > 0)",
                "message": "In and NotIn need at least one value: without it the chain selects nothing",
                "fieldPath": ".values",
            },
            {
                "rule": "self.operator in ['In', 'NotIn'] || !has(self.values) || size(self.values) == 0",
                "message": "Exists and DoesNotExist take no values: with one the chain selects nothing",
                "fieldPath": ".values",
            },
        ]);
    }
    kind.define(vec![version("v1alpha1", schema, &CHAIN_COLUMNS)])
}

fn plugin_config() -> Definition {
    let kind = Kind {
        group: GROUP,
        kind: "PluginConfig",
        plural: "pluginconfigs",
        singular: "pluginconfig",
        short: "picfg",
        scope: "Namespaced",
    };
    let mut schema = of_kind::<PluginConfig>(Some(of_type::<PluginConfigStatus>()));
    node(&mut schema, &["spec", "plugin"])["minLength"] = json!(1);
    node(&mut schema, &["spec", "destinationRefs"])["x-kubernetes-validations"] = json!([{
        "rule": "size(self) == 0 || self.exists(ref, has(ref.kind) && ref.kind == 'Service')",
        "message": "no destination is of kind Service: nothing can ever be mirrored",
    }]);
    // Other plugins may use the same keys for something else, so their types are not checked here.
    let config = node(&mut schema, &["spec", "config"]);
    *config = opened(of_type::<MirrorConfig>());
    config["type"] = json!("object");
    config["description"] = json!(
        "What the plugin reads. The keys that are described here are those of a mirror; another plugin has others."
    );
    kind.define(vec![version("v1alpha1", schema, &CONFIG_COLUMNS)])
}

fn mesh_config() -> Definition {
    let kind = Kind {
        group: "config.openservicemesh.io",
        kind: "MeshConfig",
        plural: "meshconfigs",
        singular: "meshconfig",
        short: "meshconfig",
        scope: "Namespaced",
    };
    let mut schema = of_kind::<MeshConfig>(None);
    // Most of osm-edge's settings mean nothing here. They are kept, for those who move over or back.
    for path in [&["spec"][..], &["spec", "featureFlags"]] {
        node(&mut schema, path)["x-kubernetes-preserve-unknown-fields"] = json!(true);
    }
    let current = version("v1alpha2", schema.clone(), &MESH_COLUMNS);
    let mut old = version("v1alpha1", schema, &MESH_COLUMNS);
    old["storage"] = json!(false);
    old["deprecated"] = json!(true);
    old["deprecationWarning"] = json!(
        "config.openservicemesh.io/v1alpha1 MeshConfig is deprecated; use config.openservicemesh.io/v1alpha2"
    );
    kind.define(vec![current, old])
}

impl Kind {
    fn define(self, versions: Vec<Value>) -> Definition {
        let object = json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {
                "name": format!("{}.{}", self.plural, self.group),
                "labels": {"app.kubernetes.io/name": "mirrorplane"},
            },
            "spec": {
                "group": self.group,
                "names": {
                    "kind": self.kind,
                    "listKind": format!("{}List", self.kind),
                    "plural": self.plural,
                    "singular": self.singular,
                    "shortNames": [self.short],
                },
                "scope": self.scope,
                "versions": versions,
            },
        });
        Definition {
            plural: self.plural,
            object,
        }
    }
}

/// A version that is stored, with a status of its own if the schema has one.
fn version(name: &str, schema: Value, columns: &[Column]) -> Value {
    let has_status = schema["properties"].get("status").is_some();
    let mut version = json!({
        "name": name,
        "served": true,
        "storage": true,
        "additionalPrinterColumns": columns.iter().map(Column::to_json).collect::<Vec<_>>(),
        "schema": {"openAPIV3Schema": schema},
    });
    if has_status {
        version["subresources"] = json!({"status": {}});
    }
    version
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::definitions;

    /// Every node below a schema, with the path to it.
    fn walk(path: &str, schema: &Value, found: &mut Vec<(String, Value)>) {
        found.push((path.to_owned(), schema.clone()));
        let properties = schema["properties"].as_object();
        for (name, property) in properties.into_iter().flatten() {
            walk(&format!("{path}.{name}"), property, found);
        }
        for inner in ["items", "additionalProperties"] {
            if schema[inner].is_object() {
                walk(&format!("{path}[]"), &schema[inner], found);
            }
        }
    }

    #[test]
    fn every_field_says_what_it_is() {
        for definition in definitions() {
            let schema = &definition.object["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            let mut found = Vec::new();
            walk(definition.plural, schema, &mut found);
            for (path, node) in found {
                let is_plain = path.ends_with("metadata") || path.ends_with("[]");
                assert!(
                    is_plain || node["description"].is_string(),
                    "{path} has no description"
                );
                assert!(node.get("default").is_none(), "{path} is filled in");
            }
        }
    }

    #[test]
    fn the_keys_of_a_mirror_are_described_and_nothing_is_demanded_of_them() {
        let config = definitions()
            .into_iter()
            .find(|definition| definition.plural == "pluginconfigs")
            .unwrap();
        let schema = &config.object["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let config = &schema["properties"]["spec"]["properties"]["config"];
        assert_eq!(config["x-kubernetes-preserve-unknown-fields"], true);
        assert!(config.get("required").is_none());
        for key in ["namespace", "service", "port", "percentage"] {
            let key = &config["properties"][key];
            assert!(key.get("type").is_none(), "{key}");
            assert!(key["description"].is_string(), "{key}");
        }
    }
}
