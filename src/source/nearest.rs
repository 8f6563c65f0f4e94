//! "Did you mean …?"

/// The candidate that a word was probably meant to be: the one with the fewest typing errors, if they are few.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word: Vec<char> = word.to_lowercase().chars().collect();
    // Words longer than any field are compared with nothing.
    if word.len() > 64 {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().div_ceil(4))
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many characters have to be inserted, removed or replaced, upper and lower case being equal.
fn distance(word: &[char], candidate: &str) -> usize {
    let mut row: Vec<usize> = (0..=word.len()).collect();
    for (index, expected) in candidate.to_lowercase().chars().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        row[0] = left;
        for (cell, actual) in row.iter_mut().skip(1).zip(word) {
            let above = *cell;
            let replaced = diagonal + usize::from(*actual != expected);
            left = replaced.min(above + 1).min(left + 1);
            diagonal = above;
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_word_is_found_if_it_is_near() {
        let fields = ["plugin", "destinationRefs", "config", "kind"];
        for (word, expected) in [
            ("destinationRef", Some("destinationRefs")),
            ("destinationrefs", Some("destinationRefs")),
            ("destinatonRefs", Some("destinationRefs")),
            ("plugins", Some("plugin")),
            ("confg", Some("config")),
            ("kin", Some("kind")),
            ("port", None),
            ("", None),
            ("ünïcödé", None),
        ] {
            assert_eq!(nearest(word, fields), expected, "{word}");
        }
        assert_eq!(nearest(&"x".repeat(100_000), fields), None);
        assert_eq!(nearest("a", []), None);
    }
}
