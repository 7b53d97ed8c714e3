//! Any value that can be published comes back the same; the walker, which runs after each copy in debug builds, finds
//! every rule of the form kept; and the copy equals its source and nothing else.

use super::super::plan::Limits;
use super::super::snapshot::Snapshot;
use super::source::*;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

fn name() -> impl Strategy<Value = Name> {
    prop_oneof![
        any::<i64>().prop_map(Name::Index),
        (-2i64..40).prop_map(Name::Index),
        vec(any::<u8>(), 0..12).prop_map(Name::Text),
        // Lists of names that collide in small tables.
        (0u8..8).prop_map(|number| Name::Text(vec![b'k', number])),
    ]
}

fn value() -> impl Strategy<Value = Data> {
    let leaf = prop_oneof![
        Just(Data::Null),
        any::<bool>().prop_map(Data::Bool),
        any::<i64>().prop_map(Data::Int),
        any::<u64>().prop_map(Data::Float),
        vec(any::<u8>(), 0..40).prop_map(Data::Text),
        ("[A-Z][a-z]{0,5}", "[A-Z]{1,4}").prop_map(|(class, case)| Data::Case(class, case)),
    ];
    leaf.prop_recursive(6, 200, 12, |inner| prop_oneof![vec(inner.clone(), 0..12).prop_map(Data::List), map(inner)])
}

fn map(inner: impl Strategy<Value = Data>) -> impl Strategy<Value = Data> {
    btree_map(name(), inner, 0..24).prop_map(|pairs| Data::Map(pairs.into_iter().collect())).prop_shuffle_map()
}

/// Keys come out of the generator in order; arrays have them in any.
trait ShuffleMap: Strategy<Value = Data> + Sized {
    fn prop_shuffle_map(self) -> impl Strategy<Value = Data> {
        (self, any::<u64>()).prop_map(|(value, seed)| match value {
            Data::Map(mut pairs) if !pairs.is_empty() => {
                let by = (seed % pairs.len() as u64) as usize;
                pairs.rotate_left(by);
                Data::Map(pairs)
            }
            other => other,
        })
    }
}

impl<S: Strategy<Value = Data>> ShuffleMap for S {}

/// Converts a value like `read`: a map with the keys 0, 1, 2, … is a list.
fn normal(value: &Data) -> Data {
    match value {
        Data::List(items) => Data::List(items.iter().map(normal).collect()),
        Data::Map(pairs) => {
            let is_list = pairs.iter().enumerate().all(|(position, (name, _))| *name == Name::Index(position as i64));
            if is_list {
                Data::List(pairs.iter().map(|(_, value)| normal(value)).collect())
            } else {
                Data::Map(pairs.iter().map(|(name, value)| (name.clone(), normal(value))).collect())
            }
        }
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 1 } else { 512 }, failure_persistence: None, ..ProptestConfig::default() })]

    /// B23, B26, B27
    #[test]
    fn a_copy_is_the_same_and_outlives_its_source(root in map(value()), other in map(value())) {
        let mut heap = Heap::default();
        let array = heap.array(&root);
        // SAFETY: the heap lives during the copy.
        let snapshot = unsafe { Snapshot::copy_of(array, &TestObjects, Limits::default()) }.expect("publishable");
        let second = heap.array(&other);
        // SAFETY: heap and snapshot live.
        unsafe {
            prop_assert!(snapshot.equals(array, &TestObjects));
            prop_assert_eq!(snapshot.equals(second, &TestObjects), normal(&root) == normal(&other));
        }
        drop(heap);
        prop_assert_eq!(read(snapshot.root()), normal(&root));
    }
}
