//! Every gate through the command, by its exit code: where it holds, where it fails, where there is nothing to look
//! at, and where what it looks at is old, of another version, or hostile. And what others have written, in each form
//! of the report.

use mmf::testing::results::{
    Chaos, ChaosCase, Check, Contract, Outcome, PactSource, Performance, Record,
};
use serde_json::{Value, json};

use crate::folder::Folder;

impl Folder {
    fn write_lines(&self, lines: &[Value]) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(self.results().join("a-1.jsonl"), text).unwrap();
    }
}

fn line(record: &Record) -> Value {
    serde_json::to_value(record).unwrap()
}

fn record(test: &str, passed: bool, outcome: Outcome) -> Record {
    let mut record = Record::new(test, passed, 10.0, outcome);
    (record.run, record.runner) = (Some("run".into()), None);
    // Of one moment, so that of two records of a test the one that is written later holds.
    record.at_ms = 1_800_000_000_000;
    record
}

fn contract(passed: bool) -> Record {
    let check = Check { name: "status".into(), passed, detail: String::new() };
    let contract = Contract {
        service: "users".into(),
        endpoint: "/users".into(),
        checks: vec![check],
        ..Contract::default()
    };
    record("a::contract", passed, Outcome::Contract(contract))
}

fn performance(p99_ms: f64) -> Record {
    record("a::fast", true, Outcome::Performance(Performance { p99_ms, ..Performance::default() }))
}

fn experiment(struck: bool) -> Record {
    let injections = match struck {
        true => [("a.point".to_owned(), [("hang".to_owned(), 1)].into())].into(),
        false => Default::default(),
    };
    let case = ChaosCase { injections, ..ChaosCase::default() };
    let points = vec!["a.point".into()];
    record(
        "a::chaos",
        true,
        Outcome::Chaos(Chaos { cases: vec![case], points, ..Chaos::default() }),
    )
}

fn plain(passed: bool) -> Record {
    record("a::plain", passed, Outcome::Test)
}

/// One of each kind, all well.
fn well() -> Vec<Value> {
    [contract(true), performance(5.0), experiment(true), plain(true)].iter().map(line).collect()
}

fn changed(place: usize, change: impl Fn(&mut Value)) -> Vec<Value> {
    let mut lines = well();
    change(&mut lines[place]);
    lines
}

fn with(record: &Record) -> Vec<Value> {
    [well(), vec![line(record)]].concat()
}

/// A gate, its arguments, records, its exit code, and what is said.
type Row = (&'static str, Vec<&'static str>, Vec<Value>, i32, &'static str);

fn rows() -> Vec<Row> {
    let started = record("a::killed", false, Outcome::started("test"));
    let mut flaky = plain(true);
    (flaky.flaky, flaky.test) = (true, "a::flaky".into());
    let mut steady = plain(true);
    (steady.runner, steady.test) = (Some("nextest".into()), "a::steady".into());
    let mut covered = contract(true);
    covered.pact = Some(PactSource { file: "/p/a.json".into(), beside: vec![] });
    covered.test = "a::covered".into();
    let mut uncovered = covered.clone();
    uncovered.pact =
        Some(PactSource { file: "/p/a.json".into(), beside: vec!["/p/b.json".into()] });
    let mut old = plain(true);
    (old.run, old.at_ms, old.test) = (Some("before".into()), 5, "a::old".into());
    let mut of_hours = plain(true);
    of_hours.at_ms -= 3 * 3_600_000;
    let mut nothing = contract(true);
    if let Outcome::Contract(contract) = &mut nothing.outcome {
        contract.checks.clear();
    }
    let killed_alone = vec![line(&started)];
    vec![
        ("min_success_rate", vec![], well(), 0, "ok"),
        ("min_success_rate", vec![], with(&plain(false)), 1, "mend what fails: a::plain"),
        ("max_average_duration", vec![], well(), 0, "ok"),
        ("max_average_duration", vec!["--max-average-duration", "5ms"], well(), 1, "shorten"),
        ("max_average_duration", vec![], killed_alone.clone(), 1, "no data"),
        (
            "max_average_duration",
            vec!["--allow-no-data", "max_average_duration"],
            killed_alone,
            1,
            "no data (allowed)",
        ),
        ("min_chaos_coverage", vec![], well(), 0, "ok"),
        ("min_chaos_coverage", vec!["--min-chaos-coverage", "0.3"], well(), 1, "write experiments"),
        ("min_performance_tests", vec![], well(), 0, "ok"),
        ("min_performance_tests", vec!["--min-performance-tests", "2"], well(), 1, "write 1 more"),
        ("max_failed_contracts", vec![], well(), 0, "ok"),
        (
            "max_failed_contracts",
            vec!["--min-success-rate", "0"],
            [vec![line(&contract(false))], well()[1..].to_vec()].concat(),
            1,
            "users /users",
        ),
        (
            "max_failed_contracts",
            vec![],
            [vec![line(&nothing)], well()[1..].to_vec()].concat(),
            1,
            "it checked nothing",
        ),
        ("max_failed_contracts", vec![], well()[1..].to_vec(), 0, "no data (allowed)"),
        (
            "max_failed_contracts",
            vec!["--max-failed-contracts", "0"],
            well()[1..].to_vec(),
            1,
            "no data",
        ),
        (
            "max_failed_contracts",
            vec!["--max-failed-contracts", "0", "--allow-no-data", "max_failed_contracts"],
            well()[1..].to_vec(),
            0,
            "no data (allowed)",
        ),
        (
            "min_injection_point_coverage",
            vec!["--min-injection-point-coverage", "1"],
            well(),
            0,
            "ok",
        ),
        (
            "min_injection_point_coverage",
            vec!["--min-injection-point-coverage", "1"],
            [well()[..2].to_vec(), vec![line(&experiment(false))]].concat(),
            1,
            "no experiment struck: a.point",
        ),
        (
            "min_injection_point_coverage",
            vec!["--min-injection-point-coverage", "1", "--min-chaos-coverage", "0"],
            well()[..2].to_vec(),
            1,
            "no data",
        ),
        (
            "min_injection_point_coverage",
            vec![
                "--min-injection-point-coverage",
                "1",
                "--min-chaos-coverage",
                "0",
                "--allow-no-data",
                "min_injection_point_coverage",
            ],
            well()[..2].to_vec(),
            0,
            "no data (allowed)",
        ),
        ("max_p99", vec!["--max-p99", "6ms"], well(), 0, "ok"),
        ("max_p99", vec!["--max-p99", "4ms"], well(), 1, "the slowest is a::fast"),
        (
            "max_p99",
            vec!["--max-p99", "4ms", "--min-performance-tests", "0"],
            [vec![well()[0].clone()], well()[2..].to_vec()].concat(),
            1,
            "no data",
        ),
        (
            "max_p99",
            vec!["--max-p99", "4ms", "--min-performance-tests", "0", "--allow-no-data", "max_p99"],
            [vec![well()[0].clone()], well()[2..].to_vec()].concat(),
            0,
            "no data (allowed)",
        ),
        ("max_unended", vec!["--min-success-rate", "0"], with(&started), 1, "a::killed"),
        (
            "max_unended",
            vec!["--min-success-rate", "0", "--max-unended", "1"],
            with(&started),
            0,
            "ok",
        ),
        ("max_flaky", vec!["--max-flaky", "1"], with(&flaky), 0, "ok"),
        ("max_flaky", vec!["--max-flaky", "0"], with(&flaky), 1, "a::flaky"),
        ("max_flaky", vec!["--max-flaky", "0"], well(), 1, "no data"),
        (
            "max_flaky",
            vec!["--max-flaky", "0", "--allow-no-data", "max_flaky"],
            well(),
            0,
            "no data (allowed)",
        ),
        ("max_flaky", vec!["--max-flaky", "0"], with(&steady), 0, "ok"),
        ("max_stale", vec![], with(&old), 1, "a::old"),
        ("max_stale", vec!["--max-stale", "1"], with(&old), 0, "ok"),
        (
            "max_stale",
            vec![],
            [well()[..3].to_vec(), vec![line(&of_hours)]].concat(),
            1,
            "a::plain",
        ),
        ("max_failed_contracts", vec![], with(&covered), 0, "ok"),
        ("max_uncovered_pacts", vec![], with(&uncovered), 1, "/p/b.json"),
        ("max_uncovered_pacts", vec!["--max-uncovered-pacts", "1"], with(&uncovered), 0, "ok"),
        ("test.min_success_rate", vec!["--min-success-rate", "test=1"], well(), 0, "ok"),
        (
            "test.min_success_rate",
            vec!["--min-success-rate", "test=1"],
            well()[..3].to_vec(),
            1,
            "no data",
        ),
        (
            "test.min_success_rate",
            vec!["--min-success-rate", "test=1", "--allow-no-data", "test.min_success_rate"],
            well()[..3].to_vec(),
            0,
            "no data (allowed)",
        ),
        (
            "chaos.max_average_duration",
            vec!["--max-average-duration", "chaos=5ms"],
            well(),
            1,
            "shorten",
        ),
        (
            "chaos.max_average_duration",
            vec!["--max-average-duration", "chaos=5ms", "--min-chaos-coverage", "0"],
            well()[..2].to_vec(),
            1,
            "no data",
        ),
        ("contract.min_tests", vec!["--min-tests", "contract=2"], well(), 1, "write 1 more"),
        // What cannot be read decides nothing.
        (
            "min_success_rate",
            vec![],
            changed(3, |record| record["schema"] = 7.into()),
            2,
            "the schema 7 is not known, 1 is",
        ),
        (
            "min_success_rate",
            vec![],
            changed(3, |record| record["duration_ms"] = json!(-1.0)),
            2,
            "duration_ms is -1, which is no duration",
        ),
        (
            "max_p99",
            vec!["--max-p99", "6ms", "--min-performance-tests", "0", "--allow-no-data", "max_p99"],
            changed(1, |record| record["p99_ms"] = json!(-1.0)),
            2,
            "p99_ms is -1",
        ),
        (
            "max_p99",
            vec!["--max-p99", "6ms", "--min-performance-tests", "0", "--allow-no-data", "max_p99"],
            changed(1, |record| record["p99_ms"] = json!(1e300)),
            2,
            "which is no duration",
        ),
        (
            "max_average_duration",
            vec![],
            changed(3, |record| record["at_ms"] = json!(-1)),
            2,
            "a-1.jsonl, line 4",
        ),
        (
            "max_average_duration",
            vec!["--allow-no-data", "max_averge_duration"],
            well(),
            2,
            "is no gate",
        ),
    ]
}

#[test]
fn every_gate_decides_as_it_should() {
    let folder = Folder::with_results("table");
    let mut wrong = Vec::new();
    for (gate, arguments, lines, code, said) in rows() {
        folder.write_lines(&lines);
        let (ended, text) = folder.gate(&arguments);
        // The line of the gate, or what is said of it below.
        let is_said =
            text.lines().any(|line| line.contains(said) && (line.contains(gate) || code == 2));
        if ended != code || !is_said {
            wrong.push(format!(
                "{gate} {arguments:?}: {ended} in place of {code}, {said:?}:\n{text}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_ran_after_the_run_is_left_out_and_told() {
    let folder = Folder::with_results("runs");
    let mut again = contract(true);
    (again.run, again.at_ms) = (Some("single".into()), again.at_ms + 1000);
    folder.write_lines(&[
        line(&contract(false)),
        line(&performance(5.0)),
        line(&experiment(true)),
        line(&again),
    ]);
    let run = json!({ "run": "run", "started_ms": 1, "command": "cargo test --workspace", "commit": "1a2b3c4", "host": "build-7", "duration_ms": 1500 });
    std::fs::write(folder.0.join("results/run.json"), run.to_string()).unwrap();
    let (code, text) = folder.gate(&["--min-success-rate", "0.5"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("2 of 3 tests passed"), "nothing was mended: {text}");
    assert!(
        text.contains(
            "cargo test --workspace, commit 1a2b3c4, on build-7, 1970-01-01 00:00:00 UTC, 1.5s"
        ),
        "{text}"
    );
    assert!(text.contains("what ran after it is left out: a::contract"), "{text}");
    // Of a run that is said and has left nothing, nothing is judged.
    std::fs::write(
        folder.0.join("results/run.json"),
        json!({ "run": "other", "started_ms": 9 }).to_string(),
    )
    .unwrap();
    let (code, text) = folder.gate(&[]);
    assert!(code == 2 && text.contains("run the tests first"), "{text}");
}

/// Markup, commands of a terminal, marks that turn text, what XML has not, secrets, and far too much.
const HOSTILE: &str = "\n## All gates passed\n\n| a | b |\n[x](http://e.vil) ![y](http://e.vil) <script>alert(1)</script> \
    ``` `a` @all \u{1b}[2J\u{9b}1m\u{202e}evil\u{0}\u{fffe} ]]> &lt; \"' authorization: Bearer s3cr3t www.e.vil";

fn hostile() -> Vec<Value> {
    let long = || format!("{HOSTILE} {}", "a".repeat(7_000_000));
    let check = Check { name: HOSTILE.into(), passed: false, detail: long() };
    let contract = Contract {
        service: HOSTILE.into(),
        endpoint: HOSTILE.into(),
        checks: vec![check],
        sla_ms: Some(1.0),
        ..Contract::default()
    };
    let mut broken = record(HOSTILE, false, Outcome::Contract(contract));
    broken.reasons = vec![long()];
    let measured = Performance { endpoint: HOSTILE.into(), p99_ms: 5.0, ..Performance::default() };
    let case = ChaosCase { name: HOSTILE.into(), ..ChaosCase::default() };
    let chaos = Chaos {
        scenario: HOSTILE.into(),
        target: HOSTILE.into(),
        cases: vec![case],
        points: vec![HOSTILE.into()],
        ..Chaos::default()
    };
    let named = |text: &str, outcome| record(&format!("{text}{HOSTILE}"), false, outcome);
    let all = [
        broken,
        named("b", Outcome::Performance(measured)),
        named("c", Outcome::Chaos(chaos)),
        named("d", Outcome::Test),
        named("e", Outcome::started(HOSTILE)),
    ];
    all.iter().map(line).collect()
}

/// As many records, without anything hostile in them.
fn harmless() -> Vec<Value> {
    let text = serde_json::to_string(&hostile()).unwrap();
    let mut lines: Vec<Value> = serde_json::from_str(&text).unwrap();
    fn tame(value: &mut Value) {
        match value {
            Value::String(text) if text.contains("## All") => {
                let first = text.chars().next().filter(|first| first.is_alphabetic());
                *text = format!("{}harmless", first.map(String::from).unwrap_or_default());
            }
            Value::Array(items) => items.iter_mut().for_each(tame),
            Value::Object(fields) => fields.values_mut().for_each(tame),
            _ => {}
        }
    }
    lines.iter_mut().for_each(tame);
    lines
}

#[test]
fn what_others_wrote_means_nothing_in_any_form_of_the_report() {
    let folder = Folder::with_results("hostile");
    let reports = [
        "--markdown",
        "gate.md",
        "--json",
        "gate.json",
        "--junit",
        "gate.xml",
        "--min-injection-point-coverage",
        "1",
    ];
    folder.write_lines(&harmless());
    folder.gate(&reports);
    let harmless_page = folder.read("report.html");
    let harmless_markdown = folder.read("gate.md");
    std::fs::remove_file(folder.0.join("history.jsonl")).unwrap();
    folder.write_lines(&hostile());
    let (code, text) = folder.gate(&reports);
    assert_eq!(code, 1, "{text}");

    // The terminal.
    let commands = |text: &str| {
        text.chars().any(|letter| {
            letter != '\n' && letter.is_control() || matches!(letter, '\u{202e}' | '\u{fffe}')
        })
    };
    assert!(!commands(&text), "{text:?}");
    assert!(!text.lines().any(|line| line.starts_with("## ")), "{text}");
    let (markdown, page, junit) =
        (folder.read("gate.md"), folder.read("report.html"), folder.read("gate.xml"));
    for (name, text) in
        [("terminal", &text), ("markdown", &markdown), ("page", &page), ("junit", &junit)]
    {
        assert!(text.len() < 200_000, "{name} has {} bytes", text.len());
        assert!(!text.contains("s3cr3t"), "{name}: {text}");
    }

    // Markdown: the same blocks as without, and no heading, link, image or HTML of a message.
    let shape = |text: &str| {
        use pulldown_cmark::{Event, Options, Parser, Tag};
        let events = Parser::new_ext(text, Options::all());
        let told = events.filter_map(|event| match event {
            Event::Start(Tag::Heading { .. }) => Some("heading"),
            Event::Start(Tag::Link { .. }) => Some("link"),
            Event::Start(Tag::Image { .. }) => Some("image"),
            Event::Start(Tag::Item) => Some("item"),
            Event::Start(Tag::TableRow) => Some("row"),
            Event::Html(_) | Event::InlineHtml(_) => Some("html"),
            Event::Start(Tag::CodeBlock(_)) => Some("code"),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    let seen = shape(&markdown);
    assert_eq!(seen, shape(&harmless_markdown));
    assert_eq!(seen.iter().filter(|part| **part == "heading").count(), 1);
    assert!(!seen.iter().any(|part| ["link", "image", "html", "code"].contains(part)), "{seen:?}");

    // The page: as many elements as without.
    let elements = |page: &str| page.matches('<').count();
    assert_eq!(elements(&page), elements(&harmless_page));
    assert!(!page.contains("<script") && !commands(&page), "{page}");

    // JUnit, by a strict parser.
    let parsed = roxmltree::Document::parse(&junit).unwrap();
    let cases = parsed.descendants().filter(|node| node.has_tag_name("testcase")).count();
    assert!(cases > 5, "{junit}");
    let json: Value = serde_json::from_str(&folder.read("gate.json")).unwrap();
    assert_eq!(json["records"].as_array().unwrap().len(), 5);
}
