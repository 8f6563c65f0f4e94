//! The kill switch: an annotation by which an object stops mirrors.

use crate::api::annotation::STOP;
use crate::api::meta::ObjectMeta;

/// Values by which the annotation stops nothing, in whatever case.
const NO: [&str; 2] = ["false", "no"];

/// Whether an object stops mirrors, and why: the text of its annotation, which may be empty.
///
/// Whoever stops a mirror is in a hurry: there is no value that is wrong, and all but two stop.
pub fn stopped_by(metadata: &ObjectMeta) -> Option<&str> {
    let reason = metadata.annotations.get(STOP)?.trim();
    let is_no = NO.iter().any(|no| reason.eq_ignore_ascii_case(no));
    (!is_no).then_some(reason)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::stopped_by;
    use crate::api::annotation::STOP;
    use crate::api::meta::ObjectMeta;

    #[test]
    fn every_value_but_two_stops() {
        for (value, expected) in [
            (None, None),
            (Some(""), Some("")),
            (Some(" the disk is full\n"), Some("the disk is full")),
            (Some("true"), Some("true")),
            (Some("0"), Some("0")),
            (Some("false"), None),
            (Some(" No "), None),
            (Some("FALSE"), None),
            (Some("not yet"), Some("not yet")),
        ] {
            let annotations = value.map(|value| (STOP.to_owned(), value.to_owned()));
            let metadata = ObjectMeta {
                annotations: BTreeMap::from_iter(annotations),
                ..ObjectMeta::default()
            };
            assert_eq!(stopped_by(&metadata), expected, "{value:?}");
        }
    }
}
