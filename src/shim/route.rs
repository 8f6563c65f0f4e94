//! Which route a request takes. Pure.

use http::HeaderName;
use http::header::COOKIE;
use http::request::Parts;

use super::config::{
    Choice, Cookies, Hashed, HeaderMatch, Path, QueryMatch, Route, RouteTable, Sampled, Subject,
    Test,
};
use super::runtime::Runtime;

impl RouteTable {
    /// The first route that matches, in the virtual host of this authority.
    pub(super) fn route(
        &self,
        authority: &str,
        head: &Parts,
        cookies: &Cookies,
        runtime: &Runtime,
    ) -> Option<&Route> {
        let host = self.hosts.get(&authority.to_ascii_lowercase());
        let routes = host.or(self.any.as_ref())?.of(head, cookies, runtime);
        routes.iter().find(|route| route.matches(authority, head))
    }
}

impl Choice {
    /// The routes of a request.
    fn of(&self, head: &Parts, cookies: &Cookies, runtime: &Runtime) -> &[Route] {
        let holds = |each: &Sampled| each.holds(head, cookies, runtime);
        let meets = |conditions: &[Sampled]| conditions.iter().all(holds);
        let mut chosen = self.chosen.iter();
        match chosen.find(|(conditions, _)| meets(conditions)) {
            Some((_, routes)) => routes,
            None => &self.otherwise,
        }
    }
}

impl Sampled {
    /// As in Envoy, the hash stands in for the random number.
    fn holds(&self, head: &Parts, cookies: &Cookies, runtime: &Runtime) -> bool {
        let value = match &self.of {
            Hashed::Header(name) => joined(head, name),
            Hashed::Kept(key) => cookies.get(key).and_then(|name| cookie(head, name)),
        };
        value.is_some_and(|value| {
            let hash = xxhash_rust::xxh64::xxh64(value.as_bytes(), self.seed);
            runtime.samples(&self.share, hash)
        })
    }
}

/// All values of a header as one, as they may be joined (RFC 9110, section 5.3).
fn joined(head: &Parts, name: &HeaderName) -> Option<String> {
    let values: Vec<_> = head
        .headers
        .get_all(name)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()))
        .collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// The value of the first cookie of that name, without quotes; an empty one is none.
fn cookie(head: &Parts, name: &str) -> Option<String> {
    let headers = head.headers.get_all(COOKIE).iter();
    let texts = headers.map(|value| String::from_utf8_lossy(value.as_bytes()));
    for text in texts {
        for pair in text.split(';') {
            if let Some((key, value)) = pair.split_once('=')
                && key.trim() == name
            {
                let value = value.trim();
                let bare = value
                    .strip_prefix('"')
                    .and_then(|rest| rest.strip_suffix('"'));
                let value = bare.unwrap_or(value);
                return Some(value.to_owned()).filter(|value| !value.is_empty());
            }
        }
    }
    None
}

impl Route {
    fn matches(&self, authority: &str, head: &Parts) -> bool {
        let path = head.uri.path();
        let is_at = match &self.path {
            Path::Prefix(prefix) => path.starts_with(prefix),
            Path::Exact(exact) => path == exact,
        };
        let query = head.uri.query().unwrap_or_default();
        is_at
            && self.query.iter().all(|condition| condition.matches(query))
            && self
                .headers
                .iter()
                .all(|condition| condition.matches(authority, head))
    }
}

impl QueryMatch {
    fn matches(&self, query: &str) -> bool {
        let mut parameters = query
            .split('&')
            .filter(|parameter| !parameter.is_empty())
            .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")));
        let found = parameters.find(|(name, _)| *name == self.name);
        match (found, &self.test) {
            (Some((_, value)), test) => test.matches(value),
            (None, Test::Present(present)) => !present,
            (None, _) => false,
        }
    }
}

impl HeaderMatch {
    fn matches(&self, authority: &str, head: &Parts) -> bool {
        match self.value(authority, head) {
            Some(value) => self.test.matches(&value) != self.invert,
            // Whatever is asked of the value of a missing header is not the case, inverted or not; only its absence can
            // be asked for.
            None => match self.test {
                Test::Present(present) => present == self.invert,
                _ if self.or_empty => self.test.matches("") != self.invert,
                _ => false,
            },
        }
    }

    fn value(&self, authority: &str, head: &Parts) -> Option<String> {
        match &self.subject {
            Subject::Method => Some(head.method.as_str().to_owned()),
            Subject::Path => head.uri.path_and_query().map(ToString::to_string),
            Subject::Authority => Some(authority.to_owned()),
            Subject::Header(name) => joined(head, name),
        }
    }
}

impl Test {
    fn matches(&self, value: &str) -> bool {
        match self {
            Self::Present(present) => *present,
            Self::Exact(text) => value == text,
            Self::Prefix(text) => value.starts_with(text),
            Self::Suffix(text) => value.ends_with(text),
            Self::Contains(text) => value.contains(text),
            Self::Range(start, end) => value
                .parse::<i64>()
                .is_ok_and(|number| (*start..*end).contains(&number)),
            Self::Regex(regex) => regex.is_match(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::envoy::config::route::v3 as proto;
    use envoy_types::pb::envoy::r#type::matcher::v3::RegexMatcher;
    use envoy_types::pb::envoy::r#type::v3::Int64Range;
    use http::Request;
    use proto::header_matcher::HeaderMatchSpecifier as Is;
    use proto::route::Action as ProtoAction;
    use proto::route_action::ClusterSpecifier;
    use proto::route_match::PathSpecifier;

    use super::*;
    use crate::shim::config::Action;

    fn host(domain: &str, routes: Vec<proto::Route>) -> proto::VirtualHost {
        proto::VirtualHost {
            domains: vec![domain.into()],
            routes,
            ..Default::default()
        }
    }

    fn route(cluster: &str, prefix: &str, header: Option<(&str, Is)>) -> proto::Route {
        proto::Route {
            r#match: Some(proto::RouteMatch {
                path_specifier: Some(PathSpecifier::Prefix(prefix.into())),
                headers: header
                    .into_iter()
                    .map(|(name, condition)| proto::HeaderMatcher {
                        name: name.into(),
                        header_match_specifier: Some(condition),
                        ..Default::default()
                    })
                    .collect(),
                ..Default::default()
            }),
            action: Some(ProtoAction::Route(proto::RouteAction {
                cluster_specifier: Some(ClusterSpecifier::Cluster(cluster.into())),
                timeout: Some(Default::default()),
                ..Default::default()
            })),
            ..Default::default()
        }
    }

    fn table(virtual_hosts: Vec<proto::VirtualHost>) -> Result<RouteTable, String> {
        RouteTable::from_proto(&proto::RouteConfiguration {
            virtual_hosts,
            ..Default::default()
        })
        .map_err(|rejection| rejection.to_string())
    }

    fn taken(table: &RouteTable, authority: &str, request: Request<()>) -> Option<String> {
        match &table
            .route(
                authority,
                &request.into_parts().0,
                &Cookies::new(),
                &Runtime::default(),
            )?
            .action
        {
            Action::Forward { cluster, .. } => Some(cluster.clone()),
            Action::Respond(..) => None,
        }
    }

    #[test]
    #[expect(deprecated, reason = "the older form of a condition is supported too")]
    fn the_first_route_whose_conditions_hold_is_taken() {
        let regex = RegexMatcher {
            regex: "GET|HEAD".into(),
            ..Default::default()
        };
        let table = table(vec![host(
            "A.b:80",
            vec![
                route("upgrade", "/", Some(("upgrade", Is::PresentMatch(true)))),
                route(
                    "small",
                    "/",
                    Some((
                        "content-length",
                        Is::RangeMatch(Int64Range { start: 0, end: 11 }),
                    )),
                ),
                route(
                    "large",
                    "/",
                    Some(("content-length", Is::PresentMatch(true))),
                ),
                route(
                    "grpc",
                    "/",
                    Some(("content-type", Is::PrefixMatch("application/grpc".into()))),
                ),
                route("get", "/", Some((":method", Is::SafeRegexMatch(regex)))),
                route("rest", "/p", None),
            ],
        )])
        .unwrap();
        for (method, path, headers, expected) in [
            ("GET", "/", &[("upgrade", "websocket")][..], Some("upgrade")),
            ("POST", "/", &[("content-length", "10")], Some("small")),
            ("POST", "/", &[("content-length", "11")], Some("large")),
            ("POST", "/", &[("content-length", "x")], Some("large")),
            (
                "POST",
                "/",
                &[("content-type", "application/grpc+proto")],
                Some("grpc"),
            ),
            ("GET", "/", &[], Some("get")),
            // The whole value must match.
            ("GETS", "/p", &[], Some("rest")),
            ("POST", "/", &[], None),
        ] {
            let mut request = Request::builder().method(method).uri(path);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let taken = taken(&table, "a.B:80", request.body(()).unwrap());
            assert_eq!(taken.as_deref(), expected, "{method} {path} {headers:?}");
        }
    }

    #[test]
    fn a_host_without_its_own_routes_takes_those_of_the_star() {
        let hosts = vec![
            host("a", vec![route("a", "/", None)]),
            host("*", vec![route("any", "/", None)]),
        ];
        let table = table(hosts).unwrap();
        let request = || Request::new(());
        assert_eq!(taken(&table, "a", request()).as_deref(), Some("a"));
        assert_eq!(taken(&table, "a:80", request()).as_deref(), Some("any"));
        assert_eq!(taken(&RouteTable::default(), "a", request()), None);
    }

    #[test]
    fn tables_that_mean_something_else_are_refused_with_the_place() {
        let mut unbounded = route("a", "/", None);
        let Some(ProtoAction::Route(action)) = &mut unbounded.action else {
            panic!()
        };
        action.timeout = None;
        let bad = RegexMatcher {
            regex: ")(".into(),
            ..Default::default()
        };
        #[expect(deprecated, reason = "the older form of a condition is supported too")]
        let bad = route("a", "/", Some((":method", Is::SafeRegexMatch(bad))));
        for (hosts, expected) in [
            (
                vec![host("*.a", vec![])],
                "virtual_hosts[0].domains[0] `*.a` is not supported",
            ),
            (
                vec![host("a", vec![]), host("A", vec![])],
                "virtual_hosts[1].domains[0] `A` is given twice",
            ),
            (
                vec![host("a", vec![unbounded])],
                "virtual_hosts[0].routes[0].route.timeout must be 0s",
            ),
            (
                vec![host("a", vec![bad])],
                "virtual_hosts[0].routes[0].match.headers[0].safe_regex_match.regex `)(` is not a regular expression",
            ),
        ] {
            let text = table(hosts).unwrap_err();
            assert!(text.starts_with(expected), "{text}");
        }
    }
}
