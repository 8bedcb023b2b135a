//! The variable, the file and SIGHUP, as a process has them: this program starts itself again. Without a harness, since a
//! variable is one for the whole process.

use std::io::{BufRead, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

#[path = "streams/mod.rs"]
mod streams;

use mmf::resilience::Pipeline;
use mmf::{ResilienceError, config, resilient};

#[resilient(name = "process.client", timeout = "1s", retry(max_attempts = 2, jitter = 0.0))]
async fn client() -> Result<(), ResilienceError> {
    Ok(())
}

static LATE: OnceLock<Pipeline> = OnceLock::new();

/// Evaluated when somebody looks at all policies for the first time, which is when the file is put in force.
fn builds_another() -> u32 {
    let late = Pipeline::builder("process.late").timeout(Duration::from_secs(1)).build();
    assert!(LATE.set(late).is_ok());
    // What is being evaluated may ask for what there is.
    drop(config::effective());
    drop(config::check(""));
    3
}

#[resilient(name = "process.evaluated", retry(max_attempts = builds_another()))]
async fn evaluated() -> Result<(), ResilienceError> {
    Ok(())
}

fn told() {
    for value in config::effective() {
        println!("{} {} = {} ({})", value.policy, value.key, value.value, value.origin);
    }
    println!("end");
}

/// Watches its file and tells all values whenever a line comes in.
fn child() {
    let _logging = mmf::logging::init(mmf::logging::LoggingConfig::new("config")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let file = std::env::args().nth(1).unwrap();
    if std::env::var_os("WITHOUT_RUNTIME").is_some() {
        config::watch(file);
    } else {
        let _entered = runtime.enter();
        config::watch(file);
        std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    }
    if std::env::var_os("HANG_UP").is_some() {
        // SAFETY: raises a signal of this process.
        #[expect(unsafe_code, reason = "there is no other way to send a signal")]
        let sent = unsafe { libc::raise(libc::SIGHUP) };
        assert_eq!(sent, 0);
    }
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { (client().await.unwrap(), evaluated().await.unwrap()) })
    });
    if let Some(seen) = std::env::var_os("SEEN") {
        streams::flood();
        until_in_force("\"2s\"");
        std::fs::write(seen, "").unwrap();
        until_in_force("\"6s\"");
        // Without what is done at the end: that is about lines, and told elsewhere.
        std::process::exit(7);
    }
    for line in std::io::stdin().lines() {
        if line.is_err() {
            return;
        }
        told();
    }
}

fn until_in_force(timeout: &str) {
    let is_there = |value: &config::EffectiveValue| {
        (&*value.policy, value.key, value.value.as_str()) == ("process.client", "timeout", timeout)
    };
    while !config::effective().iter().any(is_there) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Its file is looked at all the same.
fn whatever_becomes_of_its_lines_it_is_configured() {
    for (number, mut broken) in streams::broken().into_iter().enumerate() {
        let own = |what| format!("mmf-{}-streams-{number}.{what}", std::process::id());
        let (file, seen) =
            (std::env::temp_dir().join(own("toml")), std::env::temp_dir().join(own("seen")));
        std::fs::write(&file, FILE).unwrap();
        let command = broken.command.arg(&file).stdin(Stdio::null());
        let command = command.env("MMF_TEST_CHILD", "1").env("SEEN", &seen);
        let child = command.env_remove("RUST_LOG").env_remove("MMF_POLICIES").spawn().unwrap();
        let mut process = streams::Running(child);
        let began = Instant::now();
        while !seen.exists() {
            assert!(began.elapsed() < SOON, "{}: nothing is in force", broken.name);
            std::thread::sleep(Duration::from_millis(5));
        }
        std::fs::write(&file, FILE.replace("2s", "6s")).unwrap();
        let code = loop {
            if let Some(status) = process.0.try_wait().unwrap() {
                break status.code();
            }
            assert!(began.elapsed() < 2 * SOON, "{}: nothing changes", broken.name);
            std::thread::sleep(Duration::from_millis(5));
        };
        assert_eq!(code, Some(7), "{}", broken.name);
        std::fs::remove_file(&file).unwrap();
        std::fs::remove_file(&seen).unwrap();
    }
}

struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    file: PathBuf,
}

impl Process {
    fn start(name: &str, variable: Option<&str>, text: &str, without_runtime: bool) -> Self {
        let file = std::env::temp_dir().join(format!("mmf-{}-{name}.toml", std::process::id()));
        if !text.is_empty() {
            std::fs::write(&file, text).unwrap();
        }
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .arg(&file)
            .env("MMF_TEST_CHILD", "1")
            .env_remove("RUST_LOG")
            .env_remove("MMF_POLICIES");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(variable) = variable {
            command.env("MMF_POLICIES", variable);
        }
        if without_runtime {
            command.env("WITHOUT_RUNTIME", "1").env("HANG_UP", "1");
        }
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, file }
    }

    /// All values, and the log lines before them.
    fn values(&mut self) -> (String, String) {
        use std::io::Write;
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        let (mut values, mut log) = (String::new(), String::new());
        for line in &mut self.lines {
            let line = line.unwrap();
            if line == "end" {
                break;
            }
            let text = if line.starts_with('{') { &mut log } else { &mut values };
            text.push_str(&line);
            text.push('\n');
        }
        (values, log)
    }

    /// The log until it has said something.
    fn until_said(&mut self, words: &str) -> String {
        let (began, mut log) = (Instant::now(), String::new());
        while !log.contains(words) {
            log += &self.values().1;
            assert!(began.elapsed() < SOON, "{words} is not in\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
        log
    }

    /// The log lines until a value is there.
    fn until(&mut self, value: &str, within: Duration) -> String {
        let (began, mut log) = (Instant::now(), String::new());
        loop {
            let (values, more) = self.values();
            log += &more;
            if values.contains(value) {
                return log;
            }
            assert!(began.elapsed() < within, "{value} is not in\n{values}\nafter\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn hang_up(&self) {
        // SAFETY: a signal to a child that has not been waited for.
        #[expect(unsafe_code, reason = "there is no other way to send a signal")]
        let sent = unsafe { libc::kill(self.child.id() as libc::pid_t, libc::SIGHUP) };
        assert_eq!(sent, 0);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.file);
    }
}

fn main() {
    if std::env::var_os("MMF_TEST_CHILD").is_some() {
        return child();
    }
    the_variable_is_above_the_file();
    the_variable_holds_without_a_file();
    a_wrong_variable_leaves_all_as_it_was_built();
    at_a_hangup_it_looks_at_once(false);
    at_a_hangup_it_looks_at_once(true);
    whatever_becomes_of_its_lines_it_is_configured();
    println!("a process is configured by file, variable and SIGHUP");
}

const FILE: &str = "[policies.\"process.client\"]\ntimeout = \"2s\"\nretry.max_attempts = 5\n";
const SOON: Duration = Duration::from_secs(10);

fn the_variable_is_above_the_file() {
    let variable = "defaults.timeout = \"3s\"";
    let mut process = Process::start("variable", Some(variable), FILE, false);
    let log = process.until_said("configuration changed");
    let (values, _) = process.values();
    assert!(values.contains("timeout = \"3s\" (MMF_POLICIES:1:10)"), "{values}");
    assert!(
        values.contains("retry.max_attempts = 5 (") && values.contains("toml:3:7)"),
        "{values}"
    );
    let line = log.lines().find(|line| line.contains("configuration changed")).unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["count"], 3);
    assert_eq!(
        line["changes"],
        "process.client: retry.max_attempts 2 → 5; process.client: timeout \"1s\" → \"3s\"; \
         process.late: timeout \"1s\" → \"3s\""
    );
    assert!(values.contains("process.late timeout = \"3s\" (MMF_POLICIES:1:10)"), "{values}");
}

fn the_variable_holds_without_a_file() {
    let mut process = Process::start("none", Some("defaults.timeout = \"3s\""), "", false);
    let (values, _) = process.values();
    assert!(values.contains("timeout = \"3s\" (MMF_POLICIES:1:10)"), "{values}");
}

fn a_wrong_variable_leaves_all_as_it_was_built() {
    let mut process = Process::start("wrong", Some("defaults.timeout = 3"), FILE, false);
    process.until_said("MMF_POLICIES:1:10: a duration needs a unit");
    let (values, _) = process.values();
    assert!(values.contains("timeout = \"1s\" ("), "{values}");
}

fn at_a_hangup_it_looks_at_once(without_runtime: bool) {
    let name = if without_runtime { "thread" } else { "hangup" };
    let mut process = Process::start(name, None, FILE, without_runtime);
    process.until("timeout = \"2s\"", SOON);
    // A first look, after which somebody listens to the signal.
    std::fs::write(&process.file, FILE.replace("2s", "4s")).unwrap();
    process.until("timeout = \"4s\"", SOON);
    std::fs::write(&process.file, FILE.replace("2s", "6s")).unwrap();
    process.hang_up();
    process.until("timeout = \"6s\"", SOON);
    std::fs::write(&process.file, "[defaults]\ntimeout = 7").unwrap();
    process.hang_up();
    process.until_said("configuration refused");
    std::thread::sleep(Duration::from_millis(2200));
    let (values, more) = process.values();
    assert!(values.contains("timeout = \"6s\""), "{values}");
    assert!(!more.contains("refused"), "told once: {more}");
    std::fs::write(&process.file, FILE.replace("2s", "6s")).unwrap();
    process.hang_up();
    process.until_said("configuration is in force again");
}
