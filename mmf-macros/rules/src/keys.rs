//! The keys of policies: what each takes. The attribute reads them in code, files and variables while the program runs.

/// What stands behind a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Code or a name: a part of the program, which nothing outside of it can change.
    Code,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Count,
    /// A whole number, or `"unlimited"`.
    Attempts,
    /// A number, such as a share or a factor.
    Number,
    /// A duration.
    Time,
    /// A number of calls, or a duration.
    Window,
    /// One of these words; what they name.
    Word(Naming, &'static [&'static str]),
    /// Names of refusals, of these.
    Refusals(&'static [&'static str]),
    /// Keys of its own.
    Group(&'static Group),
}

/// What words name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// How delays grow.
    Backoff,
    /// How a limit is found.
    Algorithm,
    /// How badly off a program is.
    Level,
}

/// A key and what it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What stands behind it.
    pub kind: Kind,
}

/// Keys that stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// As it is written; of those that stand in no group, nothing.
    pub name: &'static str,
    /// The key that a value without one is for.
    pub main: Option<&'static str>,
    /// In the order of the documentation.
    pub keys: &'static [Key],
}

impl Group {
    /// The key of this name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The names of its keys.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.keys.iter().map(|key| key.name)
    }
}

const fn key(name: &'static str, kind: Kind) -> Key {
    Key { name, kind }
}

use Kind::{Attempts, Code, Count, Flag, Number, Refusals, Time, Window, Word};

/// Of `on_refusal` in `retry`.
pub const RETRIED: &[&str] = &["timeout", "bulkhead", "rate_limit", "breaker", "all", "none"];
/// Of `on_refusal` in `breaker`.
pub const FAILURES: &[&str] = &["timeout", "bulkhead", "rate_limit", "all", "none"];
/// Of `on_refusal` in `fallback`.
pub const ANSWERED: &[&str] =
    &["breaker", "timeout", "deadline", "bulkhead", "rate_limit", "feature", "all", "none"];
/// How delays grow.
pub const BACKOFFS: &[&str] = &[
    "constant",
    "linear",
    "exponential",
    "fibonacci",
    "random",
    "jittered_exponential",
    "decorrelated",
];
/// How a limit is found.
pub const ALGORITHMS: &[&str] = &["gradient", "aimd"];
/// The levels from which on a function may do without; at `none` it would be off for good.
pub const LEVELS: &[&str] = &["minor", "moderate", "severe", "critical"];

/// `retry(…)`
pub const RETRY: Group = Group {
    name: "retry",
    main: Some("max_attempts"),
    keys: &[
        key("max_attempts", Attempts),
        key("backoff", Word(Naming::Backoff, BACKOFFS)),
        key("base_delay", Time),
        key("max_delay", Time),
        key("multiplier", Number),
        key("jitter", Number),
        key("max_duration", Time),
        key("before_retry", Code),
        key("retry_on", Code),
        key("abort_on", Code),
        key("retry_if", Code),
        key("retry_if_ok", Code),
        key("retry_after", Code),
        key("on_refusal", Refusals(RETRIED)),
        key("budget", Number),
    ],
};

/// `breaker(…)`
pub const BREAKER: Group = Group {
    name: "breaker",
    main: Some("failure_threshold"),
    keys: &[
        key("failure_threshold", Count),
        key("failure_rate_threshold", Number),
        key("minimum_throughput", Count),
        key("window", Window),
        key("slow_call_threshold", Time),
        key("slow_call_rate_threshold", Number),
        key("recovery_timeout", Time),
        key("recovery_multiplier", Number),
        key("max_recovery_timeout", Time),
        key("half_open_max_calls", Count),
        key("success_threshold", Count),
        key("fail_on", Code),
        key("skip_on", Code),
        key("fail_if", Code),
        key("fail_if_ok", Code),
        key("on_refusal", Refusals(FAILURES)),
        key("shared", Code),
        key("key", Code),
        key("max_keys", Count),
    ],
};

/// `rate_limit(…)`
pub const RATE_LIMIT: Group = Group {
    name: "rate_limit",
    main: Some("permits"),
    keys: &[
        key("permits", Count),
        key("period", Time),
        key("burst", Count),
        key("max_wait", Time),
        key("key", Code),
        key("max_keys", Count),
    ],
};

/// `bulkhead(…)`
pub const BULKHEAD: Group = Group {
    name: "bulkhead",
    main: Some("max_concurrent"),
    keys: &[
        key("max_concurrent", Count),
        key("max_queue", Count),
        key("max_wait", Time),
        key("adaptive", Kind::Group(&ADAPTIVE)),
        key("key", Code),
        key("max_keys", Count),
    ],
};

/// `bulkhead(adaptive(…))`
pub const ADAPTIVE: Group = Group {
    name: "adaptive",
    main: None,
    keys: &[
        key("min", Count),
        key("max", Count),
        key("algorithm", Word(Naming::Algorithm, ALGORITHMS)),
    ],
};

/// `hedge(…)`
pub const HEDGE: Group = Group {
    name: "hedge",
    main: Some("delay"),
    keys: &[
        key("delay", Time),
        key("percentile", Number),
        key("max_hedges", Count),
        key("budget", Number),
    ],
};

/// `fallback(…)`
pub const FALLBACK: Group = Group {
    name: "fallback",
    main: None,
    keys: &[
        key("value", Code),
        key("stale", Kind::Group(&STALE)),
        key("provider", Code),
        key("apply_on", Code),
        key("skip_on", Code),
        key("on_refusal", Refusals(ANSWERED)),
    ],
};

/// `fallback(stale(…))`
pub const STALE: Group = Group {
    name: "stale",
    main: None,
    keys: &[key("key", Code), key("max_age", Time), key("capacity", Count), key("aged", Code)],
};

/// What stands beside the groups, and they themselves.
pub const TOP: Group = Group {
    name: "",
    main: None,
    keys: &[
        key("name", Code),
        key("deadline", Time),
        key("timeout", Time),
        key("retry", Kind::Group(&RETRY)),
        key("breaker", Kind::Group(&BREAKER)),
        key("rate_limit", Kind::Group(&RATE_LIMIT)),
        key("bulkhead", Kind::Group(&BULKHEAD)),
        key("hedge", Kind::Group(&HEDGE)),
        key("fallback", Kind::Group(&FALLBACK)),
        key("feature", Code),
        key("disable_at", Word(Naming::Level, LEVELS)),
        key("refused", Code),
        key("clone", Code),
        key("keep", Code),
        key("crate", Code),
        key("all", Code),
        key("skip", Code),
    ],
};

/// Every group, those within others too.
pub const GROUPS: [&Group; 8] =
    [&RETRY, &BREAKER, &RATE_LIMIT, &BULKHEAD, &ADAPTIVE, &HEDGE, &FALLBACK, &STALE];

/// Turns a policy off, or a group: a key of files and variables alone, as an attribute leaves out what it does not want.
pub const ENABLED: Key = key("enabled", Flag);

/// Keys that were written, as bits of their places in their group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keys(u32);

impl Keys {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// The one of this name.
    ///
    /// # Panics
    ///
    /// Where the group has none of it: in a constant, when the program is compiled.
    pub const fn of(group: &Group, name: &str) -> Self {
        let mut place = 0;
        while place < group.keys.len() {
            if same(group.keys[place].name.as_bytes(), name.as_bytes()) {
                return Self(1 << place);
            }
            place += 1;
        }
        panic!("no such key")
    }

    /// Adds these.
    pub const fn insert(&mut self, others: Self) {
        self.0 |= others.0;
    }

    /// Whether all of these are among them.
    pub const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Whether the one of this name is among them.
    pub fn has(self, group: &Group, name: &str) -> bool {
        group.keys.iter().position(|key| key.name == name).is_some_and(|at| self.0 >> at & 1 == 1)
    }
}

const fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut place = 0;
    while place < one.len() {
        if one[place] != other[place] {
            return false;
        }
        place += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_keys_are_known_by_their_names() {
        let mut keys = Keys::default();
        keys.insert(const { Keys::of(&RETRY, "jitter") });
        assert!(keys.has(&RETRY, "jitter") && keys.contains(Keys::of(&RETRY, "jitter")));
        assert!(!keys.has(&RETRY, "multiplier") && !keys.has(&RETRY, "jitters"));
        assert!(!keys.contains(Keys::of(&RETRY, "budget")));
        for group in GROUPS {
            assert!(group.keys.len() <= 32, "{}", group.name);
            assert!(group.main.is_none_or(|main| group.key(main).is_some()), "{}", group.name);
        }
    }
}
