//! Route configurations.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use envoy_types::pb::envoy::config::core::v3::data_source::Specifier;
use envoy_types::pb::envoy::config::route::v3 as proto;
use http::{HeaderName, StatusCode};
use proto::route_action::ClusterSpecifier;
use proto::route_match::PathSpecifier;

use super::mutation;
use super::rejection::only;
use super::{Choice, HeaderMatch, Mirror, Mutation, QueryMatch, Rejection, Within};

/// An accepted route configuration.
#[derive(Clone, Debug, Default)]
pub(in crate::shim) struct RouteTable {
    /// Routes by host, in lower case.
    pub(in crate::shim) hosts: HashMap<String, Arc<Choice>>,
    /// Routes of the domain `*`.
    pub(in crate::shim) any: Option<Arc<Choice>>,
    /// Headers that go no further than here.
    pub(in crate::shim) remove: Vec<HeaderName>,
}

/// One route.
#[derive(Clone, Debug)]
pub(in crate::shim) struct Route {
    pub(in crate::shim) path: Path,
    pub(in crate::shim) headers: Vec<HeaderMatch>,
    pub(in crate::shim) query: Vec<QueryMatch>,
    /// Under which name its requests are counted, as Envoy calls it: `vhost.HOST.route.PREFIX`.
    pub(in crate::shim) counted: Option<String>,
    pub(in crate::shim) action: Action,
}

/// What the path must be, without the query.
#[derive(Clone, Debug)]
pub(in crate::shim) enum Path {
    Prefix(String),
    Exact(String),
}

/// What happens with a request.
#[derive(Clone, Debug)]
pub(in crate::shim) enum Action {
    /// The proxy answers, with these headers.
    Respond(StatusCode, Bytes, Vec<Mutation>),
    /// It goes to a cluster, and copies of it perhaps elsewhere.
    Forward {
        cluster: String,
        mirrors: Arc<[Mirror]>,
    },
}

impl RouteTable {
    /// The table that a message of supported fields describes.
    pub(in crate::shim) fn from_proto(
        message: &proto::RouteConfiguration,
    ) -> Result<Self, Rejection> {
        let mut table = Self::default();
        for (index, host) in message.virtual_hosts.iter().enumerate() {
            table.add(host).within(format!("virtual_hosts[{index}]"))?;
        }
        for (index, name) in message.request_headers_to_remove.iter().enumerate() {
            let path = format!("request_headers_to_remove[{index}]");
            table.remove.push(mutation::name(&path, name)?);
        }
        Ok(table)
    }

    fn add(&mut self, host: &proto::VirtualHost) -> Result<(), Rejection> {
        only(host.require_tls == 0, "require_tls", "must be NONE")?;
        let routes = Arc::new(Choice::from_proto(host)?);
        for (index, domain) in host.domains.iter().enumerate() {
            let path = format!("domains[{index}]");
            let before = match domain.as_str() {
                "*" => self.any.replace(Arc::clone(&routes)),
                wildcard if wildcard.contains('*') => {
                    return Err(Rejection::value(&path, format!("`{wildcard}`")));
                }
                exact => self
                    .hosts
                    .insert(exact.to_ascii_lowercase(), Arc::clone(&routes)),
            };
            if before.is_some() {
                return Err(Rejection::new(path, format!("`{domain}` is given twice")));
            }
        }
        Ok(())
    }

    /// Names of the clusters that requests or copies may go to.
    pub(in crate::shim) fn clusters(&self) -> impl Iterator<Item = &str> {
        self.hosts
            .values()
            .chain(&self.any)
            .flat_map(|choice| choice.routes())
            .flat_map(|route| route.action.clusters())
    }
}

impl Action {
    fn clusters(&self) -> impl Iterator<Item = &str> {
        let (cluster, mirrors) = match self {
            Self::Respond(..) => (None, None),
            Self::Forward { cluster, mirrors } => (Some(cluster), Some(mirrors)),
        };
        let shadows = mirrors.into_iter().flat_map(|mirrors| mirrors.iter());
        cluster
            .into_iter()
            .chain(shadows.map(|mirror| &mirror.cluster))
            .map(String::as_str)
    }
}

impl Route {
    pub(super) fn from_proto(host: &str, message: &proto::Route) -> Result<Self, Rejection> {
        let Some(condition) = &message.r#match else {
            return Err(Rejection::new("match", "is missing"));
        };
        let path = match &condition.path_specifier {
            Some(PathSpecifier::Prefix(prefix)) => Path::Prefix(prefix.clone()),
            Some(PathSpecifier::Path(exact)) => Path::Exact(exact.clone()),
            _ => return Err(Rejection::new("match.prefix", "is missing")),
        };
        let headers = condition
            .headers
            .iter()
            .enumerate()
            .map(|(index, header)| {
                HeaderMatch::from_proto(header).within(format!("match.headers[{index}]"))
            })
            .collect::<Result<_, _>>()?;
        let query = condition
            .query_parameters
            .iter()
            .enumerate()
            .map(|(index, query)| {
                QueryMatch::from_proto(query).within(format!("match.query_parameters[{index}]"))
            })
            .collect::<Result<_, _>>()?;
        let action = match &message.action {
            Some(proto::route::Action::Route(action)) => {
                only(
                    message.response_headers_to_add.is_empty(),
                    "response_headers_to_add",
                    "must be empty: answers of others are left as they are",
                )?;
                forward(action).within("route")?
            }
            Some(proto::route::Action::DirectResponse(action)) => {
                let headers =
                    mutation::options("response_headers_to_add", &message.response_headers_to_add)?;
                respond(action, headers).within("direct_response")?
            }
            _ => return Err(Rejection::new("route", "is missing")),
        };
        Ok(Self {
            path,
            headers,
            query,
            counted: Some(&message.stat_prefix)
                .filter(|prefix| !prefix.is_empty())
                .map(|prefix| format!("vhost.{host}.route.{prefix}")),
            action,
        })
    }
}

fn respond(
    message: &proto::DirectResponseAction,
    headers: Vec<Mutation>,
) -> Result<Action, Rejection> {
    let status = u16::try_from(message.status)
        .ok()
        .and_then(|status| StatusCode::from_u16(status).ok())
        .filter(|status| status.as_u16() >= 200)
        .ok_or_else(|| Rejection::value("status", message.status))?;
    let body = match message
        .body
        .as_ref()
        .and_then(|body| body.specifier.as_ref())
    {
        None => Bytes::new(),
        Some(Specifier::InlineString(text)) => Bytes::from(text.clone()),
        Some(Specifier::InlineBytes(bytes)) => Bytes::from(bytes.clone()),
        Some(_) => return Err(Rejection::new("body", "must be inline")),
    };
    Ok(Action::Respond(status, body, headers))
}

fn forward(message: &proto::RouteAction) -> Result<Action, Rejection> {
    let Some(ClusterSpecifier::Cluster(cluster)) = &message.cluster_specifier else {
        return Err(Rejection::new("cluster", "is missing"));
    };
    // Absent means 15 s in Envoy, and the shim has no such clock.
    let unbounded = message
        .timeout
        .as_ref()
        .is_some_and(|t| t.seconds == 0 && t.nanos == 0);
    only(unbounded, "timeout", "must be 0s")?;
    let mirrors = message
        .request_mirror_policies
        .iter()
        .enumerate()
        .map(|(index, policy)| {
            Mirror::from_proto(policy).within(format!("request_mirror_policies[{index}]"))
        })
        .collect::<Result<_, _>>()?;
    Ok(Action::Forward {
        cluster: cluster.clone(),
        mirrors,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_must_stay_are_not_removed() {
        let removing = |name: &str| {
            RouteTable::from_proto(&proto::RouteConfiguration {
                request_headers_to_remove: vec!["x-a".into(), name.into()],
                ..Default::default()
            })
        };
        assert_eq!(removing("X-B").unwrap().remove, ["x-a", "x-b"]);
        for name in ["Host", ":path", "x y"] {
            let text = removing(name).unwrap_err().to_string();
            let expected = format!("request_headers_to_remove[1] `{name}`");
            assert!(text.starts_with(&expected), "{text}");
        }
    }
}
