//! Mirrors that copy always or never what comes from one user: by the hash of a header or a cookie, not by chance.
//!
//! A mirror policy draws a number for each request, and there is none that takes a hash. A virtual host can choose its routes
//! by such a hash, though, so there are routes with the mirror and without; the share it is compared with is the same runtime
//! value. The hash depends on that alone, and so the users of a smaller share are some of those of a larger.

use envoy_types::pb::envoy::config::route::v3::{Route, RouteList};
use envoy_types::pb::envoy::extensions::matching::common_inputs::network::v3::FilterStateInput;
use envoy_types::pb::envoy::extensions::matching::input_matchers::runtime_fraction::v3::RuntimeFraction;
use envoy_types::pb::envoy::r#type::matcher::v3::HttpRequestHeaderMatchInput;
use envoy_types::pb::google::protobuf::Any;
use envoy_types::pb::xds::core::v3::TypedExtensionConfig;
use envoy_types::pb::xds::r#type::matcher::v3::Matcher;
use envoy_types::pb::xds::r#type::matcher::v3::matcher::matcher_list::predicate::{
    MatchType, PredicateList, SinglePredicate, single_predicate,
};
use envoy_types::pb::xds::r#type::matcher::v3::matcher::matcher_list::{FieldMatcher, Predicate};
use envoy_types::pb::xds::r#type::matcher::v3::matcher::{
    MatcherList, MatcherType, OnMatch, on_match,
};
use envoy_types::util::pack_any;

use super::cookie;
use super::policy;
use crate::model::{Mirror, Sticky};

/// The choice between the routes that `routes` makes for some of the mirrors; `None` if no mirror depends on a user.
pub(super) fn matcher<'m>(
    mirrors: &[&'m Mirror],
    routes: impl Fn(&[&'m Mirror]) -> Vec<Route>,
) -> Option<Matcher> {
    let sticky = mirrors.iter().filter_map(|mirror| {
        let by = mirror.terms.sticky.as_ref()?;
        Some((*mirror, by))
    });
    let mut subsets: Vec<Vec<(&Mirror, &Sticky)>> = vec![Vec::new()];
    for each in sticky {
        let with: Vec<_> = subsets
            .iter()
            .map(|subset| [subset.as_slice(), &[each]].concat())
            .collect();
        subsets.extend(with);
    }
    if subsets.len() == 1 {
        return None;
    }
    // The first that holds counts: all of them first.
    subsets.sort_by_key(|subset| std::cmp::Reverse(subset.len()));
    let with = |subset: &[(&Mirror, &Sticky)]| {
        let is_in = |mirror: &&&Mirror| {
            mirror.terms.sticky.is_none() || subset.iter().any(|(each, _)| each == *mirror)
        };
        let mirrors: Vec<_> = mirrors.iter().filter(is_in).copied().collect();
        list(routes(&mirrors))
    };
    let matchers = subsets
        .iter()
        .filter(|subset| !subset.is_empty())
        .map(|subset| FieldMatcher {
            predicate: Some(all(subset)),
            on_match: Some(with(subset)),
        });
    let list = MatcherList {
        matchers: matchers.collect(),
    };
    Some(Matcher {
        matcher_type: Some(MatcherType::MatcherList(list)),
        on_no_match: Some(Box::new(with(&[]))),
    })
}

/// The request's user is in the share of each of the mirrors.
fn all(of: &[(&Mirror, &Sticky)]) -> Predicate {
    let mut each: Vec<_> = of.iter().map(|(mirror, by)| chosen(mirror, by)).collect();
    match each.pop() {
        Some(only) if each.is_empty() => only,
        last => {
            each.extend(last);
            Predicate {
                match_type: Some(MatchType::AndMatcher(PredicateList { predicate: each })),
            }
        }
    }
}

fn chosen(mirror: &Mirror, by: &Sticky) -> Predicate {
    let input = match by {
        Sticky::Header(name) => named(
            "header",
            pack_any(HttpRequestHeaderMatchInput {
                header_name: name.clone(),
            }),
        ),
        Sticky::Cookie(name) => named(
            "cookie",
            pack_any(FilterStateInput {
                key: cookie::key(name),
                ..FilterStateInput::default()
            }),
        ),
    };
    // No seed: all mirrors have the same hash, so that their shares nest.
    let share = RuntimeFraction {
        runtime_fraction: Some(policy::share(mirror)),
        seed: 0,
    };
    Predicate {
        match_type: Some(MatchType::SinglePredicate(SinglePredicate {
            input: Some(input),
            matcher: Some(single_predicate::Matcher::CustomMatch(named(
                "share",
                pack_any(share),
            ))),
        })),
    }
}

fn list(routes: Vec<Route>) -> OnMatch {
    let action = named("routes", pack_any(RouteList { routes }));
    OnMatch {
        on_match: Some(on_match::OnMatch::Action(action)),
        ..OnMatch::default()
    }
}

fn named(name: &str, config: Any) -> TypedExtensionConfig {
    TypedExtensionConfig {
        name: name.to_owned(),
        typed_config: Some(config),
    }
}
