//! A configuration as it is written: each value with whom it is for and where it stands.

use std::sync::Arc;

use mmf_rules::keys::{ENABLED, Group, Kind, TOP};
use mmf_rules::value::{Value, Written};
use mmf_rules::{alone, names, words};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::ConfigMistake;

/// What was read from one place.
#[derive(Clone, Debug, Default)]
pub(super) struct Document {
    /// The file, or what else it was read from.
    pub(super) source: String,
    /// As it was written.
    pub(super) text: Arc<str>,
    pub(super) entries: Vec<Entry>,
    /// Whom tables are for, by name, also where they are empty.
    pub(super) tables: Vec<Table>,
}

/// Whom a value is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum For {
    All,
    Glob(String),
    Policy(String),
}

/// A table of `policies`.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) whom: For,
    pub(super) place: (usize, usize),
}

/// A value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) whom: For,
    /// The whole key: `retry.max_attempts`.
    pub(super) key: String,
    pub(super) value: Value,
    /// Line and column of the key.
    pub(super) place: (usize, usize),
}

impl Document {
    /// Reads a text: what could be read, and all that is wrong with it by itself, whatever policies there are.
    pub(super) fn read(source: &str, text: &str) -> (Self, Vec<ConfigMistake>) {
        let (table, wrong) = DeTable::parse_recoverable(text);
        let mut reader = Reader {
            text: Text::new(text),
            document: Self { source: source.into(), text: text.into(), ..Self::default() },
            mistakes: Vec::new(),
        };
        reader.whole(table.get_ref());
        let syntax: Vec<_> = wrong
            .iter()
            .map(|error| {
                let place = error.span().map_or((1, 1), |span| reader.text.place(span.start));
                // In the words of TOML, which does not know what was meant.
                let hint = match error.message() {
                    said if said.contains("dotted key") => {
                        ": write all keys of a group in one table, such as `retry = { max_attempts = 5 }`"
                    }
                    _ => "",
                };
                ConfigMistake::new(source, place, format!("{}{hint}", error.message()))
            })
            .collect();
        // What was made of a line that cannot be read says nothing, nor does what follows the beginning of a table.
        let is_table = |line: usize| {
            let line = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
            line.trim_start().starts_with('[')
        };
        let says = |mistake: &ConfigMistake| {
            syntax.iter().all(|wrong| {
                wrong.line != mistake.line && !(is_table(wrong.line) && wrong.line < mistake.line)
            })
        };
        reader.mistakes.retain(says);
        reader.mistakes.extend(syntax);
        (reader.document, reader.mistakes)
    }
}

impl Document {
    /// Whom it names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tables.iter().filter_map(|table| match &table.whom {
            For::All => None,
            For::Glob(name) | For::Policy(name) => Some(name.as_str()),
        })
    }
}

/// A text, and where its lines begin.
struct Text<'t> {
    text: &'t str,
    lines: Vec<usize>,
}

impl<'t> Text<'t> {
    fn new(text: &'t str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self { text, lines: std::iter::once(0).chain(ends).collect() }
    }

    /// Line and column of a byte, from 1.
    fn place(&self, at: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|begin| *begin <= at);
        let before = self.text.get(self.lines[line - 1]..at).unwrap_or_default();
        (line, before.chars().count() + 1)
    }
}

struct Reader<'t> {
    text: Text<'t>,
    document: Document,
    mistakes: Vec<ConfigMistake>,
}

impl Reader<'_> {
    fn wrong(&mut self, at: usize, message: impl AsRef<str>) {
        let place = self.text.place(at);
        self.mistakes.push(ConfigMistake::new(&self.document.source, place, message));
    }

    fn whole(&mut self, table: &DeTable<'_>) {
        for (key, value) in table {
            let at = key.span().start;
            match key.get_ref().as_ref() {
                "defaults" => self.policy(&For::All, at, value),
                "policies" => match value.get_ref() {
                    DeValue::Table(policies) => {
                        for (name, value) in policies {
                            let text = name.get_ref().as_ref();
                            let whom =
                                if text.contains(['*', '?']) { For::Glob } else { For::Policy };
                            self.policy(&whom(text.to_owned()), name.span().start, value);
                        }
                    }
                    _ => {
                        self.wrong(at, "`policies` has a table for each: `[policies.\"users.*\"]`");
                    }
                },
                wrong => {
                    let hint = names::suggestion(wrong, &["defaults", "policies"]);
                    let table = "values stand in `[defaults]` or `[policies.\"a.name\"]`";
                    let message = if TOP.key(wrong).is_some() {
                        format!("`{wrong}` of which policy? {table}")
                    } else if matches!(value.get_ref(), DeValue::Table(_))
                        && hint.contains("expected")
                    {
                        format!("unknown table `{wrong}`: {table}")
                    } else {
                        format!("unknown table `{wrong}`{hint}")
                    };
                    self.wrong(at, message);
                }
            }
        }
    }

    /// The values of one policy, or of several.
    fn policy(&mut self, whom: &For, at: usize, value: &Spanned<DeValue<'_>>) {
        let DeValue::Table(table) = value.get_ref() else {
            let name = match whom {
                For::All => "[defaults]".to_owned(),
                For::Glob(name) | For::Policy(name) => format!("[policies.{name:?}]"),
            };
            return self.wrong(at, format!("values of a policy stand in a table: `{name}`"));
        };
        if *whom != For::All {
            let place = self.text.place(at);
            self.document.tables.push(Table { whom: whom.clone(), place });
        }
        self.group(whom, &TOP, "", table);
    }

    fn group(&mut self, whom: &For, group: &'static Group, path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let (name, at) = (key.get_ref().as_ref(), key.span().start);
            let whole = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            // A policy and its groups can be turned off; what stands within a group cannot.
            let known = match group.key(name) {
                None if name == ENABLED.name && !path.contains('.') => Some(&ENABLED),
                known => known,
            };
            let Some(known) = known else {
                self.unknown(whom, group, path, name, at, value.get_ref());
                continue;
            };
            match (known.kind, value.get_ref()) {
                (Kind::Group(inner), DeValue::Table(table)) => {
                    self.group(whom, inner, &whole, table);
                }
                (Kind::Group(inner), written) => self.shorthand(whom, inner, &whole, at, written),
                (kind, written) => self.value(whom, kind, name, whole, at, written),
            }
        }
    }

    /// `retry = 5`: the main value of a group.
    fn shorthand(
        &mut self,
        whom: &For,
        group: &'static Group,
        path: &str,
        at: usize,
        value: &DeValue<'_>,
    ) {
        if let DeValue::Boolean(flag) = value
            && !path.contains('.')
        {
            return self
                .wrong(at, format!("a group is turned on or off by `{path}.enabled = {flag}`"));
        }
        match group.main.and_then(|main| group.key(main)) {
            Some(main) => {
                let whole = format!("{path}.{}", main.name);
                self.value(whom, main.kind, main.name, whole, at, value);
            }
            None => {
                if let Err(message) = Kind::Group(group).read(group.name, &written(value)) {
                    self.wrong(at, message);
                }
            }
        }
    }

    fn value(
        &mut self,
        whom: &For,
        kind: Kind,
        name: &str,
        key: String,
        at: usize,
        value: &DeValue<'_>,
    ) {
        if matches!(key.as_str(), "timeout" | "deadline")
            && matches!(value, DeValue::Boolean(_) | DeValue::Table(_))
        {
            let message = format!("`{key}` cannot be turned off: write one that is long enough");
            return self.wrong(at, message);
        }
        let read = kind.read(name, &written(value));
        let read = read.and_then(|value| match alone(name, &value) {
            Some(message) => Err(message),
            None => Ok(value),
        });
        match read {
            Ok(value) => {
                let place = self.text.place(at);
                self.document.entries.push(Entry { whom: whom.clone(), key, value, place });
            }
            Err(message) => self.wrong(at, message),
        }
    }

    fn unknown(
        &mut self,
        whom: &For,
        group: &'static Group,
        path: &str,
        name: &str,
        at: usize,
        value: &DeValue<'_>,
    ) {
        if let (For::Policy(policy), "", DeValue::Table(_)) = (whom, path, value)
            && !words::is_key(name)
        {
            // That there is no policy of this name would be a second mistake.
            self.document.tables.retain(|table| table.whom != *whom);
            let message = format!(
                "unknown key `{name}`; a name that has dots is quoted: `[policies.\"{policy}.{name}\"]`"
            );
            return self.wrong(at, message);
        }
        let number = match written(value) {
            Written::Whole(number) => u32::try_from(number).ok(),
            _ => None,
        };
        let values = group.keys.iter().filter(|key| key.kind != Kind::Code).map(|key| key.name);
        let enabled = (!path.contains('.')).then_some(ENABLED.name);
        let keys: Vec<_> = values.chain(enabled).collect();
        self.wrong(at, words::unknown(name, number, group, &keys));
    }
}

/// A value as the rules read it.
fn written(value: &DeValue<'_>) -> Written {
    match value {
        DeValue::String(text) => Written::Text(text.as_ref().to_owned()),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            let read = i128::from_str_radix(&digits, number.radix());
            read.map_or(Written::Huge(digits), Written::Whole)
        }
        DeValue::Float(number) => {
            let read = number.as_str().replace('_', "").parse();
            read.map_or(Written::Other, Written::Number)
        }
        DeValue::Boolean(flag) => Written::Flag(*flag),
        DeValue::Array(all) => {
            Written::List(all.iter().map(|one| written(one.get_ref())).collect())
        }
        DeValue::Datetime(_) | DeValue::Table(_) => Written::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(text: &str) -> Vec<(For, String, String, (usize, usize))> {
        let (document, wrong) = Document::read("t", text);
        assert_eq!(wrong, []);
        let entries = document.entries.into_iter();
        entries.map(|e| (e.whom, e.key, e.value.to_string(), e.place)).collect()
    }

    fn mistakes(text: &str) -> Vec<String> {
        let (_, wrong) = Document::read("t", text);
        wrong.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_value_has_whom_it_is_for_and_its_place() {
        let text = "[defaults]\nretry = 5\n[policies.\"a.*\"]\nbulkhead.adaptive.max = 9\n\
                    [policies.\"ä\"]\nbreaker = { enabled = false, window = \"1m\" }\nenabled = true";
        let [a, b, c, d, e] = &entries(text)[..] else { panic!("{:?}", entries(text)) };
        assert_eq!(*a, (For::All, "retry.max_attempts".into(), "5".into(), (2, 1)));
        let glob = For::Glob("a.*".into());
        assert_eq!(*b, (glob, "bulkhead.adaptive.max".into(), "9".into(), (4, 19)));
        let policy = || For::Policy("ä".into());
        assert_eq!(*c, (policy(), "breaker.enabled".into(), "false".into(), (6, 13)));
        assert_eq!(*d, (policy(), "breaker.window".into(), "\"1m\"".into(), (6, 30)));
        assert_eq!(*e, (policy(), "enabled".into(), "true".into(), (7, 1)));
    }

    #[test]
    fn every_mistake_is_told_at_once_and_where() {
        let text =
            "timeout = \"1s\"\n[default]\n[policies.x]\nretry.max_retries = 2\nretry = true\n";
        let wrong = mistakes(text);
        assert!(
            wrong.iter().any(|m| m.starts_with("t:1:1: `timeout` of which policy?")),
            "{wrong:?}"
        );
        assert!(wrong.contains(&"t:2:2: unknown table `default`, did you mean `defaults`?".into()));
        let wrong = mistakes("[policies.users.fetch]\ntimeout = \"1s\"");
        assert_eq!(
            wrong,
            [
                "t:1:17: unknown key `fetch`; a name that has dots is quoted: `[policies.\"users.fetch\"]`"
            ]
        );
        let text = "[defaults]\ntimeout = 5\njitter = 0.5\nretry.max_retries = 2\nretry.jitter = 2.0\n\
                    retry.retry_if = \"x\"\nretry.max_attempts = 99999999999999999999999999999999999999999\n\
                    hedge = true\nbulkhead.adaptive = 5\nbreaker.on_refusal = []\nname = \"x\"\n\
                    fallback.stale.enabled = false\nretry.max_delay = -1\ntimeuot = \"1s\"\ndeadline.enabled = false";
        let wrong = mistakes(text).join("\n");
        for said in [
            "t:2:1: a duration needs a unit: write `timeout = \"5s\"`",
            "t:3:1: `jitter` belongs in `retry(…)`",
            "t:4:7: unknown key `max_retries`: attempts are counted, the first included; write `max_attempts = 3`",
            "t:5:7: `jitter` is a share between 0.0 and 1.0: for 2 % write `jitter = 0.02`",
            "t:6:7: `retry_if` is code: it stays in the attribute",
            "t:7:7: `99999999999999999999999999999999999999999` is too large, at most 4294967295",
            "t:8:1: a group is turned on or off by `hedge.enabled = true`",
            "t:9:10: `adaptive` has keys: write `adaptive.min = …`",
            "t:10:9: `on_refusal` is empty",
            "t:11:1: `name` is code",
            "t:12:16: unknown key `enabled`, expected one of `max_age`, `capacity`",
            "t:13:7: `max_delay` cannot be negative",
            "t:15:1: `deadline` cannot be turned off",
            "t:14:1: unknown key `timeuot`, did you mean `timeout`?",
        ] {
            assert!(wrong.contains(said), "{said}\nin\n{wrong}");
        }
        assert_eq!(wrong.lines().count(), 14, "{wrong}");
    }

    #[test]
    fn what_cannot_be_read_is_told_beside_what_is_wrong_elsewhere() {
        let wrong = mistakes("[defaults]\ntimeout = 3s\nretry.jitter = 7\npolicies = ");
        assert!(wrong.iter().any(|mistake| mistake.starts_with("t:2:")), "{wrong:?}");
        assert!(wrong.iter().any(|mistake| mistake.starts_with("t:3:7: `jitter`")), "{wrong:?}");
    }

    #[test]
    fn what_was_meant_is_said_where_toml_does_not_know_it() {
        let wrong = mistakes("[defaults]\nretry = 5\nretry.jitter = 0.1");
        assert!(wrong[0].contains("write all keys of a group in one table"), "{wrong:?}");
        let wrong = mistakes("[defaults]\nretry = ");
        assert!(!wrong[0].contains("in one table"), "{wrong:?}");
        let wrong = mistakes("[policies.\"a\"\ntimeout = \"1s\"");
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        let wrong = mistakes("users.fetch.timeout = \"1s\"");
        assert_eq!(
            wrong,
            [
                "t:1:1: unknown table `users`: values stand in `[defaults]` or `[policies.\"a.name\"]`"
            ]
        );
    }

    #[test]
    fn others_text_commands_no_terminal() {
        let wrong = mistakes("[defaults]\n\"\\u001b[2J\" = 1");
        assert!(!wrong[0].contains('\u{1b}'), "{wrong:?}");
    }
}
