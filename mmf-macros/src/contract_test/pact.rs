//! The interactions of a Pact file, as far as tests are made of them. What they expect is said by `mmf::testing`.

use std::path::Path;

use serde_json::Value;

/// An interaction of a file.
#[derive(Debug, PartialEq)]
pub(super) struct Interaction {
    /// With its states, which tell interactions of one description apart.
    pub(super) name: String,
    /// Why no test can be made of it.
    pub(super) ignored: Option<String>,
}

/// The interactions of a file, in its order.
///
/// # Errors
///
/// Where it has none.
pub(super) fn interactions(pact: &Value) -> Result<Vec<Interaction>, String> {
    let all = pact["interactions"].as_array().filter(|all| !all.is_empty());
    let all = all.ok_or_else(|| match pact["messages"].is_array() {
        true => "has messages only: interactions of HTTP are checked",
        false => "is no Pact file: it has no `interactions`",
    })?;
    Ok(all.iter().map(interaction).collect())
}

fn interaction(json: &Value) -> Interaction {
    let mut name = json["description"].as_str().unwrap_or("interaction").to_owned();
    let states = json["providerStates"].as_array().into_iter().flatten();
    let mut states: Vec<_> = states.filter_map(|state| state["name"].as_str()).collect();
    states.extend(json["providerState"].as_str().or_else(|| json["provider_state"].as_str()));
    if !states.is_empty() {
        name = format!("{name} given {}", states.join(" and "));
    }
    let kind = json["type"].as_str().unwrap_or("Synchronous/HTTP");
    let ignored = (kind != "Synchronous/HTTP").then(|| format!("{kind} is not checked, HTTP is"));
    Interaction { name, ignored }
}

/// The files that a pattern such as `pacts/*.json` means, beside `Cargo.toml` and in order.
///
/// # Errors
///
/// Where there are none: what nobody wrote holds of nothing.
pub(super) fn files(pattern: &str) -> Result<Vec<String>, String> {
    let root = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let (folder, name) = pattern.rsplit_once('/').unwrap_or((".", pattern));
    if folder.contains('*') || name.matches('*').count() != 1 {
        return Err(format!(
            "`{pattern}` is no folder of pacts: `pacts(\"pacts/*.json\")`, with one `*` in the name of the file"
        ));
    }
    let (before, after) = name.split_once('*').unwrap_or_default();
    let wrong = |error: std::io::Error| format!("the folder {folder} cannot be read: {error}");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(Path::new(&root).join(folder)).map_err(wrong)? {
        let name = entry.map_err(wrong)?.file_name().to_string_lossy().into_owned();
        let is_meant = name.len() >= before.len() + after.len()
            && name.starts_with(before)
            && name.ends_with(after);
        if is_meant {
            files.push(format!("{folder}/{name}"));
        }
    }
    files.sort();
    match files.is_empty() {
        true => {
            Err(format!("no pact is in {folder} by {name}: a folder without one holds of nothing"))
        }
        false => Ok(files),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_the_files_of_a_folder() {
        let found = files("../mmf/tests/contracts/*.json").unwrap();
        assert!(found.iter().all(|file| file.starts_with("../mmf/tests/contracts/")), "{found:?}");
        assert!(!found.is_empty());
        let none = files("../mmf/tests/contracts/*.pact").unwrap_err();
        assert!(none.starts_with("no pact is in ../mmf/tests/contracts by *.pact"), "{none}");
        assert!(files("no-such/*.json").unwrap_err().contains("cannot be read"));
        for wrong in ["pacts/", "pacts/a.json", "*/a.json", "pacts/*.*"] {
            assert!(files(wrong).unwrap_err().contains("is no folder of pacts"), "{wrong}");
        }
    }

    #[test]
    fn interactions_of_every_version_are_named() {
        let pact: Value = serde_json::from_str(
            r#"{ "interactions": [
                { "description": "a user", "providerState": "user 1 exists" },
                { "description": "a user", "providerStates": [{ "name": "a" }, { "name": "b" }] },
                { "description": "an event", "type": "Asynchronous/Messages" }
            ] }"#,
        )
        .unwrap();
        let found = interactions(&pact).unwrap();
        let names: Vec<_> = found.iter().map(|interaction| interaction.name.as_str()).collect();
        assert_eq!(names, ["a user given user 1 exists", "a user given a and b", "an event"]);
        assert!(found[0].ignored.is_none() && found[2].ignored.is_some());
        let messages = serde_json::from_str(r#"{ "messages": [{}] }"#).unwrap();
        assert!(interactions(&messages).unwrap_err().starts_with("has messages only"));
        assert!(interactions(&Value::Null).is_err());
    }
}
