//! Records out of the files of a folder.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::record::Record;

/// What the files of a folder hold.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// The last record of each test, by its name; with its program behind it where another has one of that name.
    pub records: BTreeMap<String, Record>,
    /// What could not be read, and why.
    pub unreadable: Vec<String>,
}

impl Results {
    /// Reads every `.jsonl` file of a folder. A line that is torn costs itself alone, and is told.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be read.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut results = Self::default();
        let mut files: Vec<_> =
            std::fs::read_dir(folder)?.filter_map(|file| Some(file.ok()?.path())).collect();
        files.sort();
        for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "jsonl")) {
            match std::fs::read_to_string(file) {
                Ok(text) => results.read_text(&file.display().to_string(), &text),
                Err(error) => results.unreadable.push(format!("{}: {error}", file.display())),
            }
        }
        Ok(results)
    }

    fn read_text(&mut self, name: &str, text: &str) {
        for (number, line) in text.lines().enumerate() {
            match serde_json::from_str::<Record>(line) {
                Ok(record) => self.add(record),
                Err(error) => self.unreadable.push(format!("{name}, line {}: {error}", number + 1)),
            }
        }
    }

    /// Of two records of a test the later one holds; an end goes before a start of the same moment.
    fn add(&mut self, record: Record) {
        let is_of_another = |known: &Record| known.program != record.program;
        let key = match (&record.program, self.records.get(&record.test)) {
            (Some(program), Some(known)) if is_of_another(known) => {
                format!("{} ({program})", record.test)
            }
            _ => record.test.clone(),
        };
        match self.records.get_mut(&key) {
            Some(known)
                if (known.at_ms, known.has_ended()) > (record.at_ms, record.has_ended()) => {}
            Some(known) => *known = record,
            None => {
                self.records.insert(key, record);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{Chaos, Outcome};
    use super::*;

    #[test]
    fn a_torn_line_costs_itself_and_the_last_record_holds() {
        let record = |passed, at_ms| Record {
            at_ms,
            ..Record::new("a", passed, 1.0, Outcome::Chaos(Chaos::default()))
        };
        let line = |record: &Record| serde_json::to_string(record).unwrap();
        let start = Record { at_ms: 1, ..Record::new("b", false, 0.0, Outcome::started("chaos")) };
        let text = [line(&record(false, 1)), line(&record(true, 2)), line(&start)].join("\n");
        let mut results = Results::default();
        results.read_text("file", &format!("{text}\n{{\"schema\":1,"));
        assert!(results.records["a"].passed);
        assert_eq!(results.records["b"].outcome, start.outcome, "it never ended");
        assert!(results.unreadable[0].starts_with("file, line 4: "), "{:?}", results.unreadable);
    }

    #[test]
    fn tests_of_one_name_are_told_apart_by_their_program() {
        let record = |program: &str, passed| Record {
            program: Some(program.into()),
            ..Record::new("it::works", passed, 1.0, Outcome::Test)
        };
        let mut results = Results::default();
        for record in [record("a", false), record("b", true), record("a", true)] {
            results.add(record);
        }
        let seen: Vec<_> =
            results.records.iter().map(|(name, record)| (name.as_str(), record.passed)).collect();
        assert_eq!(seen, [("it::works", true), ("it::works (b)", true)]);
    }
}
