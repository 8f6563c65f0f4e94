//! The positions of everything in one document.
//!
//! Decoding forgets where things stand, and almost no value is ever reported; so the text is read a second time, for
//! positions only, once something is.

use std::collections::HashMap;

use granit_parser::Event;
use granit_parser::Marker;
use granit_parser::Parser;

use super::Segment;

/// How many merge keys (`<<`) and aliases are followed from one mapping: what refers to itself must not be followed for
/// ever.
const MAX_HOPS: usize = 16;

/// A position within the document: line from 1, column from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl From<Marker> for Mark {
    fn from(marker: Marker) -> Self {
        Self {
            line: marker.line(),
            column: marker.col() + 1,
        }
    }
}

/// The nodes of one document, in the order of the text.
#[derive(Debug, Default)]
pub(super) struct Outline {
    nodes: Vec<Node>,
    /// The node that each anchor names.
    anchors: HashMap<usize, usize>,
}

#[derive(Debug)]
struct Node {
    at: Mark,
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    Scalar,
    Sequence(Vec<usize>),
    Mapping(Vec<Pair>),
    Alias(usize),
}

/// One entry of a mapping. A key that is not a scalar has no text, and is never found.
#[derive(Debug)]
struct Pair {
    text: Option<String>,
    at: Mark,
    value: usize,
}

/// A collection that has been opened, and not yet closed.
struct Open {
    node: usize,
    /// The key whose value comes next, if the collection is a mapping and its key was read.
    key: Option<(Option<String>, Mark)>,
}

impl Outline {
    /// Reads the first document of a text. What stands before a syntax error is kept.
    pub(super) fn of(text: &str) -> Self {
        let mut outline = Self::default();
        let mut open: Vec<Open> = Vec::new();
        for event in Parser::new_from_str(text) {
            let Ok((event, span)) = event else { break };
            let (shape, anchor, scalar) = match event {
                Event::Scalar(text, _, anchor, _) => (Shape::Scalar, anchor, Some(text)),
                Event::Alias(anchor) => (Shape::Alias(anchor), 0, None),
                Event::SequenceStart(_, anchor, _) => (Shape::Sequence(Vec::new()), anchor, None),
                Event::MappingStart(_, anchor, _) => (Shape::Mapping(Vec::new()), anchor, None),
                Event::SequenceEnd | Event::MappingEnd => {
                    open.pop();
                    continue;
                }
                Event::DocumentEnd => break,
                _ => continue,
            };
            let collection = matches!(shape, Shape::Sequence(_) | Shape::Mapping(_));
            let at = Mark::from(span.start);
            let node = outline.nodes.len();
            outline.nodes.push(Node { at, shape });
            // Anchors count from 1; 0 means that the node has none.
            if anchor != 0 {
                outline.anchors.insert(anchor, node);
            }
            if let Some(parent) = open.last_mut() {
                match &mut outline.nodes[parent.node].shape {
                    Shape::Sequence(items) => items.push(node),
                    Shape::Mapping(pairs) => match parent.key.take() {
                        None => parent.key = Some((scalar.map(|text| text.into_owned()), at)),
                        Some((text, at)) => pairs.push(Pair {
                            text,
                            at,
                            value: node,
                        }),
                    },
                    Shape::Scalar | Shape::Alias(_) => {}
                }
            }
            if collection {
                open.push(Open { node, key: None });
            }
        }
        outline
    }

    /// The position of the innermost step of a path that exists; `None` if the document is empty.
    pub(super) fn find<'a>(&self, path: impl IntoIterator<Item = &'a Segment>) -> Option<Mark> {
        let mut at = self.nodes.first()?.at;
        let mut node = 0;
        for step in path {
            let found = match step {
                Segment::Key(key) => self.entry(node, key, MAX_HOPS),
                Segment::Index(index) => self.item(node, *index),
            };
            let Some((mark, inner)) = found else { break };
            at = mark;
            node = inner;
        }
        Some(at)
    }

    fn item(&self, node: usize, index: usize) -> Option<(Mark, usize)> {
        let Shape::Sequence(items) = &self.nodes.get(self.target(node))?.shape else {
            return None;
        };
        let item = *items.get(index)?;
        Some((self.nodes.get(item)?.at, item))
    }

    fn entry(&self, node: usize, key: &str, hops: usize) -> Option<(Mark, usize)> {
        let hops = hops.checked_sub(1)?;
        match &self.nodes.get(self.target(node))?.shape {
            Shape::Mapping(pairs) => pairs
                .iter()
                .find(|pair| pair.text.as_deref() == Some(key))
                .map(|pair| (pair.at, pair.value))
                .or_else(|| {
                    pairs
                        .iter()
                        .filter(|pair| pair.text.as_deref() == Some("<<"))
                        .find_map(|pair| self.merged(pair.value, key, hops))
                }),
            _ => None,
        }
    }

    /// Looks for a key in what a merge key names: a mapping, or a sequence of mappings.
    fn merged(&self, node: usize, key: &str, hops: usize) -> Option<(Mark, usize)> {
        match &self.nodes.get(self.target(node))?.shape {
            Shape::Mapping(_) => self.entry(node, key, hops),
            Shape::Sequence(items) => items
                .iter()
                .take(MAX_HOPS)
                .find_map(|item| self.entry(*item, key, hops.min(2))),
            Shape::Scalar | Shape::Alias(_) => None,
        }
    }

    /// The node itself, or what it is an alias of. An alias cannot name another alias.
    fn target(&self, node: usize) -> usize {
        match self.nodes.get(node).map(|node| &node.shape) {
            Some(Shape::Alias(anchor)) => self.anchors.get(anchor).copied().unwrap_or(node),
            _ => node,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Outline;
    use crate::diag::FieldPath;

    fn position(text: &str, path: FieldPath) -> (usize, usize) {
        let mark = Outline::of(text).find(path.segments()).unwrap();
        (mark.line, mark.column)
    }

    #[test]
    fn a_key_is_found_at_itself_and_an_item_at_its_start() {
        let text = "# c\na:\n  é: {x: 1, \"y\": [1, 'z']}\nlist:\n- f: 1\n  g: 2\n- h\n";
        for (path, expected) in [
            (FieldPath::root(), (2, 1)),
            (FieldPath::of("a"), (2, 1)),
            (FieldPath::of("a.é"), (3, 3)),
            (FieldPath::of("a.é.y"), (3, 13)),
            (FieldPath::of("a.é.y").index(1), (3, 22)),
            (FieldPath::of("list").index(0), (5, 3)),
            (FieldPath::of("list").index(0).key("g"), (6, 3)),
            (FieldPath::of("list").index(1), (7, 3)),
        ] {
            assert_eq!(position(text, path.clone()), expected, "{path}");
        }
    }

    #[test]
    fn a_missing_step_is_reported_at_what_should_hold_it() {
        let text = "a:\n  b:\n    - 1\n";
        for (path, expected) in [
            (FieldPath::of("z"), (1, 1)),
            (FieldPath::of("a.z.y"), (1, 1)),
            (FieldPath::of("a.b").index(7), (2, 3)),
            (FieldPath::of("a.b").index(0).key("k"), (3, 7)),
            (FieldPath::of("a").index(0), (1, 1)),
        ] {
            assert_eq!(position(text, path.clone()), expected, "{path}");
        }
    }

    #[test]
    fn aliases_and_merge_keys_are_followed_to_the_text_they_stand_for() {
        let text = "x: &x\n  b: 1\ny: *x\nz:\n  <<: *x\n  c: 2\nw:\n  <<: [{d: 1}, *x]\n";
        for (path, expected) in [
            (FieldPath::of("y.b"), (2, 3)),
            (FieldPath::of("z.b"), (2, 3)),
            (FieldPath::of("z.c"), (6, 3)),
            (FieldPath::of("w.b"), (2, 3)),
            (FieldPath::of("w.d"), (8, 9)),
        ] {
            assert_eq!(position(text, path.clone()), expected, "{path}");
        }
    }

    #[test]
    fn what_refers_to_itself_ends() {
        let text = "a: &a\n  <<: [*a, *a, *a, *a, *a, *a, *a, *a]\nb: &b\n  <<: *b\n";
        assert_eq!(position(text, FieldPath::of("a.z")), (1, 1));
        assert_eq!(position(text, FieldPath::of("b.z")), (3, 1));
    }

    #[test]
    fn the_part_before_a_syntax_error_is_known() {
        assert_eq!(position("a:\n  b: 1\nc: [\n", FieldPath::of("a.b")), (2, 3));
        assert!(Outline::of("").find(FieldPath::root().segments()).is_none());
        assert!(
            Outline::of("@")
                .find(FieldPath::of("a").segments())
                .is_none()
        );
    }

    #[test]
    fn json_is_found_too() {
        let text = "{\n  \"spec\": {\"a\":\t[{\"b\": 1}]}\n}";
        assert_eq!(
            position(text, FieldPath::of("spec.a").index(0).key("b")),
            (2, 19)
        );
    }
}
