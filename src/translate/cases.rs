//! Which requests are copied by which mirrors: a list of cases, each a route.

use envoy_types::pb::envoy::config::route::v3::HeaderMatcher;

use super::body;
use crate::model::Mirror;

/// Requests that are treated alike: those that meet the conditions, and none of the cases before.
pub(super) struct Case<'m> {
    /// All of them hold.
    pub(super) headers: Vec<HeaderMatcher>,
    /// Who copies them.
    pub(super) mirrors: Vec<&'m Mirror>,
    /// The statistics in which they are counted, as not every mirror copies them.
    pub(super) spared: Option<&'static str>,
}

/// The cases, of which the first that a request meets counts; the last is met by all.
pub(super) fn cases<'m>(mirrors: &[&'m Mirror]) -> Vec<Case<'m>> {
    if mirrors.is_empty() {
        return vec![Case {
            headers: Vec::new(),
            mirrors: Vec::new(),
            spared: None,
        }];
    }
    let limits = mirrors.iter().map(|mirror| mirror.terms.limits.body);
    let forms = body::forms(&limits.collect()).into_iter();
    let cases = forms.map(|form| {
        let fits = |mirror: &&Mirror| form.fits.is_some_and(|of| mirror.terms.limits.body >= of);
        let copied: Vec<_> = mirrors.iter().copied().filter(fits).collect();
        Case {
            headers: form.headers,
            spared: form.spared.filter(|_| copied.len() < mirrors.len()),
            mirrors: copied,
        }
    });
    cases.collect()
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
    use envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
    use regex::Regex;

    use super::super::names::FRAMING_HEADER;
    use super::super::tests::{backend, mirror};
    use super::*;
    use crate::model::Limits;
    use crate::model::Protocol;
    use crate::model::Terms;

    /// Whether a condition holds, as Envoy's documentation of its header matchers says.
    fn holds(condition: &HeaderMatcher, headers: &[(&str, &str)]) -> bool {
        use HeaderMatchSpecifier as Is;
        let Some((_, value)) = headers.iter().find(|(name, _)| *name == condition.name) else {
            return false;
        };
        match condition.header_match_specifier.as_ref().unwrap() {
            Is::PresentMatch(true) => true,
            Is::RangeMatch(range) => value
                .parse::<i64>()
                .is_ok_and(|value| (range.start..range.end).contains(&value)),
            Is::StringMatch(string) => match string.match_pattern.as_ref().unwrap() {
                MatchPattern::Prefix(prefix) => value.starts_with(prefix),
                MatchPattern::SafeRegex(regex) => Regex::new(&format!("^(?:{})$", regex.regex))
                    .unwrap()
                    .is_match(value),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    /// Which of the mirrors with these largest bodies copy a request, and how it is counted.
    fn copied(limits: &[u32], headers: &[(&str, &str)]) -> (Vec<usize>, Option<&'static str>) {
        let of_body = |body| Mirror {
            terms: std::sync::Arc::new(Terms {
                limits: Limits {
                    body,
                    ..Limits::default()
                },
                ..Terms::default()
            }),
            ..mirror("rule", backend("ok-v2", 80, Protocol::Http1, 1), 1)
        };
        let mirrors: Vec<_> = limits.iter().map(|body| of_body(*body)).collect();
        let matches =
            |conditions: &[HeaderMatcher]| conditions.iter().all(|each| holds(each, headers));
        let all: Vec<_> = mirrors.iter().collect();
        let found = cases(&all)
            .into_iter()
            .find(|case| matches(&case.headers))
            .unwrap();
        let index = |copying: &Mirror| mirrors.iter().position(|each| std::ptr::eq(each, copying));
        let by = found.mirrors.iter().map(|each| index(each).unwrap());
        (by.collect(), found.spared)
    }

    const BODY: Option<&str> = Some("spared_body");
    const UPGRADE: Option<&str> = Some("spared_upgrade");

    #[test]
    fn what_may_be_copied_is_what_cannot_hold_up_its_caller() {
        let grpc = ("content-type", "application/grpc+proto");
        for (method, framing, others, expected) in [
            // No body.
            ("GET", "HTTP/1.1;", &[][..], Ok(())),
            ("HEAD", "HTTP/1.0;", &[], Ok(())),
            ("POST", "HTTP/1.1;", &[], Ok(())),
            ("PUT", "HTTP/1.1;-", &[], Ok(())),
            ("DELETE", "HTTP/1.1;", &[], Ok(())),
            // A body of unknown length.
            ("GET", "HTTP/1.1;chunked", &[], Err(BODY)),
            ("DELETE", "HTTP/1.1;Chunked", &[], Err(BODY)),
            ("POST", "HTTP/1.1;gzip, chunked", &[], Err(BODY)),
            ("POST", "HTTP/1.0;chunked", &[], Err(BODY)),
            // Perhaps a body.
            ("GET", "HTTP/2;", &[], Ok(())),
            ("HEAD", "HTTP/2;-", &[], Ok(())),
            ("GETS", "HTTP/2;", &[], Err(BODY)),
            ("DELETE", "HTTP/2;", &[], Err(BODY)),
            ("POST", "HTTP/2;", &[], Err(BODY)),
            ("POST", "HTTP/3;", &[], Err(BODY)),
            // A body of known length.
            (
                "POST",
                "HTTP/1.1;",
                &[("content-length", "1048576")],
                Ok(()),
            ),
            (
                "GET",
                "HTTP/1.1;",
                &[("content-length", "1048577")],
                Err(BODY),
            ),
            (
                "GET",
                "HTTP/2;",
                &[("content-length", "1048577")],
                Err(BODY),
            ),
            ("PUT", "HTTP/2;", &[("content-length", "0")], Ok(())),
            ("PUT", "HTTP/2;", &[("content-length", "-1")], Err(BODY)),
            // The exceptions.
            ("POST", "HTTP/2;", &[grpc], Ok(())),
            ("POST", "HTTP/1.1;chunked", &[grpc], Ok(())),
            (
                "GET",
                "HTTP/1.1;",
                &[("upgrade", "websocket")],
                Err(UPGRADE),
            ),
            ("GET", "HTTP/1.1;", &[("x-mirror-shadow", "a/b")], Err(None)),
        ] {
            let mut headers = vec![(":method", method), (FRAMING_HEADER, framing)];
            headers.extend(others);
            let expected = match expected {
                Ok(()) => (vec![0], None),
                Err(reason) => (vec![], reason),
            };
            let found = copied(&[1024 * 1024], &headers);
            assert_eq!(found, expected, "{headers:?}");
        }
        let found = copied(&[1024 * 1024], &[(":method", "GET")]);
        assert_eq!(found, (vec![], BODY), "nothing is known of it");
    }

    #[test]
    fn each_mirror_has_its_own_largest_body() {
        let limits = [100, 0, 200, 100];
        for (headers, expected) in [
            (&[("content-length", "0")][..], (vec![0, 1, 2, 3], None)),
            (&[("content-length", "1")], (vec![0, 2, 3], BODY)),
            (&[("content-length", "100")], (vec![0, 2, 3], BODY)),
            (&[("content-length", "101")], (vec![2], BODY)),
            (&[("content-length", "201")], (vec![], BODY)),
            (&[(FRAMING_HEADER, "HTTP/1.1;")], (vec![0, 1, 2, 3], None)),
            (
                &[("content-type", "application/grpc")],
                (vec![0, 2, 3], BODY),
            ),
        ] {
            assert_eq!(copied(&limits, headers), expected, "{headers:?}");
        }
    }
}
