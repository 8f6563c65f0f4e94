//! Changes of headers, done.

use http::HeaderMap;
use http::header::HeaderValue;

use super::config::{Mutation, Text};

/// Changes the headers of a request, one change after the other.
pub(super) fn apply(mutations: &[Mutation], headers: &mut HeaderMap) {
    for mutation in mutations {
        apply_one(mutation, headers);
    }
}

fn apply_one(mutation: &Mutation, headers: &mut HeaderMap) {
    let (name, text) = match mutation {
        Mutation::Remove(name) => {
            headers.remove(name);
            return;
        }
        Mutation::Append(name, text)
        | Mutation::AddIfAbsent(name, text)
        | Mutation::Overwrite(name, text)
        | Mutation::OverwriteIfPresent(name, text) => (name, text),
    };
    let Some(value) = value(text, headers) else {
        return;
    };
    match mutation {
        Mutation::Append(..) => drop(headers.append(name, value)),
        Mutation::AddIfAbsent(..) => {
            headers.entry(name).or_insert(value);
        }
        Mutation::OverwriteIfPresent(..) if !headers.contains_key(name) => {}
        _ => drop(headers.insert(name, value)),
    }
}

/// Several of a name are one, joined by commas (RFC 9110, section 5.3).
fn value(text: &Text, headers: &HeaderMap) -> Option<HeaderValue> {
    let name = match text {
        Text::Literal(value) => return Some(value.clone()),
        Text::Of(name) => name,
    };
    let values: Vec<&[u8]> = headers
        .get_all(name)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    let joined = values.join(&b","[..]);
    HeaderValue::from_bytes(&joined)
        .ok()
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    #[test]
    fn mutations_do_what_their_action_says() {
        let value = || Text::Literal(HeaderValue::from_static("2"));
        let name = || HeaderName::from_static("x");
        for (mutation, absent, present) in [
            (Mutation::Remove(name()), vec![], vec![]),
            (Mutation::Append(name(), value()), vec!["2"], vec!["1", "2"]),
            (Mutation::AddIfAbsent(name(), value()), vec!["2"], vec!["1"]),
            (Mutation::Overwrite(name(), value()), vec!["2"], vec!["2"]),
            (
                Mutation::OverwriteIfPresent(name(), value()),
                vec![],
                vec!["2"],
            ),
        ] {
            for (before, expected) in [(None, absent), (Some("1"), present)] {
                let before = before.map(|one| (name(), HeaderValue::from_static(one)));
                let mut headers = HeaderMap::from_iter(before);
                apply(std::slice::from_ref(&mutation), &mut headers);
                let found: Vec<_> = headers.get_all("x").iter().collect();
                assert_eq!(found, expected, "{mutation:?}");
            }
        }
    }

    #[test]
    fn a_header_may_be_given_what_another_has() {
        let name = HeaderName::from_static;
        let note = Mutation::Append(name("note"), Text::Of(name("x")));
        let mut headers = HeaderMap::new();
        apply(std::slice::from_ref(&note), &mut headers);
        assert!(headers.is_empty());
        for one in ["1", "2"] {
            headers.append("x", HeaderValue::from_static(one));
        }
        apply(&[note], &mut headers);
        assert_eq!(headers["note"], "1,2");
    }
}
