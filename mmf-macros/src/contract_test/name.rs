//! Names of tests that are made of endpoints, operations and interactions.

use syn::Ident;

/// `GET /users/{id}` becomes `get_users_id`, with a number behind it where that was given before.
pub(super) fn of_test(what: &str, known: &mut Vec<String>) -> Ident {
    let ident = unique(&identifier(what), known);
    quote::format_ident!("{ident}")
}

fn identifier(what: &str) -> String {
    let mut name = String::new();
    let mut was_small = false;
    for letter in what.chars() {
        if letter.is_ascii_alphanumeric() {
            // `getUser` is two words.
            if letter.is_ascii_uppercase() && was_small {
                name.push('_');
            }
            name.push(letter.to_ascii_lowercase());
        } else if !name.ends_with('_') && !name.is_empty() {
            name.push('_');
        }
        was_small = letter.is_ascii_lowercase();
    }
    let name = name.trim_end_matches('_');
    if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
        return format!("root_{name}").trim_end_matches('_').to_owned();
    }
    name.to_owned()
}

fn unique(name: &str, known: &mut Vec<String>) -> String {
    let mut unique = name.to_owned();
    let mut number = 1;
    while known.contains(&unique) || syn::parse_str::<Ident>(&unique).is_err() {
        number += 1;
        unique = format!("{name}_{number}");
    }
    known.push(unique.clone());
    unique
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_named_by_what_they_check() {
        let mut known = Vec::new();
        let names = [
            "/users",
            "GET /users/{id}",
            "/",
            "/users",
            "/2",
            "/type",
            "getUser",
            "a request for user 1",
        ]
        .map(|what| of_test(what, &mut known).to_string());
        let wanted = [
            "users",
            "get_users_id",
            "root",
            "users_2",
            "root_2",
            "type_2",
            "get_user",
            "a_request_for_user_1",
        ];
        assert_eq!(names, wanted);
    }
}
