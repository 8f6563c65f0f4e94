//! Which routes a virtual host has: the same for all requests, or chosen by the hash of a header or of a cookie.

use std::sync::Arc;

use envoy_types::pb::envoy::config::route::v3 as proto;
use envoy_types::pb::envoy::extensions::matching::common_inputs::network::v3::FilterStateInput;
use envoy_types::pb::envoy::extensions::matching::input_matchers::runtime_fraction::v3::RuntimeFraction;
use envoy_types::pb::envoy::r#type::matcher::v3::HttpRequestHeaderMatchInput;
use envoy_types::pb::xds::core::v3::TypedExtensionConfig;
use envoy_types::pb::xds::r#type::matcher::v3 as matcher;
use http::HeaderName;
use matcher::matcher::matcher_list::Predicate;
use matcher::matcher::matcher_list::predicate::{MatchType, SinglePredicate, single_predicate};
use matcher::matcher::{MatcherType, OnMatch, on_match};
use prost::{Message, Name};

use super::{Rejection, Route, Share, Within, mutation};

/// The routes of a virtual host.
#[derive(Clone, Debug)]
pub(in crate::shim) struct Choice {
    /// The first of these that all conditions of hold.
    pub(in crate::shim) chosen: Vec<(Vec<Sampled>, Arc<[Route]>)>,
    /// Otherwise.
    pub(in crate::shim) otherwise: Arc<[Route]>,
}

/// The hash of a header, or of a cookie, is in a share.
#[derive(Clone, Debug)]
pub(in crate::shim) struct Sampled {
    pub(in crate::shim) of: Hashed,
    pub(in crate::shim) share: Share,
    pub(in crate::shim) seed: u64,
}

/// What a hash is taken of.
#[derive(Clone, Debug)]
pub(in crate::shim) enum Hashed {
    Header(HeaderName),
    /// What the listener keeps under this key.
    Kept(String),
}

impl Choice {
    /// What a virtual host of supported fields says.
    pub(in crate::shim) fn from_proto(host: &proto::VirtualHost) -> Result<Self, Rejection> {
        let routes = |routes: &[proto::Route]| -> Result<Arc<[Route]>, Rejection> {
            let routes = routes.iter().enumerate().map(|(index, route)| {
                Route::from_proto(&host.name, route).within(format!("routes[{index}]"))
            });
            routes.collect()
        };
        let Some(matcher) = &host.matcher else {
            return Ok(Self {
                chosen: Vec::new(),
                otherwise: routes(&host.routes)?,
            });
        };
        if !host.routes.is_empty() {
            return Err(Rejection::new("matcher", "stands beside `routes`"));
        }
        let Some(MatcherType::MatcherList(list)) = &matcher.matcher_type else {
            return Err(Rejection::new("matcher.matcher_list", "is missing"));
        };
        let chosen = list.matchers.iter().enumerate().map(|(index, field)| {
            let read = || {
                Ok((
                    conditions(field.predicate.as_ref())?,
                    routes(&action(field.on_match.as_ref())?)?,
                ))
            };
            read().within(format!("matcher.matcher_list.matchers[{index}]"))
        });
        let otherwise = action(matcher.on_no_match.as_deref()).and_then(|list| routes(&list));
        Ok(Self {
            chosen: chosen.collect::<Result<_, _>>()?,
            otherwise: otherwise.within("matcher.on_no_match")?,
        })
    }

    /// All routes that there are.
    pub(in crate::shim) fn routes(&self) -> impl Iterator<Item = &Route> {
        let chosen = self.chosen.iter().map(|(_, routes)| routes);
        chosen
            .chain([&self.otherwise])
            .flat_map(|routes| routes.iter())
    }
}

fn action(message: Option<&OnMatch>) -> Result<Vec<proto::Route>, Rejection> {
    let Some(on_match::OnMatch::Action(action)) =
        message.and_then(|message| message.on_match.as_ref())
    else {
        return Err(Rejection::new("action", "is missing"));
    };
    decoded::<proto::RouteList>(Some(action), "action").map(|list| list.routes)
}

fn conditions(message: Option<&Predicate>) -> Result<Vec<Sampled>, Rejection> {
    match message.and_then(|message| message.match_type.as_ref()) {
        Some(MatchType::SinglePredicate(single)) => Ok(vec![sampled(single)?]),
        Some(MatchType::AndMatcher(list)) => {
            let all = list.predicate.iter().map(|each| conditions(Some(each)));
            let all: Vec<_> = all.collect::<Result<_, _>>()?;
            Ok(all.concat())
        }
        _ => Err(Rejection::new(
            "predicate",
            "must be `single_predicate` or `and_matcher`",
        )),
    }
}

fn sampled(message: &SinglePredicate) -> Result<Sampled, Rejection> {
    let is_kept = message.input.as_ref().is_some_and(|input| {
        let any = input.typed_config.as_ref();
        any.is_some_and(|any| any.type_url == FilterStateInput::type_url())
    });
    let of = if is_kept {
        let input: FilterStateInput = decoded(message.input.as_ref(), "input")?;
        Hashed::Kept(input.key)
    } else {
        let input: HttpRequestHeaderMatchInput = decoded(message.input.as_ref(), "input")?;
        Hashed::Header(mutation::name("header_name", &input.header_name)?)
    };
    let Some(single_predicate::Matcher::CustomMatch(custom)) = &message.matcher else {
        return Err(Rejection::new("custom_match", "is missing"));
    };
    let fraction: RuntimeFraction = decoded(Some(custom), "custom_match")?;
    let share = fraction.runtime_fraction.unwrap_or_default();
    Ok(Sampled {
        of,
        share: Share::from_proto(&share)?,
        seed: fraction.seed,
    })
}

fn decoded<T: Message + Name + Default>(
    message: Option<&TypedExtensionConfig>,
    path: &str,
) -> Result<T, Rejection> {
    let any = message.and_then(|message| message.typed_config.as_ref());
    any.filter(|any| any.type_url == T::type_url())
        .and_then(|any| T::decode(any.value.as_slice()).ok())
        .ok_or_else(|| Rejection::new(path, format!("must be a {}", T::NAME)))
}
