//! Which nodes a request for client status is about.

use regex::Regex;
use regex::RegexBuilder;

use crate::proto::envoy::r#type::matcher::v3::NodeMatcher;
use crate::proto::envoy::r#type::matcher::v3::StringMatcher;
use crate::proto::envoy::r#type::matcher::v3::string_matcher::MatchPattern;

/// The largest program that an expression may become; a request must not cost the server its memory.
const LARGEST: usize = 1 << 20;

/// Nodes by their id: any of several patterns, or all if there is none.
#[derive(Debug)]
pub(super) struct Nodes(Vec<Regex>);

impl Nodes {
    /// Reads the matchers of a request ("if all matchers match"; several are alternatives).
    ///
    /// # Errors
    ///
    /// What cannot be matched, as text for the client: node metadata, which is not kept, and invalid expressions.
    pub(super) fn new(matchers: &[NodeMatcher]) -> Result<Self, String> {
        matchers
            .iter()
            .map(pattern)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether a node is one of them.
    pub(super) fn matches(&self, id: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|pattern| pattern.is_match(id))
    }
}

/// Every kind of string match as the expression that it is short for.
fn pattern(matcher: &NodeMatcher) -> Result<Regex, String> {
    if !matcher.node_metadatas.is_empty() {
        return Err("nodes cannot be matched by metadata: it is not kept".to_owned());
    }
    let any = StringMatcher::default();
    let StringMatcher {
        match_pattern,
        ignore_case,
    } = matcher.node_id.as_ref().unwrap_or(&any);
    let (text, ignore_case) = match match_pattern {
        None => (String::new(), false),
        Some(MatchPattern::Exact(id)) => (format!("^{}$", regex::escape(id)), *ignore_case),
        Some(MatchPattern::Prefix(id)) => (format!("^{}", regex::escape(id)), *ignore_case),
        Some(MatchPattern::Suffix(id)) => (format!("{}$", regex::escape(id)), *ignore_case),
        Some(MatchPattern::Contains(id)) => (regex::escape(id), *ignore_case),
        // "The ignore_case setting has no effect for safe_regex"; the whole text must match.
        Some(MatchPattern::SafeRegex(regex)) => {
            // By itself, so that it cannot close the group that it is put into.
            build(&regex.regex, false)?;
            (format!("^(?:{})$", regex.regex), false)
        }
        Some(MatchPattern::Custom(_)) => {
            return Err("nodes cannot be matched by an extension".to_owned());
        }
    };
    build(&text, ignore_case)
}

fn build(text: &str, ignore_case: bool) -> Result<Regex, String> {
    RegexBuilder::new(text)
        .case_insensitive(ignore_case)
        .size_limit(LARGEST)
        .build()
        .map_err(|error| format!("no valid expression: {error}"))
}

#[cfg(test)]
mod tests {
    use super::Nodes;
    use crate::proto::envoy::r#type::matcher::v3::NodeMatcher;
    use crate::proto::envoy::r#type::matcher::v3::RegexMatcher;
    use crate::proto::envoy::r#type::matcher::v3::StringMatcher;
    use crate::proto::envoy::r#type::matcher::v3::string_matcher::MatchPattern;

    fn by(pattern: MatchPattern, ignore_case: bool) -> NodeMatcher {
        NodeMatcher {
            node_id: Some(StringMatcher {
                match_pattern: Some(pattern),
                ignore_case,
            }),
            ..NodeMatcher::default()
        }
    }

    fn regex(text: &str) -> MatchPattern {
        MatchPattern::SafeRegex(RegexMatcher {
            regex: text.to_owned(),
            ..RegexMatcher::default()
        })
    }

    #[test]
    fn nodes_are_found_by_each_kind_of_match() {
        let text = str::to_owned;
        for (pattern, ignore_case, expected) in [
            (MatchPattern::Exact(text("a.b")), false, "a.b"),
            (MatchPattern::Exact(text("A.B")), true, "a.b"),
            (MatchPattern::Prefix(text("a.")), false, "a.b a.c"),
            (MatchPattern::Suffix(text("c")), false, "a.c axc"),
            (MatchPattern::Contains(text(".")), false, "a.b a.c"),
            (regex("a.c"), false, "a.c axc"),
            (regex("a"), false, ""),
        ] {
            let nodes = Nodes::new(&[by(pattern.clone(), ignore_case)]).unwrap();
            let ids = ["a.b", "a.c", "axc"];
            let found: Vec<_> = ids.into_iter().filter(|id| nodes.matches(id)).collect();
            assert_eq!(found.join(" "), expected, "{pattern:?}");
        }
        let two = ["a.b", "axc"].map(|id| by(MatchPattern::Exact(text(id)), false));
        let nodes = Nodes::new(&two).unwrap();
        assert!(nodes.matches("a.b") && nodes.matches("axc") && !nodes.matches("a.c"));
        assert!(Nodes::new(&[]).unwrap().matches("anything"));
    }

    #[test]
    fn what_cannot_be_matched_is_told() {
        let metadata = NodeMatcher {
            node_metadatas: vec![Default::default()],
            ..NodeMatcher::default()
        };
        for matcher in [
            metadata,
            by(regex("("), false),
            by(regex("a)|(?:b"), false),
            by(regex("(a{9999}){9999}"), false),
        ] {
            Nodes::new(&[matcher]).unwrap_err();
        }
    }
}
