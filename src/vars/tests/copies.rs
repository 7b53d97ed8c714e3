//! What a copy looks like.

use super::super::layout::*;
use super::super::plan::Limits;
use super::super::snapshot::Snapshot;
use super::source::*;

fn copy(array: *const ZArray) -> Snapshot {
    // SAFETY: the test's heap lives during the call.
    unsafe { Snapshot::copy_of(array, &TestObjects, Limits::default()) }.expect("the array can be published")
}

fn int(value: i64) -> Data {
    Data::Int(value)
}

/// B22: `[]` is a snapshot. N3: its next free index is kept.
#[test]
fn an_empty_array() {
    let mut heap = Heap::default();
    let array = heap.hash(&[], 1);
    let snapshot = copy(array);
    assert_eq!(read(snapshot.root()), Data::List(vec![]));
    // SAFETY: the snapshot lives.
    assert_eq!(unsafe { (*snapshot.root()).next_free }, i64::MIN);
}

/// N3: holes stay where they are.
#[test]
fn a_packed_array_with_holes() {
    let mut heap = Heap::default();
    let hole = Zval { type_info: u32::from(IS_UNDEF), ..Zval::NULL };
    let items = [heap.value(&int(1)), hole, heap.value(&int(3)), hole];
    let snapshot = copy(heap.packed(&items, 1));
    let expected = Data::Map(vec![(Name::Index(0), int(1)), (Name::Index(2), int(3))]);
    assert_eq!(read(snapshot.root()), expected);
    // SAFETY: the snapshot lives.
    let root = unsafe { &*snapshot.root() };
    assert_eq!((root.used, root.count, root.next_free), (4, 2, 4));
}

/// N8: a sub-array used a thousand times takes the room of one.
#[test]
fn a_shared_array_is_copied_once() {
    let mut heap = Heap::default();
    let text = heap.value(&Data::Text(vec![b'x'; 1000]));
    let inner = heap.packed(&[text], 1000);
    let once = copy(heap.packed(&[array_value(inner)], 1));
    let thousand = copy(heap.packed(&vec![array_value(inner); 1000], 1));
    assert!(thousand.shared() && thousand.bytes() < once.bytes() + 1000 * size_of::<Zval>() + 64);
}

/// N8: thirty levels of `[$x, $x]` are thirty arrays, also for the comparison.
#[test]
fn thirty_levels_of_pairs_stay_small() {
    let mut heap = Heap::default();
    let one = heap.value(&int(1));
    let mut array = heap.packed(&[one, one], 2);
    for _ in 0..30 {
        array = heap.packed(&[array_value(array), array_value(array)], 2);
    }
    let snapshot = copy(array);
    assert!(snapshot.bytes() < 31 * 200, "{} bytes", snapshot.bytes());
    // SAFETY: heap and snapshot live.
    assert!(unsafe { snapshot.equals(array, &TestObjects) });
}

/// The comparison stays fast even if source and published copy share differently.
#[test]
fn differently_shared_pairs_are_compared_quickly() {
    let mut heap = Heap::default();
    let one = heap.value(&int(1));
    let mut shared = heap.packed(&[one, one], 2);
    let (mut left, mut right) = (heap.packed(&[one, one], 2), heap.packed(&[one, one], 2));
    for _ in 0..30 {
        shared = heap.packed(&[array_value(shared), array_value(shared)], 2);
        let pair = [array_value(left), array_value(right)];
        (left, right) = (heap.packed(&pair, 2), heap.packed(&pair, 2));
    }
    let snapshot = copy(left);
    // SAFETY: heap and snapshot live.
    assert!(unsafe { snapshot.equals(shared, &TestObjects) });
}

/// Keys that thousands of records share are stored once.
#[test]
fn a_shared_string_is_copied_once() {
    let mut heap = Heap::default();
    let text = vec![b'k'; 4096];
    let string = heap.string(&text, 3);
    let value = Zval { value: super::super::layout::Value { string }, type_info: u32::from(IS_STRING), extra: 0 };
    let snapshot = copy(heap.packed(&[value, value, value], 1));
    assert!(snapshot.bytes() < 2 * 4096);
    assert_eq!(read(snapshot.root()), Data::List(vec![Data::Text(text); 3]));
}

/// N2: a reference that one slot holds is a plain value.
#[test]
fn a_reference_with_one_holder_is_a_value() {
    let mut heap = Heap::default();
    let target = heap.value(&int(7));
    let reference = heap.reference(target, 1);
    assert_eq!(read(copy(heap.packed(&[reference], 1)).root()), Data::List(vec![int(7)]));
}

/// N6, B26: floats compare bit for bit; N9: what a snapshot itself holds can be published again.
#[test]
fn equality_is_identity_with_float_bits() {
    let mut heap = Heap::default();
    let mut array = |bits: u64| heap.array(&Data::List(vec![Data::Float(bits)]));
    let (zero, minus, nan) = (array(0.0f64.to_bits()), array((-0.0f64).to_bits()), array(f64::NAN.to_bits()));
    let (of_zero, of_nan) = (copy(zero), copy(nan));
    // SAFETY: heap and snapshots live.
    unsafe {
        assert!(of_zero.equals(zero, &TestObjects) && !of_zero.equals(minus, &TestObjects));
        assert!(of_nan.equals(nan, &TestObjects) && !of_nan.equals(zero, &TestObjects));
        let again = copy(of_zero.root());
        assert!(again.equals(of_zero.root(), &TestObjects) && again.equals(zero, &TestObjects));
    }
}

/// B26: order and key types count, as with `===`.
#[test]
fn order_and_key_types_count() {
    let mut heap = Heap::default();
    let text = |name: &str| Name::Text(name.as_bytes().to_vec());
    let map =
        |pairs: &[(Name, i64)]| Data::Map(pairs.iter().map(|(name, value)| (name.clone(), int(*value))).collect());
    let first = heap.array(&map(&[(text("a"), 1), (text("b"), 2)]));
    let swapped = heap.array(&map(&[(text("b"), 2), (text("a"), 1)]));
    let numbered = heap.array(&map(&[(Name::Index(8), 1)]));
    let quoted = heap.array(&map(&[(text("08"), 1)]));
    let snapshot = copy(first);
    // SAFETY: heap and snapshots live.
    unsafe {
        assert!(snapshot.equals(first, &TestObjects) && !snapshot.equals(swapped, &TestObjects));
        assert!(!copy(numbered).equals(quoted, &TestObjects));
    }
}

/// N10: enum cases mark the arrays that lead to them, and nothing else.
#[test]
fn enum_cases_mark_their_way() {
    let mut heap = Heap::default();
    let case = Data::Case("Suit".into(), "Hearts".into());
    let value = Data::List(vec![Data::List(vec![case]), Data::List(vec![int(1)])]);
    let array = heap.array(&value);
    let snapshot = copy(array);
    assert!(snapshot.enums());
    assert_eq!(read(snapshot.root()), value);
    // SAFETY: heap and snapshot live; the elements of the root are arrays.
    unsafe {
        assert!(snapshot.equals(array, &TestObjects));
        let elements: Vec<_> = super::super::source::Elements::new(snapshot.root()).collect();
        let marks = elements.iter().map(|(_, value)| (*(**value).value.array).flags & HASH_LEADS_TO_ENUM != 0);
        assert_eq!(marks.collect::<Vec<_>>(), [true, false]);
    }
}
