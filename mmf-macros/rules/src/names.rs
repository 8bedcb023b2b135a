//! Names that are mistyped, and those that were meant.

/// The nearest of the names that are allowed, where one is near enough to have been meant: so that every third letter
/// is wrong at the most, as rustc has it.
///
/// ```
/// assert_eq!(mmf_rules::names::nearest("max_attemps", ["backoff", "max_attempts"]), Some("max_attempts"));
/// assert_eq!(mmf_rules::names::nearest("colour", ["backoff", "max_attempts"]), None);
/// ```
pub fn nearest<'n>(wrong: &str, allowed: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let letters = |name: &str| name.chars().count();
    allowed
        .into_iter()
        .map(|name| (distance(wrong, name), name))
        .filter(|(distance, name)| *distance <= letters(wrong).max(letters(name)).max(3) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// ", did you mean `x`?" for the nearest of the names that are allowed, else the list of them.
///
/// ```
/// assert_eq!(mmf_rules::names::suggestion("max_attemps", &["max_attempts"]), ", did you mean `max_attempts`?");
/// assert_eq!(mmf_rules::names::suggestion("zzz", &["permits", "burst"]), ", expected one of `permits`, `burst`");
/// ```
pub fn suggestion(wrong: &str, allowed: &[&str]) -> String {
    match nearest(wrong, allowed.iter().copied()) {
        Some(name) => format!(", did you mean `{name}`?"),
        None => {
            let listed: Vec<_> = allowed.iter().map(|name| format!("`{name}`")).collect();
            format!(", expected one of {}", listed.join(", "))
        }
    }
}

/// How many letters were left out, put in, changed, or swapped with their neighbour, each at most once (optimal string
/// alignment).
pub fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    // Three rows of the table of distances between all beginnings of the two.
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    let mut previous = None;
    for (row, letter) in one.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, counterpart) in other.iter().enumerate() {
            let changed = last[column] + usize::from(letter != *counterpart);
            let mut least = changed.min(last[column + 1] + 1).min(current[column] + 1);
            let is_swapped =
                column > 0 && previous == Some(*counterpart) && other[column - 1] == letter;
            if is_swapped {
                least = least.min(before_last[column - 1] + 1);
            }
            current.push(least);
        }
        before_last = std::mem::replace(&mut last, current);
        previous = Some(letter);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted() {
        for (one, other, slips) in [
            ("", "", 0),
            ("GET", "GET", 0),
            ("GTE", "GET", 1),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("ca", "abc", 3),
            ("max_attemps", "max_attempts", 1),
            ("épée", "epee", 2),
        ] {
            assert_eq!(distance(one, other), slips, "{one} {other}");
            assert_eq!(distance(other, one), slips, "{other} {one}");
        }
    }

    #[test]
    fn the_nearest_has_most_letters_right() {
        let allowed = ["period", "permits", "burst"];
        assert_eq!(nearest("permit", allowed), Some("permits"));
        assert_eq!(nearest("preiod", allowed), Some("period"));
        // A third of the letters, and one more.
        assert_eq!(nearest("bu___", allowed), None);
        assert_eq!(nearest("pe__xd", allowed), None);
        assert_eq!(nearest("pe__od", allowed), Some("period"));
        assert_eq!(nearest("", allowed), None);
    }
}
