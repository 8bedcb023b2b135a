//! `users.*`: which names are meant.

/// Whether a glob matches a name: `*` is any text, `?` one character.
pub fn matches(glob: &str, name: &str) -> bool {
    let (glob, name): (Vec<_>, Vec<_>) = (glob.chars().collect(), name.chars().collect());
    // The last `*` seen and what it stands for so far: the only place to come back to.
    let (mut g, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match glob.get(g) {
            Some('*') => {
                star = Some((g, n));
                g += 1;
            }
            Some(letter) if *letter == '?' || *letter == name[n] => {
                g += 1;
                n += 1;
            }
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                (g, n) = (at + 1, taken + 1);
            }
        }
    }
    glob[g..].iter().all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_are_any_text() {
        for (glob, name, wanted) in [
            ("*", "users.fetch", true),
            ("users.*", "users.fetch", true),
            ("users.*", "orders.fetch", false),
            ("*.fetch", "users.fetch", true),
            ("u*s.f?tch", "users.fetch", true),
            ("u*s", "users.fetch", false),
            ("", "", true),
            ("**", "", true),
            ("a*b*c", "a-b-b-c", true),
        ] {
            assert_eq!(matches(glob, name), wanted, "{glob} {name}");
        }
    }
}
