//! Any sequence of configurations, right and wrong ones, leaves what a plain model says.

use std::collections::BTreeMap;

use mmf::{config, resilient};
use proptest::prelude::*;

use super::{Error, alone};

macro_rules! policies {
    ($($function:ident $name:literal),*) => {
        $(#[expect(dead_code, reason = "looked at, and not called")]
        #[resilient(name = $name, retry(max_attempts = 3), bulkhead(max_concurrent = 7))]
        async fn $function() -> Result<u8, Error> {
            Ok(1)
        })*
        const NAMES: &[&str] = &[$($name),*];
    };
}

policies!(ax "model.a.x", ay "model.a.y", bx "model.b.x");

/// Tables, the weakest first, with what each is for.
const TABLES: [(&str, &[usize]); 6] = [
    ("[defaults]", &[0, 1, 2]),
    ("[policies.\"model.*\"]", &[0, 1, 2]),
    ("[policies.\"model.a.*\"]", &[0, 1]),
    ("[policies.\"model.a.x\"]", &[0]),
    ("[policies.\"model.a.y\"]", &[1]),
    ("[policies.\"model.b.x\"]", &[2]),
];

/// A value that is wrong is none of these.
#[derive(Clone, Debug)]
enum Set {
    Attempts(u32),
    Concurrent(u32),
    Wrong,
}

fn set() -> impl Strategy<Value = (usize, Set)> {
    let set = prop_oneof![
        5 => (1_u32..9).prop_map(Set::Attempts),
        // Others of this program find their limits up to 50.
        5 => (1_u32..50).prop_map(Set::Concurrent),
        1 => Just(Set::Wrong),
    ];
    (0..TABLES.len(), set)
}

fn text(sets: &[(usize, Set)]) -> String {
    let mut tables: BTreeMap<usize, BTreeMap<&str, String>> = BTreeMap::new();
    for (table, set) in sets {
        let (key, value) = match set {
            Set::Attempts(count) => ("retry.max_attempts", count.to_string()),
            Set::Concurrent(count) => ("bulkhead.max_concurrent", count.to_string()),
            Set::Wrong => ("bulkhead.max_queue", "\"many\"".into()),
        };
        tables.entry(*table).or_default().insert(key, value);
    }
    let mut text = String::new();
    // The strongest first: the order of writing says nothing.
    for (table, values) in tables.iter().rev() {
        text += &format!("{}\n", TABLES[*table].0);
        for (key, value) in values {
            text += &format!("{key} = {value}\n");
        }
    }
    text
}

fn modelled(sets: &[(usize, Set)]) -> Vec<(String, String)> {
    let mut sets: Vec<_> = sets.iter().enumerate().collect();
    sets.sort_by_key(|(order, (table, _))| (*table, *order));
    let mut values = vec![(3, 7); NAMES.len()];
    for (_, (table, set)) in sets {
        for policy in TABLES[*table].1 {
            match set {
                Set::Attempts(count) => values[*policy].0 = *count,
                Set::Concurrent(count) => values[*policy].1 = *count,
                Set::Wrong => {}
            }
        }
    }
    values.into_iter().map(|(a, c)| (a.to_string(), c.to_string())).collect()
}

fn in_force() -> Vec<(String, String)> {
    let all = config::effective();
    let of = |policy: &str, key: &str| {
        let found = all.iter().find(|value| &*value.policy == policy && value.key == key);
        found.unwrap().value.clone()
    };
    NAMES
        .iter()
        .map(|name| (of(name, "retry.max_attempts"), of(name, "bulkhead.max_concurrent")))
        .collect()
}

#[test]
fn any_sequence_leaves_what_the_model_says() {
    let configurations = prop::collection::vec(prop::collection::vec(set(), 0..8), 1..12);
    alone(async {
        proptest!(ProptestConfig::with_cases(200), |(configurations in configurations)| {
            config::apply("").unwrap();
            let mut expected = modelled(&[]);
            for sets in configurations {
                let is_wrong = sets.iter().any(|(_, set)| matches!(set, Set::Wrong));
                let applied = config::apply(&text(&sets));
                prop_assert_eq!(applied.is_err(), is_wrong, "{}", text(&sets));
                if !is_wrong {
                    expected = modelled(&sets);
                }
                prop_assert_eq!(in_force(), expected.clone(), "{}", text(&sets));
            }
        });
    });
}
