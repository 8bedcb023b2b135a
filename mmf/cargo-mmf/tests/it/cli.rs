//! `cargo mmf gate`, as a process: what it prints, and its exit code.

use std::path::PathBuf;
use std::process::Command;

use mmf::testing::results::{Check, Contract, Outcome, Performance, Record};

use crate::folder::Folder;

impl Folder {
    /// Results go to the others.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let folder = if name.ends_with(".jsonl") { self.results() } else { self.0.clone() };
        let file = folder.join(name);
        std::fs::write(&file, text).unwrap();
        file
    }
}

fn lines(records: &[Record]) -> String {
    records.iter().map(|record| serde_json::to_string(record).unwrap() + "\n").collect()
}

fn good() -> Vec<Record> {
    let performance = Performance { p99_ms: 12.0, ..Performance::default() };
    let contract = Contract {
        service: "users".into(),
        endpoint: "/users".into(),
        checks: vec![Check { name: "status".into(), passed: true, ..Check::default() }],
        ..Contract::default()
    };
    vec![
        Record::new("a::fast", true, 20.0, Outcome::Performance(performance)),
        Record::new("a::contract", true, 10.0, Outcome::Contract(contract)),
    ]
}

#[test]
fn gates_that_hold_are_zero_and_gates_that_fail_are_one() {
    let folder = Folder::with_results("verdict");
    folder.write("a-1.jsonl", &lines(&good()));
    let (code, text) = folder.gate(&["--min-chaos-coverage", "0"]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains(
            "2 of 2 tests passed: 1 contract, 1 measurement, 0 experiments, 0 plain tests"
        ),
        "{text}"
    );
    let (code, text) = folder.gate(&[]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("min_chaos_coverage") && text.contains("FAILED"), "{text}");
    assert!(text.contains("- min_chaos_coverage: write experiments"), "{text}");
}

#[test]
fn the_file_has_the_limits_and_is_checked() {
    let folder = Folder::with_results("file");
    folder.write("a-1.jsonl", &lines(&good()));
    folder.write("mmf.toml", "[gates]\nmin_chaos_coverage = 0.0\nmax_p99 = \"10ms\"\n");
    let (code, text) = folder.gate(&[]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("max_p99") && text.contains("the slowest is a::fast"), "{text}");
    folder.write("mmf.toml", "[gates]\nmin_chaos_coverage = 0.0\nmax_average_duration = \"5s\"\n");
    assert_eq!(folder.gate(&[]).0, 0);
    for wrong in ["[gates]\nmin_success_rat = 1.0\n", "[gates]\nmax_average_duration = 10\n"] {
        folder.write("mmf.toml", wrong);
        let (code, text) = folder.gate(&[]);
        assert_eq!(code, 2, "{text}");
        assert!(text.contains("mmf.toml: "), "{text}");
    }
}

#[test]
fn each_kind_has_limits_of_its_own_and_options_go_before_the_file() {
    let folder = Folder::with_results("kinds");
    let mut records = good();
    records.push(Record::new("a::plain", false, 30.0, Outcome::Test));
    folder.write("a-1.jsonl", &lines(&records));
    folder.write(
        "mmf.toml",
        "[gates]\nmin_chaos_coverage = 0.0\nmin_success_rate = 0.6\n[gates.contract]\nmin_success_rate = 1.0\n",
    );
    let (code, text) = folder.gate(&[]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("contract.min_success_rate"), "{text}");
    for (option, value, gate) in [
        ("--min-success-rate", "0.7", "min_success_rate"),
        ("--min-success-rate", "test=0.5", "test.min_success_rate"),
        ("--max-average-duration", "5ms", "max_average_duration"),
        ("--max-average-duration", "contract=5ms", "contract.max_average_duration"),
        ("--min-tests", "performance=2", "performance.min_tests"),
        ("--min-chaos-coverage", "0.1", "min_chaos_coverage"),
        ("--min-performance-tests", "2", "min_performance_tests"),
        ("--min-injection-point-coverage", "0.5", "min_injection_point_coverage"),
        ("--max-p99", "11ms", "max_p99"),
    ] {
        let (code, text) = folder.gate(&[option, value]);
        assert_eq!(code, 1, "{option} {value}: {text}");
        assert!(text.contains(&format!("- {gate}: ")), "{option} {value}: {text}");
    }
    let (code, text) = folder.gate(&["--min-success-rate", "chaos=0"]);
    assert!(code == 1 && text.contains("there is no chaos test to look at"), "{text}");
    for (option, value, why) in [
        ("--min-success-rate", "95", "min_success_rate lies between 0 and 1, and is 95"),
        ("--min-success-rate", "contracts=1", "unknown field `contracts`"),
        ("--min-success-rate", "contract=all", "--min-success-rate contract=all: invalid float"),
        ("--max-p99", "11", "`11` has no unit, write `\"11s\"` or `\"11ms\"`"),
        ("--max-p99", "1.5s", "whole numbers only: write `\"1s500ms\"`"),
        ("--min-tests", "5", "of which kind? contract=5"),
    ] {
        let (code, text) = folder.gate(&[option, value]);
        assert_eq!(code, 2, "{option} {value}: {text}");
        assert!(text.contains(why), "{option} {value}: {text}");
    }
}

#[test]
fn broken_contracts_and_flaky_tests_are_counted() {
    let folder = Folder::with_results("counted");
    let mut records = good();
    records[1].passed = false;
    let mut flaky = Record::new("a::flaky", true, 1.0, Outcome::Test);
    flaky.flaky = true;
    records.push(flaky);
    folder.write("a-1.jsonl", &lines(&records));
    let lenient = ["--min-chaos-coverage", "0", "--min-success-rate", "0.5"];
    let gate = |more: &[&str]| folder.gate(&[&lenient[..], more].concat());
    let (code, text) = gate(&[]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("- max_failed_contracts: ") && text.contains("users /users"), "{text}");
    assert_eq!(gate(&["--max-failed-contracts", "1"]).0, 0);
    assert_eq!(gate(&["--max-failed-contracts", "1", "--max-flaky", "1"]).0, 0);
    let (code, text) = gate(&["--max-failed-contracts", "1", "--max-flaky", "0"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("- max_flaky: make these deterministic: a::flaky"), "{text}");
}

#[test]
fn help_has_examples_and_shells_get_completions() {
    let run = |arguments: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_cargo-mmf")).args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    for command in ["new", "add", "test", "gate", "report", "baseline", "schema", "completions"] {
        assert!(run(&["mmf", command, "--help"]).contains("Examples:\n  cargo mmf "), "{command}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell]);
        assert!(script.contains("max-failed-contracts"), "{shell}");
    }
    let schema: serde_json::Value = serde_json::from_str(&run(&["schema"])).unwrap();
    assert_eq!(schema["title"], "Record");
}

#[test]
fn what_cannot_be_decided_is_two() {
    let folder = Folder::with_results("undecided");
    let (code, text) = folder.gate(&[]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("run the tests first"), "{text}");
    folder.write("a-1.jsonl", &format!("{}{{\"schema\":1,", lines(&good())));
    let (code, text) = folder.gate(&["--min-chaos-coverage", "0"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("a-1.jsonl, line 3: "), "{text}");
}

/// A runner whose tests all pass, in a program with two policies of one name.
#[test]
#[cfg(unix)]
fn names_that_conflict_fail_the_tests() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::with_results("names");
    let mut names = Record::new("shop::names_are_unique", false, 0.0, Outcome::Test);
    names.reasons.push("two functions are named \"charge\"".into());
    let cargo = folder.write(
        "cargo",
        "#!/bin/sh\n[ \"$1\" = test ] || exit 1\ncp \"$0.record\" \"$MMF_RESULTS/shop-1.jsonl\"\n",
    );
    std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755)).unwrap();
    let run = |record: &Record| {
        folder.write("cargo.record", &lines(std::slice::from_ref(record)));
        let output = Command::new(env!("CARGO_BIN_EXE_cargo-mmf"))
            .args(["mmf", "test", "--results"])
            .arg(folder.results())
            .env("CARGO", &cargo)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = run(&names);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("shop::names_are_unique failed: two functions are named"), "{text}");
    // The test of that name, which cargo tells of by its exit code, and others that failed are not told again.
    let (code, text) = run(&Record::new("shop::charges", false, 0.0, Outcome::Test));
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = run(&Record::new("shop::names_are_unique", true, 0.0, Outcome::Test));
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn a_test_that_was_killed_is_missed() {
    let folder = Folder::with_results("killed");
    let mut records = good();
    records.push(Record::new("a::killed", false, 0.0, Outcome::started("contract")));
    folder.write("a-1.jsonl", &lines(&records));
    let (code, text) = folder.gate(&["--min-chaos-coverage", "0"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("1 began and never ended") && text.contains("a::killed"), "{text}");
    // However few there are among many that passed.
    let few = ["--min-chaos-coverage", "0", "--min-success-rate", "0.5"];
    let (code, text) = folder.gate(&few);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("- max_unended: these began and never ended"), "{text}");
    assert!(text.contains("max_failed_contracts: ") && text.contains("a::killed (it never ended)"));
    let (code, text) = folder.gate(&[&few[..], &["--min-success-rate", "contract=1.0"]].concat());
    assert!(code == 1 && text.contains("- contract.min_success_rate: mend what fails: a::killed"));
    let told = ["--max-unended", "1", "--max-failed-contracts", "1"];
    assert_eq!(folder.gate(&[&few[..], &told].concat()).0, 0);
}

#[test]
fn results_of_another_day_are_told_of() {
    let folder = Folder::with_results("stale");
    let mut records = good();
    folder.write("a-1.jsonl", &lines(&records));
    assert!(!folder.gate(&[]).1.contains("note: "));
    records[0].at_ms -= 3 * 3_600_000;
    folder.write("a-1.jsonl", &lines(&records));
    let (_, text) = folder.gate(&[]);
    assert!(
        text.contains("note: some results are older than others by 3 h, that of a::fast"),
        "{text}"
    );
}

#[test]
fn reports_are_written() {
    let folder = Folder::with_results("reports");
    folder.write("a-1.jsonl", &lines(&good()));
    let file = |name: &str| folder.0.join(name).display().to_string();
    let (markdown, json, junit) = (file("gate.md"), file("gate.json"), file("gate.xml"));
    let arguments =
        ["--markdown", markdown.as_str(), "--json", json.as_str(), "--junit", junit.as_str()];
    let (code, text) = folder.gate(&arguments);
    assert_eq!(code, 1);
    assert!(text.contains("report: "), "{text}");
    let page = std::fs::read_to_string(folder.0.join("report.html")).unwrap();
    assert!(page.contains("A gate failed"), "{page}");
    let markdown = std::fs::read_to_string(markdown).unwrap();
    assert!(markdown.starts_with("## A gate failed"), "{markdown}");
    assert!(markdown.contains("| `min_chaos_coverage` | 0.2 | 0.000 | ❌ |"), "{markdown}");
    let json: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!(json["all_gates_passed"], false);
    assert_eq!(json["records"].as_array().unwrap().len(), 2);
    let junit = std::fs::read_to_string(junit).unwrap();
    for part in [
        "<testsuite name=\"mmf\" tests=\"2\"",
        "<testcase name=\"a::fast\" time=\"0.020\"",
        "<testcase name=\"min_chaos_coverage\">",
        "<failure message=\"min_chaos_coverage: write experiments",
    ] {
        assert!(junit.contains(part), "{part}: {junit}");
    }
}

#[test]
fn the_page_tells_everything_and_asks_for_nothing() {
    let folder = Folder::with_results("page");
    let results = folder.results();
    let mut records = good();
    let broken = Contract {
        service: "users".into(),
        endpoint: "GET /<script>".into(),
        sla_ms: Some(100.0),
        measured_ms: Some(250.0),
        ..Contract::default()
    };
    records.push(Record::new("a::broken", false, 5.0, Outcome::Contract(broken)));
    std::fs::write(results.join("a-1.jsonl"), lines(&records)).unwrap();
    let report = || {
        let output = Command::new(env!("CARGO_BIN_EXE_cargo-mmf"))
            .args(["report", "--results"])
            .arg(&results)
            .current_dir(&folder.0)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let file = String::from_utf8(output.stdout).unwrap();
        std::fs::read_to_string(file.trim()).unwrap()
    };
    let first = report();
    for part in [
        "<h1>A gate failed</h1>",
        "id=\"gates\"",
        "max_failed_contracts",
        "GET /&lt;script&gt;",
        "250.0ms",
        "100.0ms",
        "class=\"latency\"",
        "<h2>Slowest tests</h2>",
        "<h2>What to do</h2>",
        "prefers-color-scheme: dark",
        "width=device-width",
    ] {
        assert!(first.contains(part), "{part}: {first}");
    }
    for foreign in ["http://", "https://", "<script", "src=", "@import", "url("] {
        assert!(!first.contains(foreign), "{foreign}");
    }
    assert!(!first.contains("Last runs"));
    assert!(!report().contains("Last runs"), "the same run is one run");
    records[0].at_ms += 1000;
    std::fs::write(results.join("a-1.jsonl"), lines(&records)).unwrap();
    assert!(report().contains("<h2>Last runs</h2>"), "the second report knows the first");
}

#[test]
fn measurements_are_accepted_as_a_baseline() {
    let folder = Folder::with_results("baseline");
    let file = folder.0.join("mmf-baselines").join("users.json");
    let measured = Performance {
        p25_ms: 1.5,
        baseline: Some(file.display().to_string()),
        machine: Some("a machine".into()),
        calibration_ms: Some(2.0),
        ..Performance::default()
    };
    let record =
        |passed| Record::new("a::fast", passed, 20.0, Outcome::Performance(measured.clone()));
    let accept = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_cargo-mmf"))
            .args(["mmf", "baseline", "accept", "--results"])
            .arg(folder.results())
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code().unwrap(), text)
    };
    assert_eq!(accept(&[]).0, 2, "no results");
    let at = |at_ms, mut record: Record| {
        record.at_ms = at_ms;
        lines(&[record])
    };
    for run in 1..=2 {
        folder.write("a-1.jsonl", &at(run, record(true)));
        let (code, text) = accept(&[]);
        assert_eq!(code, 0, "{text}");
        assert!(text.contains(&format!("a::fast: 1.500 ms is run {run} of ")), "{text}");
    }
    let (code, text) = accept(&[]);
    assert_eq!(code, 1);
    assert!(text.contains("left out, as this run is accepted already"), "{text}");
    folder.write("a-1.jsonl", &at(3, record(false)));
    let (code, text) = accept(&[]);
    assert_eq!(code, 1);
    assert!(text.contains("left out, as it failed"), "{text}");
    assert_eq!(accept(&["--slower"]).0, 0);
    let baseline = mmf::testing::PerformanceBaseline::read(&file).unwrap();
    assert_eq!(baseline.runs.iter().map(|run| run.p25_ms).collect::<Vec<_>>(), [1.5; 3]);
    assert_eq!((baseline.runs[0].calibration_ms, &*baseline.runs[0].machine), (2.0, "a machine"));
}

/// Runs `cargo mmf` in a folder.
fn mmf(folder: &Folder, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_cargo-mmf"))
        .arg("mmf")
        .args(arguments)
        .current_dir(&folder.0)
        .output()
        .unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), text)
}

#[test]
fn baselines_are_written_where_they_belong_and_nowhere_else() {
    let folder = Folder::with_results("hostile-baseline");
    let elsewhere = Folder::with_results("elsewhere");
    let other = elsewhere.0.join("mmf-baselines/users.json").display().to_string();
    let own = |name: &str| folder.0.join(name).display().to_string();
    std::fs::create_dir_all(folder.0.join("mmf-baselines")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(&elsewhere.0, folder.0.join("linked")).unwrap();
    for (file, why) in [
        (other.as_str(), "outside of the workspace"),
        (&own("src/main.rs"), "is not called mmf-baselines/NAME.json"),
        (&own("mmf-baselines/.json"), "is not called mmf-baselines/NAME.json"),
        (&own("mmf-baselines/users.toml"), "is not called"),
        (&own("mmf-baselines/../users.json"), "is not called"),
        (&own("linked/mmf-baselines/users.json"), "outside of the workspace"),
        ("/mmf-baselines/users.json", "outside of the workspace"),
        ("/no/such/mmf-baselines/users.json", "not on this machine"),
    ] {
        let measured = Performance {
            baseline: Some(file.into()),
            machine: Some("a machine".into()),
            calibration_ms: Some(2.0),
            ..Performance::default()
        };
        let record = Record::new("a::fast", true, 20.0, Outcome::Performance(measured));
        folder.write("a-1.jsonl", &lines(&[record]));
        let results = folder.results().display().to_string();
        let (code, text) = mmf(&folder, &["baseline", "accept", "--results", &results]);
        assert!(code == 2 && text.contains(why), "{file}: {text}");
    }
    assert!(!elsewhere.0.join("mmf-baselines").exists());
}

#[test]
#[cfg(unix)]
fn only_files_are_read_and_replaced() {
    let folder = Folder::with_results("no-files");
    folder.write("a-1.jsonl", &lines(&good()));
    let pipe = folder.results().join("pipe.jsonl");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (code, text) = folder.gate(&["--min-chaos-coverage", "0"]);
    assert!(code == 2 && text.contains("pipe.jsonl: it is no file"), "{text}");
    std::fs::remove_file(&pipe).unwrap();
    std::fs::remove_file(folder.0.join("report.html")).unwrap();
    let precious = folder.write("precious", "kept");
    std::os::unix::fs::symlink(&precious, folder.0.join("report.html")).unwrap();
    let (code, text) = folder.gate(&["--min-chaos-coverage", "0"]);
    assert!(code == 2 && text.contains("a link is there, which is not followed"), "{text}");
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "kept");
}

#[test]
#[cfg(unix)]
fn a_reader_that_has_enough_ends_it_quietly() {
    let folder = Folder::with_results("pipe");
    folder.write("a-1.jsonl", &lines(&good()));
    let results = folder.results().display().to_string();
    let program = env!("CARGO_BIN_EXE_cargo-mmf");
    for (command, sends) in [
        (format!("{program} mmf gate --min-chaos-coverage 0 --results {results}"), "| head -c 1"),
        (format!("{program} mmf schema"), "| head -c 1"),
        (format!("{program} mmf completions bash"), "| head -c 1"),
        (format!("{program} mmf gate --min-chaos-coverage 0 --results {results}"), ">&-"),
    ] {
        // The exit code of the command, and not that of its reader.
        let script = format!("{{ {command}; echo ended $? >&2; }} {sends}");
        let output =
            Command::new("sh").arg("-c").arg(script).current_dir(&folder.0).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("ended 0") && !text.contains("panicked"), "{sends}: {text}");
    }
    if std::path::Path::new("/dev/full").exists() {
        let script =
            format!("{program} mmf gate --min-chaos-coverage 0 --results {results} >/dev/full");
        let output =
            Command::new("sh").arg("-c").arg(script).current_dir(&folder.0).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.success() && text.matches("cannot be printed").count() == 1,
            "{text}"
        );
    }
}

/// `cargo mmf test` with a cargo that prints what a script says.
#[cfg(unix)]
fn tested(folder: &Folder, listed: &str, printed: &str) -> (i32, String) {
    use std::os::unix::fs::PermissionsExt as _;
    folder.write("listed", listed);
    folder.write("printed", printed);
    let cargo = folder.write(
        "cargo",
        "#!/bin/sh\n[ \"$1\" = test ] || exit 1\ncase \"$*\" in *--list) cat \"$(dirname \"$0\")/listed\";; *) cat \"$(dirname \"$0\")/printed\";; esac\n",
    );
    std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_cargo-mmf"))
        .args(["mmf", "test", "--results"])
        .arg(folder.results())
        .env("CARGO", &cargo)
        .output()
        .unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), text)
}

#[test]
#[cfg(unix)]
fn what_a_test_prints_is_no_test() {
    let folder = Folder::with_results("ghosts");
    let running = "     Running tests/it.rs (target/debug/deps/it-0123456789abcdef)\n";
    let listed = format!("{running}a: test\nb: test\n\n2 tests, 0 benchmarks\n");
    let printed = format!(
        "{running}\nrunning 2 tests\ntest ghost ... ok\ntest b ... ok\nno end of linetest a ... ok\n\
         test b ... FAILED\ntest result: FAILED. 1 passed; 1 failed; finished in 0.20s\n"
    );
    let (code, text) = tested(&folder, &listed, &printed);
    assert_eq!(code, 0, "the script ends well: {text}");
    assert!(text.contains("2 lines looked like those of a test, and are not counted"), "{text}");
    let gate = [
        "--min-chaos-coverage",
        "0",
        "--min-performance-tests",
        "0",
        "--allow-no-data",
        "max_failed_contracts",
    ];
    let (code, text) = folder.gate(&gate);
    assert!(code == 1 && text.contains("1 of 2 tests passed"), "{text}");
    assert!(text.contains("mend what fails: it::b") && !text.contains("it::ghost"), "{text}");
    assert!(text.contains("cargo test, "), "the run is told of: {text}");
}

#[test]
#[cfg(unix)]
fn only_results_are_cleared() {
    let folder = Folder::with_results("cleared");
    folder.write("a-1.jsonl", &lines(&good()));
    folder.write("torn-2.jsonl", "{\"schema\":1,\"te");
    folder.write("data.jsonl", "{\"order\": 1}\n");
    let kept = ["data.jsonl", "junit.xml", "nextest.toml", "notes.txt"];
    for name in &kept[1..] {
        std::fs::write(folder.results().join(name), "mine").unwrap();
    }
    tested(&folder, "", "");
    let mut left: Vec<_> = std::fs::read_dir(folder.results())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(
        left,
        ["data.jsonl", "junit.xml", "nextest.toml", "notes.txt", "run.json", "suite.jsonl"]
    );
}
