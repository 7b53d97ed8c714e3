//! Refused values, with their places (B24).

use super::super::layout::*;
use super::super::plan::{Limits, MAX_DEPTH};
use super::super::refusal::Reason;
use super::super::snapshot::Snapshot;
use super::source::*;

fn refused(array: *const ZArray, limits: Limits) -> super::super::refusal::Refusal {
    // SAFETY: the test's heap lives during the call.
    match unsafe { Snapshot::copy_of(array, &TestObjects, limits) } {
        Ok(_) => panic!("the array must be refused"),
        Err(refusal) => refusal,
    }
}

fn nested(heap: &mut Heap, levels: usize) -> *mut ZArray {
    let mut array = heap.packed(&[], 1);
    for _ in 1..levels {
        array = heap.packed(&[array_value(array)], 1);
    }
    array
}

/// N1
#[test]
fn depth() {
    let mut heap = Heap::default();
    let deepest = nested(&mut heap, MAX_DEPTH);
    // SAFETY: the heap lives.
    assert!(unsafe { Snapshot::copy_of(deepest, &TestObjects, Limits::default()) }.is_ok());
    for levels in [MAX_DEPTH + 1, 10_000] {
        let deeper = nested(&mut heap, levels);
        let refusal = refused(deeper, Limits::default());
        assert_eq!(*refusal.reason(), Reason::TooDeep(MAX_DEPTH));
        assert!(refusal.to_string().starts_with("$vars[0][0]") && refusal.to_string().len() < 300, "{refusal}");
    }
}

/// N2, N11: everything that cannot be published, three levels deep
#[test]
fn places_and_reasons() {
    let mut heap = Heap::default();
    let object = heap.object("PDO", "", false);
    let number = heap.value(&Data::Int(1));
    let shared = heap.reference(number, 2);
    let resource = Zval { type_info: u32::from(IS_RESOURCE), ..Zval::NULL };
    let mut messages = Vec::new();
    for bad in [object, shared, resource] {
        let inner = heap.packed(&[number, bad], 1);
        let middle = heap.hash(&[(Name::Text(b"it's".to_vec()), array_value(inner))], 1);
        let outer = heap.hash(&[(Name::Index(-3), array_value(middle))], 1);
        messages.push(refused(outer, Limits::default()).to_string());
    }
    insta::assert_snapshot!(messages.join("\n"));
}

/// B24
#[test]
fn too_deep() {
    let mut heap = Heap::default();
    let array = nested(&mut heap, 3);
    let refusal = refused(array, Limits { bytes: 5000, depth: 2 });
    insta::assert_snapshot!(refusal, @"$vars[0][0] is nested deeper than 2 levels");
}

/// The bound of bytes names the place where it was passed.
#[test]
fn bytes() {
    let mut heap = Heap::default();
    let text = heap.value(&Data::Text(vec![0; 4096]));
    let array = heap.packed(&[text, text], 1);
    let refusal = refused(array, Limits { bytes: 5000, depth: 256 });
    assert_eq!(*refusal.reason(), Reason::TooLarge(5000));
    insta::assert_snapshot!(refusal, @"the array needs more than 5000 bytes at $vars[1]; publish less, or raise max_bytes in the vars block of the configuration");
}
