//! The fields that a message may have, and that the shim does: routes, what they are chosen by, and runtime layers.

/// The supported fields, by message.
pub(super) const ROUTES: &[(&str, &[&str])] = &[
    (
        "envoy.config.route.v3.RouteConfiguration",
        &["name", "virtual_hosts", "request_headers_to_remove"],
    ),
    (
        "envoy.config.route.v3.VirtualHost",
        &["name", "domains", "routes", "matcher", "require_tls"],
    ),
    ("envoy.config.route.v3.RouteList", &["routes"]),
    (
        "xds.type.matcher.v3.Matcher",
        &["matcher_list", "on_no_match"],
    ),
    ("xds.type.matcher.v3.Matcher.OnMatch", &["action"]),
    ("xds.type.matcher.v3.Matcher.MatcherList", &["matchers"]),
    (
        "xds.type.matcher.v3.Matcher.MatcherList.FieldMatcher",
        &["predicate", "on_match"],
    ),
    (
        "xds.type.matcher.v3.Matcher.MatcherList.Predicate",
        &["single_predicate", "and_matcher"],
    ),
    (
        "xds.type.matcher.v3.Matcher.MatcherList.Predicate.PredicateList",
        &["predicate"],
    ),
    (
        "xds.type.matcher.v3.Matcher.MatcherList.Predicate.SinglePredicate",
        &["input", "custom_match"],
    ),
    (
        "xds.core.v3.TypedExtensionConfig",
        &["name", "typed_config"],
    ),
    (
        "envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
        &["header_name"],
    ),
    (
        "envoy.extensions.matching.input_matchers.runtime_fraction.v3.RuntimeFraction",
        &["runtime_fraction", "seed"],
    ),
    (
        "envoy.config.route.v3.Route",
        &[
            "name",
            "match",
            "route",
            "direct_response",
            "response_headers_to_add",
            "stat_prefix",
        ],
    ),
    (
        "envoy.config.route.v3.RouteMatch",
        &["prefix", "path", "headers", "query_parameters"],
    ),
    (
        "envoy.config.route.v3.QueryParameterMatcher",
        &["name", "present_match", "string_match"],
    ),
    (
        "envoy.config.route.v3.HeaderMatcher",
        &[
            "name",
            "invert_match",
            "treat_missing_header_as_empty",
            "exact_match",
            "safe_regex_match",
            "range_match",
            "present_match",
            "prefix_match",
            "suffix_match",
            "contains_match",
            "string_match",
        ],
    ),
    (
        "envoy.type.matcher.v3.StringMatcher",
        &["exact", "prefix", "suffix", "contains", "safe_regex"],
    ),
    (
        "envoy.type.matcher.v3.RegexMatcher",
        &["google_re2", "regex"],
    ),
    ("envoy.type.matcher.v3.RegexMatcher.GoogleRE2", &[]),
    ("envoy.type.v3.Int64Range", &["start", "end"]),
    (
        "envoy.type.v3.FractionalPercent",
        &["numerator", "denominator"],
    ),
    (
        "envoy.config.route.v3.DirectResponseAction",
        &["status", "body"],
    ),
    (
        "envoy.config.core.v3.DataSource",
        &["inline_bytes", "inline_string"],
    ),
    (
        "envoy.config.route.v3.RouteAction",
        &["cluster", "timeout", "request_mirror_policies"],
    ),
    (
        "envoy.config.route.v3.RouteAction.RequestMirrorPolicy",
        &[
            "cluster",
            "runtime_fraction",
            // The shim records no traces.
            "trace_sampled",
            "disable_shadow_host_suffix_append",
            "request_headers_mutations",
            "host_rewrite_literal",
        ],
    ),
    (
        "envoy.config.core.v3.RuntimeFractionalPercent",
        &["default_value", "runtime_key"],
    ),
    (
        "envoy.config.common.mutation_rules.v3.HeaderMutation",
        &["remove", "append"],
    ),
    (
        "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        &["mutations"],
    ),
    (
        "envoy.config.core.v3.HeaderValueOption",
        &["header", "append_action"],
    ),
    ("envoy.config.core.v3.HeaderValue", &["key", "value"]),
    ("envoy.service.runtime.v3.Runtime", &["name", "layer"]),
];
