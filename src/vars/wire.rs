//! A snapshot as bytes, for another process: every type, the order of the keys, and what is shared. `docs/cluster.md`
//! describes the format for readers that are not this one.
//!
//! Strings and arrays are numbered in the order in which they begin. One that is in several places is written once, and
//! by its number after that, so an encoded snapshot has fewer bytes than its arena.

use super::node::{ArrayNode, Node, NodeKey};
use super::plan::MAX_DEPTH;
use super::snapshot::Snapshot;
use super::view::{ArrayView, KeyView, View};
use std::collections::HashMap;
use std::sync::Arc;

/// The first bytes, before the number of the format.
const MARK: &[u8; 4] = b"IGOR";
/// The number of this format.
const FORMAT: u8 = 1;

mod tag {
    pub(super) const NULL: u8 = 0;
    pub(super) const FALSE: u8 = 1;
    pub(super) const TRUE: u8 = 2;
    pub(super) const INT: u8 = 3;
    pub(super) const FLOAT: u8 = 4;
    pub(super) const STRING: u8 = 5;
    pub(super) const KNOWN_STRING: u8 = 6;
    pub(super) const LIST: u8 = 7;
    pub(super) const MAP: u8 = 8;
    pub(super) const KNOWN_ARRAY: u8 = 9;
    pub(super) const CASE: u8 = 10;
}

/// Bytes that are no snapshot of a known format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// They do not begin as a snapshot does.
    #[error("these bytes are not a snapshot of Igor")]
    NotOurs,
    /// The format is of another release.
    #[error("the snapshot has format {0}, and this release of Igor knows format {FORMAT} only; update it")]
    Format(u8),
    /// The bytes break the rules of the format.
    #[error("the snapshot is damaged at byte {0}")]
    Damaged(usize),
}

/// The bytes of a snapshot.
#[must_use]
pub fn encode(snapshot: &Snapshot) -> Vec<u8> {
    let mut writer = Writer { bytes: Vec::with_capacity(snapshot.bytes() / 2), ..Writer::default() };
    writer.bytes.extend_from_slice(MARK);
    writer.bytes.push(FORMAT);
    writer.array(snapshot.view());
    writer.bytes
}

/// The bytes of one value, which need not be an array. Those of an array are the same as a snapshot's.
#[must_use]
pub fn encode_value(value: View<'_>) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.bytes.extend_from_slice(MARK);
    writer.bytes.push(FORMAT);
    writer.value(value);
    writer.bytes
}

/// Whether the bytes begin as encoded ones do, in whichever format.
#[must_use]
pub fn is_encoded(bytes: &[u8]) -> bool {
    bytes.starts_with(MARK)
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    /// The numbers of the strings and arrays that were written, by their addresses.
    strings: HashMap<usize, u64>,
    arrays: HashMap<usize, u64>,
}

impl Writer {
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    fn int(&mut self, int: i64) {
        self.number(((int << 1) ^ (int >> 63)) as u64);
    }

    fn string(&mut self, bytes: &[u8]) {
        if let Some(number) = self.strings.get(&(bytes.as_ptr() as usize)) {
            let number = *number;
            self.bytes.push(tag::KNOWN_STRING);
            return self.number(number);
        }
        self.strings.insert(bytes.as_ptr() as usize, self.strings.len() as u64);
        self.bytes.push(tag::STRING);
        self.number(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    fn array(&mut self, array: ArrayView<'_>) {
        if let Some(number) = self.arrays.get(&array.address()) {
            let number = *number;
            self.bytes.push(tag::KNOWN_ARRAY);
            return self.number(number);
        }
        self.arrays.insert(array.address(), self.arrays.len() as u64);
        let is_plain_list = array.is_list() && array.next_free() == array.len() as i64;
        self.bytes.push(if is_plain_list { tag::LIST } else { tag::MAP });
        self.number(array.len() as u64);
        if !is_plain_list {
            self.int(array.next_free());
        }
        for (key, value) in array.iter() {
            match key {
                _ if is_plain_list => {}
                KeyView::Int(index) => {
                    self.bytes.push(tag::INT);
                    self.int(index);
                }
                KeyView::Bytes(bytes) => self.string(bytes),
            }
            self.value(value);
        }
    }

    fn value(&mut self, value: View<'_>) {
        match value {
            View::Null => self.bytes.push(tag::NULL),
            View::Bool(false) => self.bytes.push(tag::FALSE),
            View::Bool(true) => self.bytes.push(tag::TRUE),
            View::Int(int) => {
                self.bytes.push(tag::INT);
                self.int(int);
            }
            View::Float(float) => {
                self.bytes.push(tag::FLOAT);
                self.bytes.extend_from_slice(&float.to_bits().to_be_bytes());
            }
            View::Bytes(bytes) => self.string(bytes),
            View::Array(array) => self.array(array),
            View::Case { class, name } => {
                self.bytes.push(tag::CASE);
                self.string(class);
                self.string(name);
            }
        }
    }
}

/// The array that the bytes hold.
///
/// # Errors They are not a snapshot of a known format.
pub fn decode(bytes: &[u8]) -> Result<Arc<ArrayNode>, WireError> {
    let mut reader = Reader::of(bytes)?;
    let root = reader.read_root().filter(|_| reader.at == bytes.len());
    root.ok_or(WireError::Damaged(reader.at))
}

/// The value that the bytes hold.
///
/// # Errors They are no value of a known format.
pub fn decode_value(bytes: &[u8]) -> Result<Node, WireError> {
    let mut reader = Reader::of(bytes)?;
    let value = reader.value(0).filter(|_| reader.at == bytes.len());
    value.map(|(value, _)| value).ok_or(WireError::Damaged(reader.at))
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    strings: Vec<Arc<[u8]>>,
    /// With the levels of each; `None` while it is being read.
    arrays: Vec<Option<(Arc<ArrayNode>, usize)>>,
}

impl<'a> Reader<'a> {
    /// A reader behind the mark and the number of the format.
    fn of(bytes: &'a [u8]) -> Result<Self, WireError> {
        let rest = bytes.strip_prefix(MARK).ok_or(WireError::NotOurs)?;
        match rest.first() {
            Some(&FORMAT) => Ok(Self { bytes, at: MARK.len() + 1, strings: Vec::new(), arrays: Vec::new() }),
            Some(&other) => Err(WireError::Format(other)),
            None => Err(WireError::NotOurs),
        }
    }
}

/// `None`: the bytes are damaged.
impl Reader<'_> {
    fn read_root(&mut self) -> Option<Arc<ArrayNode>> {
        let tag = self.byte()?;
        Some(self.array(tag, 1)?.0)
    }

    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = u64::from(self.byte()?);
            if shift == 63 && byte > 1 {
                return None;
            }
            number |= (byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn int(&mut self) -> Option<i64> {
        self.number().map(|number| (number >> 1) as i64 ^ -((number & 1) as i64))
    }

    fn string(&mut self, tag: u8) -> Option<Arc<[u8]>> {
        let number = usize::try_from(self.number()?).ok()?;
        match tag {
            tag::STRING => {
                let bytes: Arc<[u8]> = self.take(number)?.into();
                self.strings.push(bytes.clone());
                Some(bytes)
            }
            tag::KNOWN_STRING => self.strings.get(number).cloned(),
            _ => None,
        }
    }

    /// The array, and the levels that it has. `level` is its own.
    fn array(&mut self, tag: u8, level: usize) -> Option<(Arc<ArrayNode>, usize)> {
        let count = usize::try_from(self.number()?).ok()?;
        if tag == tag::KNOWN_ARRAY {
            let known = self.arrays.get(count)?.clone()?;
            return (level + known.1 <= MAX_DEPTH + 1).then_some(known);
        }
        // Every element has a byte at least, so a wrong count allocates nothing.
        if !matches!(tag, tag::LIST | tag::MAP) || level > MAX_DEPTH || count > self.bytes.len() - self.at {
            return None;
        }
        let number = self.arrays.len();
        self.arrays.push(None);
        let mut array = ArrayNode::default();
        // Older releases of PHP do not know the smallest number as "no key yet".
        array.raise_next_free(if tag == tag::MAP { self.int()? } else { 0 });
        let mut below = 0;
        for position in 0..count {
            let key = if tag == tag::LIST { NodeKey::Int(position as i64) } else { self.key()? };
            let (value, levels) = self.value(level)?;
            below = below.max(levels);
            array.set(key, value);
        }
        let array = Arc::new(array);
        self.arrays[number] = Some((array.clone(), below + 1));
        // A key twice.
        (array.len() == count).then_some((array, below + 1))
    }

    fn key(&mut self) -> Option<NodeKey> {
        match self.byte()? {
            tag::INT => self.int().map(NodeKey::Int),
            tag => self.string(tag).map(NodeKey::Bytes),
        }
    }

    /// The value, and the levels of arrays that it has.
    fn value(&mut self, level: usize) -> Option<(Node, usize)> {
        let node = match self.byte()? {
            tag::NULL => Node::Null,
            tag::FALSE => Node::Bool(false),
            tag::TRUE => Node::Bool(true),
            tag::INT => Node::Int(self.int()?),
            tag::FLOAT => Node::Float(f64::from_bits(u64::from_be_bytes(self.take(8)?.try_into().ok()?))),
            tag @ (tag::STRING | tag::KNOWN_STRING) => Node::Bytes(self.string(tag)?),
            tag::CASE => {
                let class = self.byte().and_then(|tag| self.string(tag))?;
                let name = self.byte().and_then(|tag| self.string(tag))?;
                Node::Case { class, name }
            }
            tag => {
                let (array, levels) = self.array(tag, level + 1)?;
                return Some((Node::Array(array), levels));
            }
        };
        Some((node, 0))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::vars::Limits;
    use proptest::prelude::*;

    fn text(bytes: &[u8]) -> Node {
        Node::Bytes(bytes.into())
    }

    fn node() -> impl Strategy<Value = Node> {
        let leaf = prop_oneof![
            Just(Node::Null),
            any::<bool>().prop_map(Node::Bool),
            any::<i64>().prop_map(Node::Int),
            any::<f64>().prop_filter("NAN equals nothing", |float| !float.is_nan()).prop_map(Node::Float),
            prop::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| text(&bytes)),
            Just(Node::Case { class: (*b"Suit").into(), name: (*b"Hearts").into() }),
        ];
        leaf.prop_recursive(5, 80, 6, |inner| {
            let key = prop_oneof![
                any::<i64>().prop_map(NodeKey::Int),
                (0..8i64).prop_map(NodeKey::Int),
                "[a-z0-9]{0,4}".prop_map(|key| NodeKey::of(key.as_bytes())),
            ];
            let map = prop::collection::vec((key, inner.clone()), 0..6).prop_map(|pairs| {
                let mut array = ArrayNode::default();
                pairs.into_iter().for_each(|(key, value)| array.set(key, value));
                Node::Array(Arc::new(array))
            });
            let twice = inner.clone().prop_map(|value| {
                let mut array = ArrayNode::default();
                array.push(value.clone());
                array.push(value);
                Node::Array(Arc::new(array))
            });
            prop_oneof![map, twice]
        })
    }

    fn root(value: Node) -> ArrayNode {
        let mut root = ArrayNode::default();
        root.set(NodeKey::of(b"value"), value);
        root
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// The snapshot of what was decoded has the same bytes, and fewer than the arena.
        #[test]
        fn every_snapshot_survives_the_way(value in node()) {
            let root = root(value);
            let snapshot = root.snapshot(Limits::default()).expect("small");
            let bytes = encode(&snapshot);
            prop_assert!(bytes.len() < snapshot.bytes());
            let decoded = decode(&bytes).expect("just encoded");
            prop_assert_eq!(&*decoded, &root);
            prop_assert_eq!(encode(&decoded.snapshot(Limits::default()).expect("small")), &bytes[..]);
            // As a value by itself it has the same bytes.
            prop_assert_eq!(encode_value(View::Array(snapshot.view())), &bytes[..]);
            prop_assert_eq!(decode_value(&bytes).expect("just encoded"), Node::Array(decoded));
        }

        /// Damage is refused, or it is another snapshot: never a panic.
        #[test]
        fn damaged_bytes(value in node(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
            let mut bytes = encode(&root(value).snapshot(Limits::default()).expect("small"));
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if cut {
                bytes.truncate(at);
            }
            if let Ok(array) = decode(&bytes) {
                let _ = array.snapshot(Limits::default());
            }
        }
    }

    #[test]
    fn what_is_shared_is_written_once() {
        let long = text(&[b'x'; 10_000]);
        let mut inner = ArrayNode::default();
        (0..100).for_each(|_| inner.push(long.clone()));
        let inner = Node::Array(Arc::new(inner));
        let mut outer = ArrayNode::default();
        (0..100).for_each(|_| outer.push(inner.clone()));
        let snapshot = outer.snapshot(Limits::default()).expect("small");
        assert!(snapshot.bytes() < 20_000, "{}", snapshot.bytes());
        let bytes = encode(&snapshot);
        assert!(bytes.len() < 11_000, "{}", bytes.len());
        let again = decode(&bytes).expect("just encoded").snapshot(Limits::default()).expect("small");
        assert_eq!(again.bytes(), snapshot.bytes());
    }

    #[test]
    fn references_to_arrays_cannot_make_a_value_too_deep() {
        let mut bytes = b"IGOR\x01".to_vec();
        let count = 2_000u64;
        // A list of lists, each of which holds the one before it.
        bytes.extend([tag::LIST, 0xd0, 0x0f, tag::LIST, 0]);
        for before in 1..count {
            bytes.extend([tag::LIST, 1, tag::KNOWN_ARRAY]);
            let mut writer = Writer::default();
            writer.number(before);
            bytes.extend(writer.bytes);
        }
        assert!(matches!(decode(&bytes), Err(WireError::Damaged(_))));
    }

    #[test]
    fn other_formats_are_refused() {
        assert_eq!(decode(b""), Err(WireError::NotOurs));
        assert_eq!(decode(b"PHPS\x01"), Err(WireError::NotOurs));
        assert_eq!(decode(b"IGOR\x02\x07\x00"), Err(WireError::Format(2)));
        assert_eq!(decode(b"IGOR\x01\x07\x00").expect("an empty list").len(), 0);
        assert_eq!(decode(b"IGOR\x01\x07\x00\x00"), Err(WireError::Damaged(7)));
    }
}
