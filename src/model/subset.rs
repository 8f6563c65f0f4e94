//! Some of the Pods of a Service.

use std::collections::BTreeMap;
use std::fmt;

/// Which Pods of a Service are meant: those that have all of these labels. Without labels it is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subset(pub BTreeMap<String, String>);

impl Subset {
    /// Whether it is all Pods.
    pub fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    /// `KEY=VALUE,KEY=VALUE`, as `kubectl get --selector` takes it.
    pub fn text(&self) -> String {
        let pairs = self.0.iter().map(|(key, value)| format!("{key}={value}"));
        pairs.collect::<Vec<_>>().join(",")
    }
}

/// `[KEY=VALUE]`, to stand after the name of a Service; nothing for all of its Pods.
impl fmt::Display for Subset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_all() {
            true => Ok(()),
            false => write!(f, "[{}]", self.text()),
        }
    }
}
