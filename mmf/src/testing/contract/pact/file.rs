//! The file that the tests of a consumer write, each its own interactions.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use pact_models::interaction::Interaction as _;
use pact_models::pact::{Pact as _, ReadWritePact as _, load_pact_from_json};
use pact_models::v4::interaction::V4Interaction as _;
use pact_models::v4::pact::V4Pact;
use pact_models::v4::synch_http::SynchronousHttp;
use pact_models::{Consumer, PactSpecification, Provider};
use serde_json::{Value, json};

/// The comment with the names of the tests that an interaction is of: it goes when the last of them has it no more.
const TESTS: &str = "tests";

/// A larger file is no pact.
const MOST_BYTES: u64 = 64 << 20;

/// A file of V4.
pub(super) struct PactFile {
    folder: PathBuf,
    path: PathBuf,
    empty: V4Pact,
}

impl PactFile {
    /// The file of two names in a folder.
    ///
    /// # Errors
    ///
    /// Where they are such that it would lie elsewhere.
    pub(super) fn new(folder: &Path, consumer: &str, provider: &str) -> Result<Self, String> {
        for name in [consumer, provider] {
            if name.is_empty() || name.contains(['/', '\\', '\0', ':']) || name.starts_with('.') {
                return Err(format!(
                    "{name:?} is no part of the name of a file: it leads out of the folder"
                ));
            }
        }
        let empty = V4Pact {
            consumer: Consumer { name: consumer.to_owned() },
            provider: Provider { name: provider.to_owned() },
            ..V4Pact::default()
        };
        let path = folder.join(empty.default_file_name());
        Ok(Self { folder: folder.to_owned(), path, empty })
    }

    /// Puts the interactions of a test in place of those that it wrote before. The folder is locked meanwhile, as
    /// tests of several processes write it; where nothing changes the file is not touched, nor what is built of it.
    ///
    /// # Errors
    ///
    /// Where another test says something else of the same request in the same state, or where the file cannot be
    /// read or written.
    pub(super) fn merge(
        &self,
        test: &str,
        interactions: Vec<SynchronousHttp>,
    ) -> Result<(), String> {
        let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", self.path.display());
        fs::create_dir_all(&self.folder).map_err(|error| wrong(&error))?;
        let _locked = locked(&self.folder).map_err(|error| wrong(&error))?;
        let known = match crate::testing::file::read(&self.path, MOST_BYTES) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            known => known.map_err(|error| wrong(&error))?,
        };
        let mut pact = match known.trim() {
            "" => self.empty.clone(),
            text => {
                let json: Value = serde_json::from_str(text).map_err(|error| wrong(&error))?;
                let source = self.path.display().to_string();
                let pact = load_pact_from_json(&source, &json).map_err(|error| wrong(&error))?;
                pact.as_v4_pact().map_err(|error| wrong(&error))?
            }
        };
        for known in &mut pact.interactions {
            disown(known.comments_mut(), test);
        }
        pact.interactions.retain(|known| known.comments().get(TESTS) != Some(&json!([])));
        for mut interaction in interactions {
            let mut owned = None;
            for (number, known) in pact.interactions.iter().enumerate() {
                if is_same(&known.to_json(), &interaction).map_err(|why| wrong(&why))? {
                    owned = Some(number);
                }
            }
            if let Some(number) = owned {
                own(pact.interactions[number].comments_mut(), test);
            } else {
                own(&mut interaction.comments, test);
                pact.interactions.extend(interaction.as_v4());
            }
        }
        let place =
            |known: &Value| (known["description"].to_string(), known["providerStates"].to_string());
        pact.interactions.sort_by_cached_key(|known| place(&known.to_json()));
        let json = pact.to_json(PactSpecification::V4).map_err(|error| wrong(&error))?;
        if serde_json::from_str::<Value>(&known).is_ok_and(|known| known == json) {
            return Ok(());
        }
        let text = serde_json::to_string_pretty(&json).map_err(|error| wrong(&error))? + "\n";
        crate::testing::file::replace(&self.path, &text).map_err(|error| wrong(&error))
    }
}

/// Locks a folder, until the file is dropped.
#[cfg(unix)]
fn locked(folder: &Path) -> io::Result<File> {
    let file = File::open(folder)?;
    file.lock()?;
    Ok(file)
}

/// Folders cannot be opened there: a file in it stands for it.
#[cfg(not(unix))]
fn locked(folder: &Path) -> io::Result<File> {
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.join(".pacts.lock"))?;
    file.lock()?;
    Ok(file)
}

type Comments = HashMap<String, Value>;

fn own(comments: &mut Comments, test: &str) {
    let tests = comments.get(TESTS).and_then(Value::as_array).cloned();
    let mut tests = tests.unwrap_or_default();
    if !tests.contains(&json!(test)) {
        tests.push(json!(test));
        tests.sort_by_key(Value::to_string);
    }
    comments.insert(TESTS.into(), tests.into());
}

fn disown(comments: &mut Comments, test: &str) {
    if let Some(Value::Array(tests)) = comments.get_mut(TESTS) {
        tests.retain(|known| known != test);
    }
}

/// Whether another test has written the same interaction. Of one description and state there is one: no provider
/// could fulfil two.
fn is_same(known: &Value, interaction: &SynchronousHttp) -> Result<bool, String> {
    let ours = interaction.to_json();
    let same = |key: &str| known[key] == ours[key];
    if !(same("description") && same("providerStates")) {
        return Ok(false);
    }
    if same("request") && same("response") {
        return Ok(true);
    }
    let description = &interaction.description;
    let test = known["comments"][TESTS][0].as_str().unwrap_or("another test");
    Err(format!(
        "{test} says something else of {description:?}: give one of them another description, or another state; where \
         that test was changed as well, run it first, and where it is gone, delete the file"
    ))
}
