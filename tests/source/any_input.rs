//! Whatever stands in a file: reading it ends, without a panic, and every diagnostic has a place in it.

use mirrorplane::source::Folder;
use mirrorplane::source::read;
use proptest::collection::vec;
use proptest::prelude::*;

const EXAMPLE: &str = concat!(
    include_str!("../../deploy/examples/traffic-mirror/services.yaml"),
    "---\n",
    include_str!("../../deploy/examples/traffic-mirror/mirror.yaml"),
);

/// What a mutation puts in: pieces that mean something in YAML.
const PIECES: &[&str] = &[
    "\n",
    "\n---\n",
    "\n...\n",
    ":",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "*a",
    "<<: *a",
    "!!binary ",
    "'",
    "\"",
    "|\n",
    ">-\n",
    "#",
    "%",
    "@",
    "\t",
    "  ",
    "~",
    "null",
    "yes",
    "1e999",
    ".nan",
    "0x",
    "é",
    "\u{feff}",
    "\u{2028}",
    "\r",
    "? ",
    ",",
    "List",
    "items:",
    "kind",
    "metadata: []",
];

fn check(contents: &[Vec<u8>]) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a.yaml");
    let mut folder = Folder::default();
    for content in contents {
        std::fs::write(&path, content).unwrap();
        folder = read(root.path(), &folder);
        let lines = content.split(|byte| matches!(byte, b'\n' | b'\r')).count();
        for diagnostic in &folder.report {
            let place = diagnostic.place.as_ref().unwrap();
            // Other line breaks of Unicode are none in YAML 1.2.
            assert!((1..=lines + 1).contains(&place.line), "{diagnostic}");
            assert!(place.column >= 1, "{diagnostic}");
        }
    }
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let change = (0..EXAMPLE.chars().count(), 0..40_usize, 0..PIECES.len());
    vec(change, 1..6).prop_map(|changes| {
        let mut text: Vec<char> = EXAMPLE.chars().collect();
        for (at, remove, piece) in changes {
            let at = at.min(text.len());
            let end = (at + remove).min(text.len());
            text.splice(at..end, PIECES[piece].chars());
        }
        text.into_iter().collect::<String>().into_bytes()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_survived(content in vec(any::<u8>(), 0..400)) {
        check(&[EXAMPLE.as_bytes().to_vec(), content]);
    }

    #[test]
    fn arbitrary_pieces_of_yaml_are_survived(pieces in vec(0..PIECES.len(), 0..60)) {
        let text: String = pieces.into_iter().map(|piece| PIECES[piece]).collect();
        check(&[text.into_bytes()]);
    }

    #[test]
    fn mutated_objects_are_survived(contents in vec(mutated(), 1..4)) {
        check(&contents);
    }
}
