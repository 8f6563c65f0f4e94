use std::sync::Arc;

use envoy_types::pb::envoy::config::route::v3::HeaderMatcher;
use envoy_types::pb::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use envoy_types::pb::envoy::config::route::v3::query_parameter_matcher::QueryParameterMatchSpecifier;
use envoy_types::pb::envoy::config::route::v3::route_match::PathSpecifier;
use envoy_types::pb::envoy::r#type::matcher::v3::StringMatcher;
use envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use proptest::prelude::*;
use regex::Regex;

use super::super::names::FRAMING_HEADER;
use super::super::tests::{backend, mirror};
use super::*;
use crate::model::Limits;
use crate::model::Protocol;
use crate::model::{Field, Terms, Text};

/// Whether a text is such, as Envoy's documentation says.
fn is_such(text: &str, pattern: &StringMatcher) -> bool {
    match pattern.match_pattern.as_ref().unwrap() {
        MatchPattern::Exact(exact) => text == exact,
        MatchPattern::Prefix(prefix) => text.starts_with(prefix),
        MatchPattern::SafeRegex(regex) => Regex::new(&format!("^(?:{})$", regex.regex))
            .unwrap()
            .is_match(text),
        other => panic!("{other:?}"),
    }
}

/// Whether a condition on a header holds, likewise.
fn holds(condition: &HeaderMatcher, headers: &[(&str, &str)]) -> bool {
    use HeaderMatchSpecifier as Is;
    let found = headers.iter().find(|(name, _)| *name == condition.name);
    let is = condition.header_match_specifier.as_ref().unwrap();
    if let Is::PresentMatch(true) = is {
        return found.is_some() != condition.invert_match;
    }
    let value = match found {
        Some((_, value)) => *value,
        None if condition.treat_missing_header_as_empty => "",
        None => return false,
    };
    let plain = match is {
        Is::RangeMatch(range) => value
            .parse::<i64>()
            .is_ok_and(|value| (range.start..range.end).contains(&value)),
        Is::StringMatch(pattern) => is_such(value, pattern),
        other => panic!("{other:?}"),
    };
    plain != condition.invert_match
}

/// Whether a route matches, likewise.
fn meets(path: &str, headers: &[(&str, &str)], conditions: &RouteMatch) -> bool {
    let (alone, query) = path.split_once('?').unwrap_or((path, ""));
    let of_path = match conditions.path_specifier.as_ref().unwrap() {
        PathSpecifier::Prefix(prefix) => alone.starts_with(prefix),
        PathSpecifier::Path(exact) => alone == exact,
        other => panic!("{other:?}"),
    };
    let headers = [headers, &[(":path", path)]].concat();
    let parameter = |name: &str| {
        let mut all = query
            .split('&')
            .map(|each| each.split_once('=').unwrap_or((each, "")));
        all.find(|(key, _)| !key.is_empty() && *key == name)
            .map(|(_, value)| value)
    };
    of_path
        && conditions.headers.iter().all(|each| holds(each, &headers))
        && conditions.query_parameters.iter().all(|each| {
            match each.query_parameter_match_specifier.as_ref().unwrap() {
                QueryParameterMatchSpecifier::PresentMatch(true) => parameter(&each.name).is_some(),
                QueryParameterMatchSpecifier::StringMatch(pattern) => {
                    parameter(&each.name).is_some_and(|value| is_such(value, pattern))
                }
                other => panic!("{other:?}"),
            }
        })
}

/// Which of the mirrors with these largest bodies copy a request, and how it is counted.
fn copied(limits: &[u32], headers: &[(&str, &str)]) -> (Vec<usize>, Option<&'static str>) {
    let of_body = |body| Mirror {
        terms: Arc::new(Terms {
            limits: Limits {
                body,
                ..Limits::default()
            },
            ..Terms::default()
        }),
        ..mirror("rule", backend("ok-v2", 80, Protocol::Http1, 1), 1)
    };
    let mirrors: Vec<_> = limits.iter().map(|body| of_body(*body)).collect();
    let all: Vec<_> = mirrors.iter().collect();
    let cases = cases(&all);
    let found = cases
        .iter()
        .find(|case| meets("/", headers, &case.matching))
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

fn exact(text: &str) -> Text {
    Text::Exact(text.to_owned())
}

fn field(name: &str, value: Option<Text>, invert: bool) -> Field {
    Field {
        name: name.to_owned(),
        value,
        invert,
    }
}

/// A selection out of a few that meet, miss and exclude each other.
fn any_selection() -> impl Strategy<Value = Selection> {
    let methods = prop::sample::select(vec![vec![], vec!["GET"], vec!["GET", "HEAD"], vec!["M-X"]]);
    let path = prop::sample::select(vec![
        None,
        Some(exact("/a")),
        Some(exact("/b")),
        Some(Text::Prefix("/a".to_owned())),
        Some(Text::Regex("/(?:a|b/[^?]*)".to_owned())),
    ]);
    let header = prop::sample::select(vec![
        None,
        Some(field("x", None, false)),
        Some(field("x", None, true)),
        Some(field("x", Some(exact("1")), false)),
        Some(field("x", Some(exact("1")), true)),
    ]);
    let query = prop::sample::select(vec![
        None,
        Some(field("q", None, false)),
        Some(field("q", Some(exact("1")), false)),
    ]);
    (methods, path, header, query).prop_map(|(methods, path, header, query)| Selection {
        methods: methods.into_iter().map(str::to_owned).collect(),
        path,
        headers: header.into_iter().collect(),
        query: query.into_iter().collect(),
    })
}

fn any_mirror() -> impl Strategy<Value = Mirror> {
    let limit = prop::sample::select(vec![0, 10, 1024]);
    (any_selection(), limit).prop_map(|(selection, body)| Mirror {
        terms: Arc::new(Terms {
            limits: Limits {
                body,
                ..Limits::default()
            },
            selection,
            ..Terms::default()
        }),
        ..mirror("rule", backend("ok-v2", 80, Protocol::Http1, 1), 1)
    })
}

/// A request, with the parts by themselves.
#[derive(Clone, Debug)]
struct Request {
    method: &'static str,
    path: &'static str,
    query: Option<&'static str>,
    x: Option<&'static str>,
    framing: &'static str,
    length: Option<u32>,
    grpc: bool,
    upgrade: bool,
    copy: bool,
}

fn any_request_at_all() -> impl Strategy<Value = Request> {
    let method = prop::sample::select(vec!["GET", "HEAD", "POST", "M-X"]);
    let path = prop::sample::select(vec!["/", "/a", "/ab", "/b", "/b/c"]);
    let query = prop::sample::select(vec![
        None,
        Some("q"),
        Some("q=1"),
        Some("r&q=2"),
        Some("r=/b/"),
    ]);
    let x = prop::sample::select(vec![None, Some("1"), Some("2")]);
    let framing = prop::sample::select(vec!["HTTP/1.1;", "HTTP/1.1;chunked", "HTTP/2;"]);
    let length = prop::sample::select(vec![None, Some(0), Some(10), Some(11), Some(1025)]);
    let flags = (
        any::<bool>(),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
    );
    (method, path, query, x, framing, length, flags).prop_map(
        |(method, path, query, x, framing, length, (grpc, upgrade, copy))| Request {
            method,
            path,
            query,
            x,
            framing,
            length,
            grpc,
            upgrade,
            copy,
        },
    )
}

impl Request {
    /// What the selection says in plain words.
    fn is_meant(&self, by: &Selection) -> bool {
        let x = |field: &Field| match &field.value {
            None => self.x.is_some() != field.invert,
            Some(_) => (self.x == Some("1")) != field.invert,
        };
        let q = |field: &Field| match (&field.value, self.query) {
            (None, Some(query)) => query.contains('q'),
            (Some(_), Some(query)) => query == "q=1",
            (_, None) => false,
        };
        let path = match &by.path {
            None => true,
            Some(Text::Exact(path)) => self.path == path,
            Some(Text::Prefix(start)) => self.path.starts_with(start),
            Some(Text::Regex(_)) => self.path == "/a" || self.path.starts_with("/b/"),
        };
        (by.methods.is_empty() || by.methods.iter().any(|method| method == self.method))
            && path
            && by.headers.iter().all(x)
            && by.query.iter().all(q)
    }

    /// Whether its body is one that may be copied.
    fn fits(&self, largest: u32) -> bool {
        let is_read = matches!(self.method, "GET" | "HEAD");
        match self.length {
            Some(length) => length <= largest,
            None if self.grpc => largest > 0,
            None => self.framing == "HTTP/1.1;" || self.framing == "HTTP/2;" && is_read,
        }
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            (":method", self.method.to_owned()),
            (FRAMING_HEADER, self.framing.to_owned()),
        ];
        headers.extend(self.x.map(|x| ("x", x.to_owned())));
        headers.extend(
            self.length
                .map(|length| ("content-length", length.to_string())),
        );
        headers.extend(
            self.grpc
                .then(|| ("content-type", "application/grpc".to_owned())),
        );
        headers.extend(self.upgrade.then(|| ("upgrade", "websocket".to_owned())));
        headers.extend(self.copy.then(|| ("x-mirror-shadow", "a/b".to_owned())));
        headers
    }
}

proptest! {
    #[test]
    fn each_mirror_copies_exactly_the_requests_that_it_is_for(
        mirrors in prop::collection::vec(any_mirror(), 1..4),
        requests in prop::collection::vec(any_request_at_all(), 40),
    ) {
        let all: Vec<_> = mirrors.iter().collect();
        let cases = cases(&all);
        for request in requests {
            let headers = request.headers();
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let path = match request.query {
                None => request.path.to_owned(),
                Some(query) => format!("{}?{query}", request.path),
            };
            let found = cases.iter().find(|case| meets(&path, &headers, &case.matching)).unwrap();
            let meant: Vec<_> =
                all.iter().filter(|each| request.is_meant(&each.terms.selection)).copied().collect();
            let may = !request.copy && !request.upgrade;
            let copied: Vec<_> = meant
                .iter()
                .filter(|each| may && request.fits(each.terms.limits.body))
                .copied()
                .collect();
            let spared = (copied.len() < meant.len() && !request.copy).then_some(match request.upgrade {
                true => "spared_upgrade",
                false => "spared_body",
            });
            prop_assert_eq!(&found.mirrors, &copied, "{:?}", request);
            prop_assert_eq!(found.spared, spared, "{:?}", request);
        }
    }

    #[test]
    fn selections_cost_routes_only_where_they_are_used(mirrors in prop::collection::vec(any_mirror(), 1..4)) {
        let plain: Vec<_> = mirrors.iter().map(|each| Mirror {
            terms: Arc::new(Terms { limits: Limits::default(), ..Terms::default() }),
            ..each.clone()
        }).collect();
        prop_assert_eq!(cases(&plain.iter().collect::<Vec<_>>()).len(), 8);
    }
}
