//! Records out of the files of a folder.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

use super::provenance::Provenance;
use super::record::Record;

/// A line of more bytes is none of ours.
const LONGEST_LINE: u64 = 16 << 20;

/// What the files of a folder hold of one run.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// The last record of each test, by its name; with its program behind it where another has one of that name.
    pub records: BTreeMap<String, Record>,
    /// What could not be read, and why.
    pub unreadable: Vec<String>,
    /// What is said of the run.
    pub provenance: Option<Provenance>,
    /// Tests with records of runs before this one, which are left out.
    pub older: Vec<String>,
    /// Tests with records of runs after this one, which are left out as well.
    pub newer: Vec<String>,
}

impl Results {
    /// Reads every `.jsonl` file of a folder. A line that is torn costs itself alone, and is told. The records of one
    /// run are kept: of the one that the folder speaks of, or else of the last.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be read.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let (mut results, records) = Self::read_files(folder)?;
        results.keep(records);
        Ok(results)
    }

    /// Reads a folder that was cleared before its run: whatever is there is of it.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    #[doc(hidden)]
    pub fn read_all(folder: &Path) -> io::Result<Self> {
        let (mut results, records) = Self::read_files(folder)?;
        records.into_iter().for_each(|record| results.add(record));
        Ok(results)
    }

    fn read_files(folder: &Path) -> io::Result<(Self, Vec<Record>)> {
        let mut results = Self::default();
        let mut files: Vec<_> =
            std::fs::read_dir(folder)?.filter_map(|file| Some(file.ok()?.path())).collect();
        files.sort();
        let mut records = Vec::new();
        for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "jsonl")) {
            let name = file.display().to_string();
            let read = crate::testing::file::open(file)
                .and_then(|file| results.read_lines(&name, BufReader::new(file), &mut records));
            if let Err(error) = read {
                results.unreadable.push(format!("{name}: {error}"));
            }
        }
        match Provenance::read(folder) {
            Ok(provenance) => results.provenance = provenance,
            Err(error) => {
                let told = format!("{}/run.json: {error}", folder.display());
                results.unreadable.push(told);
            }
        }
        Ok((results, records))
    }

    fn read_lines(
        &mut self,
        name: &str,
        mut lines: impl io::BufRead,
        records: &mut Vec<Record>,
    ) -> io::Result<()> {
        for number in 1_u64.. {
            let mut line = Vec::new();
            if lines.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            if line.len() as u64 == LONGEST_LINE && !line.ends_with(b"\n") {
                self.unreadable.push(format!(
                    "{name}, line {number}: it is longer than {} MiB, and the rest is not read",
                    LONGEST_LINE >> 20
                ));
                break;
            }
            match Record::of_line(&line) {
                Ok(record) => records.push(record),
                Err(why) => self.unreadable.push(format!("{name}, line {number}: {why}")),
            }
        }
        Ok(())
    }

    /// Keeps those of one run, and tells which others there are.
    fn keep(&mut self, records: Vec<Record>) {
        let said = self.provenance.as_ref().map(|provenance| Some(provenance.run.clone()));
        let newest = records.iter().max_by_key(|record| record.at_ms);
        let Some(run) = said.or_else(|| newest.map(|record| record.run.clone())) else { return };
        let (own, others): (Vec<_>, Vec<_>) =
            records.into_iter().partition(|record| record.run == run);
        let first = own.iter().map(|record| record.at_ms).min();
        let since = self.provenance.as_ref().map(|provenance| provenance.started_ms).or(first);
        for other in others {
            let is_older = since.is_none_or(|since| other.at_ms < since);
            let names = if is_older { &mut self.older } else { &mut self.newer };
            if !names.contains(&other.test) {
                names.push(other.test);
            }
        }
        own.into_iter().for_each(|record| self.add(record));
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
        let mut records = Vec::new();
        let text = format!("{text}\n{{\"schema\":1,");
        results.read_lines("file", text.as_bytes(), &mut records).unwrap();
        results.keep(records);
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

    #[test]
    fn what_is_no_record_is_refused_by_name() {
        let line = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut record =
                serde_json::to_value(Record::new("a", true, 1.0, Outcome::Test)).unwrap();
            change(&mut record);
            record.to_string()
        };
        let refused = |line: String| {
            let mut results = Results::default();
            let mut records = Vec::new();
            results.read_lines("file", line.as_bytes(), &mut records).unwrap();
            assert!(records.is_empty());
            results.unreadable.remove(0)
        };
        let unknown = refused(line(&|record| record["schema"] = 7.into()));
        assert_eq!(
            unknown,
            "file, line 1: the schema 7 is not known, 1 is: it was written by another version"
        );
        let negative = refused(line(&|record| record["duration_ms"] = (-1.0).into()));
        assert_eq!(negative, "file, line 1: duration_ms is -1, which is no duration");
        let endless = refused(line(&|record| record["duration_ms"] = 1e300.into()));
        assert!(endless.contains("which is no duration"), "{endless}");
        let late = refused(line(&|record| record["at_ms"] = (-5).into()));
        assert!(late.starts_with("file, line 1: "), "{late}");
        let long = format!("\"{}\n{{}}", "a".repeat(17 << 20));
        assert!(refused(long).contains("it is longer than 16 MiB"));
    }

    #[test]
    fn one_run_is_judged() {
        let of = |run: &str, test: &str, at_ms| Record {
            run: Some(run.into()),
            at_ms,
            ..Record::new(test, true, 1.0, Outcome::Test)
        };
        let records = || {
            vec![of("old", "a", 5), of("full", "a", 20), of("full", "b", 25), of("single", "a", 30)]
        };
        let mut last = Results::default();
        last.keep(records());
        assert_eq!(last.records.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!((last.older, last.newer), (vec!["a".into(), "b".into()], vec![]));
        let mut said = Results {
            provenance: Some(Provenance {
                run: "full".into(),
                started_ms: 10,
                ..Provenance::default()
            }),
            ..Results::default()
        };
        said.keep(records());
        assert_eq!(said.records.len(), 2);
        assert_eq!((said.older, said.newer), (vec!["a".to_owned()], vec!["a".to_owned()]));
    }
}
