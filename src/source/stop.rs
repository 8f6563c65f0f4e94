//! The annotation that stops mirrors. Whoever writes it is in a hurry: it counts whatever its value is, and whatever else
//! of the object is wrong.

use serde_json::Map;
use serde_json::Value;

use crate::api::annotation::STOP;
use crate::api::meta::ObjectMeta;

/// Makes a text of what the annotation says in an object, if it has one: nothing, a number, a boolean stop as well.
pub(super) fn take_as_text(fields: &mut Map<String, Value>) -> Option<String> {
    let annotations = fields.get_mut("metadata")?.get_mut("annotations")?;
    let value = annotations.get_mut(STOP)?;
    let text = match *value {
        Value::Null => String::new(),
        Value::String(ref text) => text.clone(),
        ref other => other.to_string(),
    };
    *value = Value::String(text.clone());
    Some(text)
}

/// Gives the last valid version of an object what its newest one says of a stop. If it says nothing, nothing changes: the
/// end of a stop waits until the object is valid. Tells whether that changed anything.
pub(super) fn carry_over(stop: Option<String>, last: &mut ObjectMeta) -> bool {
    match stop {
        Some(text) if last.annotations.get(STOP) != Some(&text) => {
            last.annotations.insert(STOP.to_owned(), text);
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use serde_json::json;

    use super::carry_over;
    use super::take_as_text;
    use crate::api::annotation::STOP;
    use crate::api::meta::ObjectMeta;

    #[test]
    fn whatever_the_annotation_says_becomes_text() {
        for (value, expected) in [
            (json!(null), ""),
            (json!(true), "true"),
            (json!(false), "false"),
            (json!(1), "1"),
            (json!("it hurts"), "it hurts"),
            (json!({"why": 1}), "{\"why\":1}"),
        ] {
            let mut object = json!({"metadata": {"annotations": {STOP: value, "other": null}}});
            let fields = object.as_object_mut().unwrap();
            assert_eq!(take_as_text(fields).as_deref(), Some(expected));
            let annotations = json!({STOP: expected, "other": null});
            assert_eq!(object["metadata"]["annotations"], annotations);
        }
        for other in [
            json!({}),
            json!({"metadata": null}),
            json!({"metadata": {"annotations": [STOP]}}),
            json!({"metadata": {"annotations": {"mirrorplane.io/listen": null}}}),
        ] {
            let Value::Object(mut fields) = other.clone() else {
                unreachable!()
            };
            assert_eq!(take_as_text(&mut fields), None);
            assert_eq!(Value::Object(fields), other);
        }
    }

    #[test]
    fn a_stop_is_carried_over_and_its_absence_is_not() {
        let mut last = ObjectMeta::default();
        let say = |text: &str| Some(text.to_owned());
        for (stop, changed, expected) in [
            (None, false, None),
            (say("it hurts"), true, Some("it hurts")),
            (say("it hurts"), false, Some("it hurts")),
            (None, false, Some("it hurts")),
            (say("false"), true, Some("false")),
        ] {
            assert_eq!(carry_over(stop, &mut last), changed);
            assert_eq!(last.annotations.get(STOP).map(String::as_str), expected);
        }
    }
}
