//! `sticky`: by what users are told apart that are always copied, or never.

use super::decode::Reader;
use super::selection::header_name;
use crate::api::request_match::Sticky;
use crate::diag::{Code, FieldPath};

/// Reads it: the header, in lower case.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<String> {
    let sticky: Sticky = reader.optional("sticky")?;
    let at = FieldPath::root().key("sticky");
    if sticky.cookie.is_some() {
        reader.error(
            Code::BadConfigValue,
            at.clone().key("cookie"),
            "users cannot be told apart by a cookie: Envoy does not look at one cookie by itself"
                .to_owned(),
            "use `sticky.header`, with a header that says who the user is".to_owned(),
        );
    }
    match sticky.header {
        Some(header) => header_name(&header, at.key("header"), reader),
        None if sticky.cookie.is_some() => None,
        None => {
            reader.error(
                Code::BadConfigValue,
                at,
                "it is not said by what users are told apart".to_owned(),
                "name a header: `sticky: {header: x-user}`".to_owned(),
            );
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::read;
    use crate::diag::Report;
    use crate::dialect::fixture::{found, nowhere};

    fn sticky(value: &Value) -> Result<Option<String>, Vec<String>> {
        let config = json!({
            "namespace": "n", "service": "s", "port": 1, "percentage": {"value": 1}, "sticky": value,
        });
        let mut report = Report::default();
        let spec = read(&config, &nowhere(), "otherwise", &mut report);
        match spec {
            Some(spec) if report.iter().next().is_none() => Ok(spec.terms.sticky.clone()),
            _ => Err(found(&report)),
        }
    }

    #[test]
    fn users_are_told_apart_by_a_header() {
        assert_eq!(sticky(&Value::Null), Ok(None));
        let header = json!({"header": "X-User"});
        assert_eq!(sticky(&header), Ok(Some("x-user".to_owned())));
        for (value, place) in [
            (json!({}), "sticky"),
            (json!("x-user"), "sticky"),
            (json!({"cookie": "user"}), "sticky.cookie"),
            (json!({"header": "x user"}), "sticky.header"),
            (json!({"header": "host"}), "sticky.header"),
        ] {
            let expected = vec![format!("BadConfigValue spec.config.{place}")];
            assert_eq!(sticky(&value), Err(expected), "{value}");
        }
    }
}
