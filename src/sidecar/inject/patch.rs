//! JSON patches (RFC 6902) that only add.

use json_patch::AddOperation;
use json_patch::Patch;
use json_patch::PatchOperation;
use json_patch::jsonptr::PointerBuf;
use serde_json::Value;
use serde_json::json;

/// A patch in the making, of an object at `at` within the document.
pub(super) struct Additions<'a> {
    object: &'a Value,
    at: Vec<&'a str>,
    operations: Vec<PatchOperation>,
}

impl<'a> Additions<'a> {
    /// Nothing yet.
    pub(super) fn new(object: &'a Value, at: &[&'a str]) -> Self {
        Self {
            object,
            at: at.to_vec(),
            operations: Vec::new(),
        }
    }

    /// Sets a key of the mapping at `path`, which is made if it is not there.
    pub(super) fn key(&mut self, path: &[&str], key: &str, value: Value) {
        let made = json!({});
        self.ensure(path, made);
        self.add(path, key, value);
    }

    /// Puts items before the others of the list at `path`, which is made if it is not there.
    pub(super) fn first(&mut self, path: &[&str], items: Vec<Value>) {
        let made = json!([]);
        self.ensure(path, made);
        for (index, item) in items.into_iter().enumerate() {
            self.add(path, &index.to_string(), item);
        }
    }

    /// Puts an item after the others of the list at `path`, which is made if it is not there.
    pub(super) fn last(&mut self, path: &[&str], item: Value) {
        let made = json!([]);
        self.ensure(path, made);
        self.add(path, "-", item);
    }

    /// The patch.
    pub(super) fn done(self) -> Patch {
        Patch(self.operations)
    }

    /// `null` is nothing, as for the API server.
    fn ensure(&mut self, path: &[&str], made: Value) {
        let there = path
            .iter()
            .try_fold(self.object, |value, key| value.get(key))
            .is_some_and(|value| !value.is_null());
        let pointer = self.pointer(path, None);
        let added = self.operations.iter().any(|one| *one.path() == pointer);
        if let (false, false, [parents @ .., last]) = (there, added, path) {
            if !parents.is_empty() {
                self.ensure(parents, json!({}));
            }
            self.add(parents, last, made);
        }
    }

    fn add(&mut self, path: &[&str], last: &str, value: Value) {
        let path = self.pointer(path, Some(last));
        let operation = PatchOperation::Add(AddOperation { path, value });
        self.operations.push(operation);
    }

    fn pointer(&self, path: &[&str], last: Option<&str>) -> PointerBuf {
        let tokens = self.at.iter().chain(path).copied().chain(last);
        PointerBuf::from_tokens(tokens)
    }
}
