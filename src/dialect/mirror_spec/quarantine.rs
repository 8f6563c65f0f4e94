//! What those who only receive copies may ask of others: `quarantine`.

use serde_json::Value;

use super::decode::Reader;
use crate::diag::{Code, FieldPath};
use crate::model::Strictness;

/// The key, if it is there and asks for one. `off` is a boolean to those who read YAML 1.1, such as kubectl.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<Strictness> {
    let value: Value = reader.optional("quarantine")?;
    let word = match &value {
        Value::Bool(false) => "off",
        Value::String(word) => word,
        _ => "",
    };
    match word {
        "off" => None,
        "read-only" => Some(Strictness::ReadOnly),
        "deny" => Some(Strictness::Deny),
        _ => {
            reader.error(
                Code::BadConfigValue,
                FieldPath::root().key("quarantine"),
                format!("{value} is no quarantine"),
                "give `read-only`, `deny` or `off`".to_owned(),
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::diag::Report;
    use crate::dialect::fixture::{found, nowhere};
    use crate::dialect::mirror_spec;
    use crate::model::Strictness;

    #[test]
    fn a_quarantine_is_one_of_three_words() {
        for (value, expected) in [
            (json!("read-only"), Ok(Some(Strictness::ReadOnly))),
            (json!("deny"), Ok(Some(Strictness::Deny))),
            (json!("off"), Ok(None)),
            (json!(false), Ok(None)),
            (json!(true), Err(())),
            (json!("readonly"), Err(())),
            (json!(""), Err(())),
            (json!(["deny"]), Err(())),
        ] {
            let config = json!({
                "namespace": "n", "service": "s", "port": 1, "percentage": {"value": 1}, "quarantine": value,
            });
            let mut report = Report::default();
            let spec = mirror_spec::read(&config, &nowhere(), "otherwise", &mut report);
            let is_bad = ["BadConfigValue spec.config.quarantine".to_owned()];
            match expected {
                Ok(strictness) => assert_eq!(spec.unwrap().quarantine, strictness, "{value}"),
                Err(()) => assert_eq!((spec, found(&report)), (None, is_bad.to_vec())),
            }
        }
    }
}
