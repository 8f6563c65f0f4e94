//! From what a status is to what it is to be: the patch, if there is anything to write. Pure.

use serde_json::Value;
use serde_json::json;

use super::concern::Concern;
use super::wanted::Wanted;
use crate::api::status::Condition;
use crate::api::status::Truth;

/// What is to be written, and what is new about it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// The status as it will be.
    pub(super) status: Value,
    /// A JSON merge patch to that.
    pub(super) patch: Value,
    /// The conditions that turned, or hold for another reason.
    pub(super) turned: Vec<Condition>,
}

/// The change from the status that an object has, `null` if none. `now` is when conditions turn, in RFC 3339.
pub(super) fn change(current: &Value, wanted: &Wanted, now: &str) -> Option<Change> {
    let before = conditions(current);
    let mut turned = Vec::new();
    let mut after: Vec<Condition> = Vec::new();
    for condition in &wanted.conditions {
        let mut condition = condition.clone();
        let same = before.iter().find(|one| one.type_ == condition.type_);
        condition.last_transition_time = match same {
            Some(same) if same.status == condition.status => same.last_transition_time.clone(),
            _ => now.to_owned(),
        };
        if same
            .is_none_or(|same| (same.status, &same.reason) != (condition.status, &condition.reason))
        {
            turned.push(condition.clone());
        }
        after.push(condition);
    }
    // Somebody else's.
    let ours = |one: &Condition| after.iter().any(|ours| ours.type_ == one.type_);
    let others: Vec<_> = before.iter().filter(|one| !ours(one)).cloned().collect();
    after.extend(others);

    let mut status = wanted.fields.clone();
    status["conditions"] = json!(after);
    if *current == status {
        return None;
    }
    let mut patch = status.clone();
    remove_rest(&mut patch, current);
    let mut patch = json!({ "status": patch });
    if let Some(uid) = &wanted.uid {
        // Another object of that name is another matter.
        patch["metadata"] = json!({ "uid": uid });
    }
    Some(Change {
        status,
        patch,
        turned,
    })
}

/// Makes a merge patch to a value of what removes the rest of it as well, at any depth.
fn remove_rest(patch: &mut Value, current: &Value) {
    let (Some(patch), Some(current)) = (patch.as_object_mut(), current.as_object()) else {
        return;
    };
    for (key, value) in current {
        match patch.get_mut(key) {
            Some(new) => remove_rest(new, value),
            None => drop(patch.insert(key.clone(), Value::Null)),
        }
    }
}

/// Whether it is only that some sidecars have not answered yet, of a rule that all of them had: most often they do so in a
/// moment.
pub(super) fn may_pass(current: &Value, wanted: &Wanted) -> bool {
    let programmed = Concern::Programmed.as_str();
    let before = conditions(current);
    let had = before.iter().find(|one| one.type_ == programmed);
    let next = wanted.conditions.iter().find(|one| one.type_ == programmed);
    matches!((had, next), (Some(had), Some(next))
        if had.status == Truth::True
            && next.reason == "Pending"
            && had.observed_generation == next.observed_generation)
}

/// The conditions of a status, as far as they are any.
fn conditions(status: &Value) -> Vec<Condition> {
    let conditions = status.get("conditions").and_then(Value::as_array);
    let conditions = conditions.into_iter().flatten();
    conditions
        .filter_map(|one| serde_json::from_value(one.clone()).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::change;
    use super::may_pass;
    use crate::status::wanted::Wanted;

    fn wanted(status: &str, reason: &str, generation: i64) -> Wanted {
        let condition = json!({ "type": "Programmed", "status": status, "reason": reason,
            "message": "", "observedGeneration": generation, "lastTransitionTime": "" });
        Wanted {
            uid: Some("u".to_owned()),
            conditions: vec![serde_json::from_value(condition).unwrap()],
            fields: json!({ "share": "25%" }),
        }
    }

    #[test]
    fn what_is_there_is_not_written_again_and_a_condition_turns_once() {
        let first = change(&Value::Null, &wanted("True", "Programmed", 1), "t1").unwrap();
        assert_eq!(first.turned.len(), 1);
        assert_eq!(first.patch["metadata"]["uid"], "u");
        assert_eq!(first.status["conditions"][0]["lastTransitionTime"], "t1");
        assert_eq!(
            change(&first.status, &wanted("True", "Programmed", 1), "t2"),
            None
        );
        // Another generation, the same truth.
        let second = change(&first.status, &wanted("True", "Programmed", 2), "t2").unwrap();
        assert_eq!(second.turned, []);
        assert_eq!(second.status["conditions"][0]["lastTransitionTime"], "t1");
        let third = change(&second.status, &wanted("False", "Pending", 2), "t3").unwrap();
        assert_eq!(third.turned.len(), 1);
        assert_eq!(third.status["conditions"][0]["lastTransitionTime"], "t3");
    }

    #[test]
    fn fields_that_are_gone_are_removed_and_conditions_of_others_stay() {
        let theirs = json!({ "type": "Reviewed", "status": "True", "reason": "ByHand",
            "message": "", "lastTransitionTime": "t0" });
        let current = json!({ "target": "a/b:1", "conditions": [theirs] });
        let change = change(&current, &wanted("True", "Programmed", 1), "t1").unwrap();
        assert_eq!(change.patch["status"]["target"], Value::Null);
        assert_eq!(change.patch["status"]["share"], "25%");
        assert_eq!(change.status.get("target"), None);
        assert_eq!(change.status["conditions"][1]["type"], "Reviewed");
    }

    #[test]
    fn what_is_gone_within_a_field_is_removed_too() {
        let mut wanted = wanted("True", "Programmed", 1);
        wanted.fields["ramp"] = json!({"step": "done"});
        let current = json!({"ramp": {"step": "1/2", "until": "t9"}});
        let change = change(&current, &wanted, "t1").unwrap();
        let expected = json!({"step": "done", "until": null});
        assert_eq!(change.patch["status"]["ramp"], expected);
        assert_eq!(change.status["ramp"], json!({"step": "done"}));
    }

    #[test]
    fn only_a_delivery_under_way_may_pass() {
        let had = |status: &str, generation| {
            let before = wanted(status, "Programmed", generation);
            change(&Value::Null, &before, "t").unwrap().status
        };
        for (current, next, expected) in [
            (had("True", 1), wanted("False", "Pending", 1), true),
            (had("True", 1), wanted("False", "Pending", 2), false),
            (had("True", 1), wanted("False", "Rejected", 1), false),
            (had("False", 1), wanted("False", "Pending", 1), false),
            (Value::Null, wanted("False", "Pending", 1), false),
        ] {
            assert_eq!(may_pass(&current, &next), expected, "{current}");
        }
    }
}
