//! "Did you mean".

/// How alike two words are before one is taken for a slip of the other (Jaro-Winkler, 0 to 1).
const ALIKE: f64 = 0.85;

/// The candidate that `word` was probably meant to be, if any comes close; the first of equally close ones.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = word.to_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for candidate in candidates {
        let likeness = strsim::jaro_winkler(&word, &candidate.to_lowercase());
        if likeness >= ALIKE && best.is_none_or(|(so_far, _)| likeness > so_far) {
            best = Some((likeness, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let keys = ["namespace", "service", "port", "percentage"];
        for (word, meant) in [
            ("percent", Some("percentage")),
            ("Service", Some("service")),
            ("namepsace", Some("namespace")),
            ("ports", Some("port")),
            ("host", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, keys), meant, "{word}");
        }
    }
}
