//! Names of methods for logs: those that the service has, and not any that a caller thinks of.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::layer::is_path;

/// So many are told apart, and so many that nobody knows yet are told by their names.
const MOST: usize = 1000;
/// Longer ones are nobody's.
const LONGEST: usize = 256;

/// The methods that have answered, in a list that only grows.
#[derive(Debug, Default)]
pub(super) struct Methods {
    hashes: RandomState,
    first: OnceLock<Box<Known>>,
    known: AtomicUsize,
    unknown: AtomicUsize,
}

#[derive(Debug)]
struct Known {
    hash: u64,
    path: Box<str>,
    next: OnceLock<Box<Known>>,
}

const UNMATCHED: &str = "unmatched";

impl Methods {
    /// What a call is named when it begins, such as `users.v1.Users/Get`: of those that have never answered, so many as the
    /// list is long.
    pub(super) fn at_begin<'p>(&self, path: &'p str) -> &'p str {
        if !is_path(path) || path.len() > LONGEST {
            return UNMATCHED;
        }
        // Relaxed: an estimate is enough.
        if self.knows(path) || self.unknown.fetch_add(1, Ordering::Relaxed) < MOST {
            &path[1..]
        } else {
            self.unknown.store(MOST, Ordering::Relaxed);
            UNMATCHED
        }
    }

    /// The name of a method that has answered before.
    pub(super) fn known<'p>(&self, path: &'p str) -> Option<&'p str> {
        self.knows(path).then(|| &path[1..])
    }

    /// The service has answered a method, and not that it has none of the name: what it is named from now on, where that is
    /// another name than the one of its begin.
    pub(super) fn answered<'p>(&self, path: &'p str) -> Option<&'p str> {
        let is_known =
            self.knows(path) || (is_path(path) && path.len() <= LONGEST && self.learn(path));
        is_known.then(|| &path[1..])
    }

    fn list(&self) -> impl Iterator<Item = &Known> {
        std::iter::successors(self.first.get(), |known| known.next.get()).map(|known| &**known)
    }

    fn knows(&self, path: &str) -> bool {
        let hash = self.hashes.hash_one(path);
        self.list().any(|known| known.hash == hash && *known.path == *path)
    }

    #[cold]
    fn learn(&self, path: &str) -> bool {
        if self.known.fetch_add(1, Ordering::Relaxed) >= MOST {
            self.known.store(MOST, Ordering::Relaxed);
            return false;
        }
        let hash = self.hashes.hash_one(path);
        let mut new = Box::new(Known { hash, path: path.into(), next: OnceLock::new() });
        let mut place = &self.first;
        // Where another was faster, behind it.
        while let Err(returned) = place.set(new) {
            new = returned;
            match place.get() {
                Some(taken) => place = &taken.next,
                None => unreachable!("a place that cannot be set is taken"),
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_answers_is_known_and_what_strangers_think_of_is_bounded() {
        let methods = Methods::default();
        assert_eq!(methods.at_begin("/a.A/Get"), "a.A/Get");
        assert_eq!(methods.answered("/a.A/Get"), Some("a.A/Get"));
        for number in 0..2 * MOST {
            let path = format!("/a.A/{number}");
            let name = methods.at_begin(&path).to_owned();
            assert_eq!(name == UNMATCHED, number >= MOST - 1, "{number}");
        }
        assert_eq!(methods.at_begin("/a.A/Get"), "a.A/Get");
        assert_eq!(methods.at_begin("/a.A/New"), UNMATCHED);
        assert_eq!(methods.answered("/a.A/New"), Some("a.A/New"));
        assert_eq!(methods.at_begin("/a.A/New"), "a.A/New");
    }

    #[test]
    fn what_is_no_method_has_no_name() {
        let methods = Methods::default();
        for path in
            ["", "/", "/a", "a/b", "//b", "/a/", "/a/b/c", &format!("/a/{}", "b".repeat(300))]
        {
            assert_eq!(methods.at_begin(path), UNMATCHED, "{path}");
            assert_eq!(methods.answered(path), None, "{path}");
        }
    }

    #[test]
    fn a_service_that_answers_all_is_bounded_too() {
        let methods = Methods::default();
        for number in 0..MOST {
            assert!(methods.answered(&format!("/a/{number}")).is_some());
        }
        assert_eq!(methods.answered("/a/more"), None);
        assert_eq!(methods.list().count(), MOST);
    }
}
