//! `sticky`: by what users are told apart that are always copied, or never.

use super::decode::Reader;
use super::selection::header_name;
use crate::api::request_match::Sticky as Keys;
use crate::diag::{Code, FieldPath};
use crate::model::Sticky;

/// The longest name of a cookie that is taken.
const LONGEST: usize = 256;

/// Reads it.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<Sticky> {
    let Keys { header, cookie } = reader.optional("sticky")?;
    let at = FieldPath::root().key("sticky");
    match (header, cookie) {
        (Some(header), None) => header_name(&header, at.key("header"), reader).map(Sticky::Header),
        (None, Some(cookie)) => {
            is_cookie(&cookie, at.key("cookie"), reader).then_some(Sticky::Cookie(cookie))
        }
        (header, _) => {
            let message = match header {
                Some(_) => "users are told apart by a header or by a cookie, not by both",
                None => "it is not said by what users are told apart",
            };
            reader.error(
                Code::BadConfigValue,
                at,
                message.to_owned(),
                "name a header or a cookie: `sticky: {header: x-user}`".to_owned(),
            );
            None
        }
    }
}

/// Reports what is no name of a cookie, or one that a proxy could not be told.
fn is_cookie(name: &str, at: FieldPath, reader: &mut Reader<'_>) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let sound = !name.is_empty() && name.len() <= LONGEST && name.chars().all(fits);
    if !sound {
        reader.error(
            Code::BadConfigValue,
            at,
            format!("{name:?} is not the name of a cookie that can be looked at"),
            "give letters, digits, `-`, `.` and `_`".to_owned(),
        );
    }
    sound
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::read;
    use crate::diag::Report;
    use crate::dialect::fixture::{found, nowhere};
    use crate::model::Sticky;

    fn sticky(value: &Value) -> Result<Option<Sticky>, Vec<String>> {
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
    fn users_are_told_apart_by_a_header_or_a_cookie() {
        let header = json!({"header": "X-User"});
        assert_eq!(
            sticky(&header),
            Ok(Some(Sticky::Header("x-user".to_owned())))
        );
        let cookie = json!({"cookie": "Session.Id"});
        assert_eq!(
            sticky(&cookie),
            Ok(Some(Sticky::Cookie("Session.Id".to_owned())))
        );
        for (value, place) in [
            (json!({}), "sticky"),
            (json!("x-user"), "sticky"),
            (json!({"cookie": "user", "header": "x-user"}), "sticky"),
            (json!({"cookie": ""}), "sticky.cookie"),
            (json!({"cookie": "a b"}), "sticky.cookie"),
            (json!({"cookie": "a)%b"}), "sticky.cookie"),
            (json!({"header": "x user"}), "sticky.header"),
            (json!({"header": "host"}), "sticky.header"),
        ] {
            let expected = vec![format!("BadConfigValue spec.config.{place}")];
            assert_eq!(sticky(&value), Err(expected), "{value}");
        }
    }
}
