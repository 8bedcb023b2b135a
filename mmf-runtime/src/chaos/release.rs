//! Whether a whole process may be armed, by [`arm`](super::arm) and by `MMF_CHAOS` alike: not in a release build,
//! unless its environment says so. A [`scope`](super::scope) concerns the future of whoever wrote it, and asks nobody.

use std::ffi::OsStr;

/// Why it may not, as it follows what is refused; nothing, where it may.
pub(super) fn refusal() -> Option<&'static str> {
    // `mmf_release` is what cargo calls the build (see build.rs): a release profile that switches debug
    // assertions on stays one. Built by something else, the assertions alone decide.
    let is_release = cfg!(mmf_release) || !cfg!(debug_assertions);
    refusal_of(is_release, std::env::var_os("MMF_CHAOS_ALLOW_RELEASE").as_deref())
}

fn refusal_of(is_release: bool, allowed: Option<&OsStr>) -> Option<&'static str> {
    (is_release && allowed.is_none_or(|value| value != "1"))
        .then_some("is refused in a release build; MMF_CHAOS_ALLOW_RELEASE=1 allows it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_build_takes_the_word_of_its_environment() {
        assert!(refusal_of(true, None).unwrap().contains("MMF_CHAOS_ALLOW_RELEASE=1 allows it"));
        assert!(refusal_of(true, Some(OsStr::new("0"))).is_some());
        assert!(refusal_of(true, Some(OsStr::new(""))).is_some());
        assert_eq!(refusal_of(true, Some(OsStr::new("1"))), None);
        assert_eq!(refusal_of(false, None), None);
    }
}
