//! What `kubectl get` shows: is it mirroring, where to, at what share, on how many sidecars.

use serde_json::{Value, json};

/// A column.
pub(super) struct Column {
    name: &'static str,
    kind: &'static str,
    path: &'static str,
    description: &'static str,
    shown: Shown,
}

/// When a [`Column`] is shown.
#[derive(PartialEq)]
enum Shown {
    Always,
    /// With `-o wide`.
    Wide,
}

impl Column {
    const fn new(name: &'static str, path: &'static str, description: &'static str) -> Self {
        Self {
            name,
            kind: "string",
            path,
            description,
            shown: Shown::Always,
        }
    }

    const fn of_kind(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    const fn wide(mut self) -> Self {
        self.shown = Shown::Wide;
        self
    }

    pub(super) fn to_json(&self) -> Value {
        let mut column = json!({
            "name": self.name,
            "type": self.kind,
            "description": self.description,
            "jsonPath": self.path,
        });
        if self.shown == Shown::Wide {
            column["priority"] = json!(1);
        }
        column
    }
}

const AGE: Column = Column::new(
    "Age",
    ".metadata.creationTimestamp",
    "How long it has existed",
)
.of_kind("date");

const REASON: Column = Column::new("Reason", ".status.reason", "Why").wide();

pub(super) const PLUGIN_COLUMNS: [Column; 4] = [
    Column::new(
        "Priority",
        ".spec.priority",
        "Order among the plugins of a chain, highest first",
    )
    .of_kind("number"),
    Column::new(
        "Status",
        ".status.currentStatus",
        "Whether it has an effect",
    ),
    REASON,
    AGE,
];

pub(super) const CHAIN_COLUMNS: [Column; 5] = [
    Column::new(
        "Plugins",
        ".status.plugins",
        "The plugins that have an effect through it",
    ),
    Column::new(
        "Sidecars",
        ".status.selectedSidecars",
        "How many connected sidecars it selects",
    )
    .of_kind("integer"),
    Column::new(
        "Status",
        ".status.currentStatus",
        "Whether it has an effect",
    )
    .wide(),
    REASON,
    AGE,
];

pub(super) const CONFIG_COLUMNS: [Column; 9] = [
    Column::new(
        "Mirroring",
        ".status.conditions[?(@.type==\"Programmed\")].status",
        "Whether all sidecars that it is for mirror as it says",
    ),
    Column::new("Target", ".status.target", "Where requests are mirrored to"),
    Column::new("Share", ".status.share", "How many requests are mirrored"),
    Column::new(
        "Sidecars",
        ".status.sidecars",
        "On how many sidecars it is in force, of how many",
    ),
    Column::new("Plugin", ".spec.plugin", "The Plugin that it configures").wide(),
    Column::new(
        "Ramp",
        ".status.ramp.step",
        "At which step its ramp is, of how many",
    )
    .wide(),
    Column::new("Waits", ".status.ramp.waits", "Why its ramp does not go on").wide(),
    REASON,
    AGE,
];

pub(super) const MESH_COLUMNS: [Column; 2] = [
    Column::new(
        "Plugins",
        ".spec.featureFlags.enablePluginPolicy",
        "Whether plugins have any effect",
    )
    .of_kind("boolean"),
    AGE,
];
