//! "Did you mean …?"

/// Longer words than any name in Kubernetes are compared with nothing.
const LONGEST: usize = 253;

/// The candidate that `word` was probably meant to be: the one with the fewest typing errors, if they are few for its
/// length; the first of equally close ones. Upper and lower case are equal.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            let errors = strsim::osa_distance(&word, &candidate.to_lowercase());
            (errors, candidate)
        })
        .filter(|(errors, candidate)| *errors <= candidate.chars().count().div_ceil(4))
        .min_by_key(|(errors, _)| *errors)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let words = [
            "plugin",
            "destinationRefs",
            "config",
            "kind",
            "namespace",
            "service",
            "port",
            "percentage",
        ];
        for (word, meant) in [
            ("destinationRef", Some("destinationRefs")),
            ("destinationrefs", Some("destinationRefs")),
            ("destinatonRefs", Some("destinationRefs")),
            ("plugins", Some("plugin")),
            ("confg", Some("config")),
            ("kin", Some("kind")),
            ("percent", Some("percentage")),
            ("Service", Some("service")),
            ("namepsace", Some("namespace")),
            ("ports", Some("port")),
            ("prot", Some("port")),
            ("host", None),
            ("", None),
            ("ünïcödé", None),
        ] {
            assert_eq!(nearest(word, words), meant, "{word}");
        }
        assert_eq!(nearest("v3", ["v1", "v2"]), Some("v1"));
        assert_eq!(nearest(&"x".repeat(100_000), words), None);
        assert_eq!(nearest("a", []), None);
    }
}
