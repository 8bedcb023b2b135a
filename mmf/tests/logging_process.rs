//! Logging of whole processes: each test starts this program again in a role, and reads what that
//! wrote.
#![cfg(all(feature = "logging", unix))]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use mmf::logging::{LoggingConfig, WhenFull, init};
use serde_json::Value;

/// This program again, to run `test` in its role as a child.
fn command(test: &str, vars: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env("MMF_TEST_CHILD", "1")
        .env_remove("RUST_LOG")
        .env_remove("LOG_LEVEL")
        .envs(vars.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn child(test: &str, vars: &[(&str, &str)]) -> Child {
    command(test, vars).spawn().unwrap()
}

fn is_child() -> bool {
    std::env::var_os("MMF_TEST_CHILD").is_some()
}

/// The log lines among what the test harness writes, which may stand before one on its line.
fn lines(output: &[u8]) -> Vec<Value> {
    let text = String::from_utf8(output.to_vec()).unwrap();
    text.lines()
        .filter_map(|line| Some(&line[line.find("{\"")?..]))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

fn numbers(lines: &[Value]) -> Vec<u64> {
    lines.iter().filter_map(|line| line["number"].as_u64()).collect()
}

#[test]
fn what_was_logged_before_a_panic_is_written() {
    if is_child() {
        let _logging = init(LoggingConfig::new("child")).unwrap();
        for number in 0..5000 {
            tracing::info!(number, "before");
        }
        let panicked = std::thread::spawn(|| panic!("the {} reason", "very")).join();
        assert!(panicked.is_err());
        // Neither unwinding nor flushing: what was logged must be out already.
        std::process::exit(7);
    }
    let output =
        child("what_was_logged_before_a_panic_is_written", &[]).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    let lines = lines(&output.stdout);
    assert!(numbers(&lines).into_iter().eq(0..5000), "all, in order");
    let panic = lines.last().unwrap();
    assert_eq!(panic["message"], "panic: the very reason");
    assert_eq!(panic["level"], "ERROR");
    assert!(panic["location"].as_str().unwrap().starts_with("mmf/tests/logging_process.rs:"));
}

#[test]
fn the_end_of_logging_flushes() {
    if is_child() {
        let logging = init(LoggingConfig::new("child").queue(1)).unwrap();
        for number in 0..5000 {
            tracing::info!(number);
        }
        drop(logging);
        std::process::exit(0);
    }
    let output = child("the_end_of_logging_flushes", &[]).wait_with_output().unwrap();
    assert!(numbers(&lines(&output.stdout)).into_iter().eq(0..5000), "all, in order");
}

#[test]
fn a_closed_pipe_is_told_once_and_stops_nobody() {
    if is_child() {
        let logging = init(LoggingConfig::new("child").queue(1)).unwrap();
        // Until the parent has closed its end.
        while logging.failed_writes() < 3 {
            tracing::info!("into the void");
        }
        logging.flush();
        // A write fails with a line in it, at the least.
        assert!(logging.lost_lines() >= logging.failed_writes(), "{}", logging.lost_lines());
        std::process::exit(0);
    }
    let mut child = child("a_closed_pipe_is_told_once_and_stops_nobody", &[]);
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("{\"") {
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0, "a line comes");
    }
    drop(output);
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{errors}");
    assert_eq!(errors.matches("could not be written").count(), 1, "{errors}");
}

#[test]
fn a_queue_that_drops_tells_how_much() {
    if is_child() {
        let config = LoggingConfig::new("child").queue(1).when_full(WhenFull::Drop);
        let logging = init(config).unwrap();
        for number in 0..100_000 {
            tracing::info!(number);
        }
        logging.flush();
        eprintln!("dropped={}", logging.dropped_lines());
        std::process::exit(0);
    }
    let output = child("a_queue_that_drops_tells_how_much", &[]).wait_with_output().unwrap();
    let lines = lines(&output.stdout);
    let told: u64 = lines.iter().filter_map(|line| line["lost"].as_u64()).sum();
    assert_eq!(numbers(&lines).len() as u64 + told, 100_000);
    assert!(String::from_utf8(output.stderr).unwrap().contains(&format!("dropped={told}")));
}

#[test]
fn the_level_comes_from_the_environment_and_changes_at_run_time() {
    if is_child() {
        let logging = init(LoggingConfig::new("child").level("trace")).unwrap();
        tracing::info!(number = 1, "not at warn");
        log::warn!(target: "a::library", "from the log crate");
        logging.set_level("debug").unwrap();
        tracing::debug!(number = 2, "at debug");
        assert!(logging.set_level("users=loud").is_err());
        tracing::debug!(number = 3, "still at debug");
        drop(logging);
        std::process::exit(0);
    }
    let vars = [("LOG_LEVEL", "warn"), ("LOG_FORMAT", "xml")];
    let child = child("the_level_comes_from_the_environment_and_changes_at_run_time", &vars);
    let lines = lines(&child.wait_with_output().unwrap().stdout);
    assert_eq!(numbers(&lines), [2, 3]);
    assert!(lines[0]["message"].as_str().unwrap().contains("LOG_FORMAT is \"xml\""), "{lines:?}");
    assert_eq!(lines[1]["message"], "from the log crate");
}

#[test]
fn a_level_for_a_while_is_over_in_its_time_or_before() {
    if is_child() {
        use std::time::Duration;

        use mmf::logging::{level, release_level, set_level_for};
        let long = Duration::from_secs(900);
        assert!(level().is_none() && set_level_for("debug", long).is_err(), "nobody logs yet");
        let logging = init(LoggingConfig::new("child").level("info")).unwrap();
        let now = || level().map(|level| (level.directives, level.left.is_some())).unwrap();
        assert_eq!(now(), ("info".into(), false));
        assert!(set_level_for("users=loud", long).is_err());
        assert_eq!(now(), ("info".into(), false));
        set_level_for("debug", long).unwrap();
        tracing::debug!(number = 1);
        log::debug!(target: "a::library", "from the log crate");
        assert_eq!(now(), ("debug".into(), true));
        // Another one takes its place, and its time counts.
        set_level_for("trace", Duration::from_millis(500)).unwrap();
        assert!(level().unwrap().left.unwrap() <= Duration::from_millis(500));
        while now() != ("info".into(), false) {
            std::thread::sleep(Duration::from_millis(1));
        }
        while tracing::enabled!(tracing::Level::DEBUG) {
            std::thread::sleep(Duration::from_millis(1));
        }
        tracing::debug!(number = 2, "it is over");
        set_level_for("debug", long).unwrap();
        tracing::debug!(number = 3);
        release_level();
        tracing::debug!(number = 4, "it is taken back");
        // What is set for good meanwhile is what it comes back to.
        set_level_for("trace", long).unwrap();
        logging.set_level("warn").unwrap();
        assert_eq!(now(), ("warn".into(), false));
        tracing::info!(number = 5, "below the level");
        // Longer than the clock can say.
        set_level_for("debug", Duration::MAX).unwrap();
        assert_eq!(now(), ("debug".into(), true));
        release_level();
        assert_eq!(now(), ("warn".into(), false), "what was for good is what it comes back to");
        // For one target: the others stay as they are, and so does what a service tells of its security.
        set_level_for("users=debug", long).unwrap();
        tracing::debug!(target: "users", number = 8);
        tracing::warn!(number = 9);
        tracing::debug!(number = 10, "no part of it");
        set_level_for("off", long).unwrap();
        tracing::error!(number = 11, "off");
        tracing::warn!(target: "mmf::service", number = 12, "but this");
        release_level();
        // Many at once: the last one is what is in force.
        std::thread::scope(|scope| {
            for level in ["error", "info", "debug", "trace"].repeat(8) {
                scope.spawn(move || set_level_for(level, long).unwrap());
            }
        });
        logging.set_level("info").unwrap();
        tracing::debug!(number = 6, "below the level");
        tracing::info!(number = 7);
        drop(logging);
        std::process::exit(0);
    }
    let child = child("a_level_for_a_while_is_over_in_its_time_or_before", &[]);
    let lines = lines(&child.wait_with_output().unwrap().stdout);
    assert_eq!(numbers(&lines), [1, 3, 8, 9, 12, 7]);
    let told = |text: &str| lines.iter().filter(|line| line["message"] == text).count();
    assert_eq!(told("from the log crate"), 1);
    assert!(told("the level that was set for a while is over") >= 1, "{lines:?}");
}

#[test]
fn text_is_for_people() {
    if is_child() {
        let logging = init(LoggingConfig::new("child")).unwrap();
        tracing::info!(user_id = 7, "created");
        drop(logging);
        std::process::exit(0);
    }
    let output = child("text_is_for_people", &[("LOG_FORMAT", "text")]).wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.contains("created")).unwrap();
    assert!(
        line.contains("INFO") && line.contains("user_id=7") && !line.contains('\u{1b}'),
        "{line}"
    );
}

/// On a file system of 64 KiB, which only a privileged user can make.
#[test]
#[cfg(target_os = "linux")]
fn a_disk_that_fills_up_holds_whole_lines_in_order_until_then() {
    if is_child() {
        let logging = init(LoggingConfig::new("child").queue(1)).unwrap();
        let mut number = 0;
        while logging.failed_writes() < 3 {
            tracing::info!(number);
            number += 1;
        }
        drop(logging);
        std::process::exit(0);
    }
    let place = std::env::temp_dir().join(format!("mmf-full-disk-{}", std::process::id()));
    std::fs::create_dir_all(&place).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(&place)
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !mounted {
        println!("skipped: a file system can be mounted by a privileged user only");
        std::fs::remove_dir(&place).unwrap();
        return;
    }
    let file = std::fs::File::create(place.join("log")).unwrap();
    let output = command("a_disk_that_fills_up_holds_whole_lines_in_order_until_then", &[])
        .stdout(file)
        .output()
        .unwrap();
    let text = std::fs::read(place.join("log")).unwrap();
    let unmounted = Command::new("umount").arg(&place).status().unwrap();
    std::fs::remove_dir(&place).unwrap();
    assert!(unmounted.success());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert_eq!(errors.matches("could not be written").count(), 1, "{errors}");
    // The line in which the disk became full ends there, and is the last.
    let end = text.iter().rposition(|byte| *byte == b'\n').unwrap();
    let numbers = numbers(&lines(&text[..end]));
    assert!(numbers.len() > 300, "{}", numbers.len());
    assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "whole and in order");
}

/// Starts a child with its streams as given, and ends it where it takes longer than `seconds`; its code, or
/// nothing where it had to be ended.
fn code_within(seconds: u64, command: &mut Command) -> Option<i32> {
    let mut child = command.spawn().unwrap();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(seconds);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if std::time::Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// A pipe of which nobody reads the other end.
fn unread() -> (std::io::PipeReader, std::io::PipeWriter) {
    std::io::pipe().unwrap()
}

#[test]
fn a_panic_while_standard_output_is_locked_is_logged() {
    const NAME: &str = "a_panic_while_standard_output_is_locked_is_logged";
    if is_child() {
        struct Hostile;
        impl std::fmt::Display for Hostile {
            fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                panic!("while it is printed")
            }
        }
        let _logging = init(LoggingConfig::new("child").queue(100)).unwrap();
        let panicked = std::panic::catch_unwind(|| {
            use std::io::Write;
            let mut stdout = std::io::stdout().lock();
            (0..100).for_each(|number| tracing::info!(number));
            let hostile = Hostile;
            write!(stdout, "{hostile}")
        });
        assert!(panicked.is_err());
        std::process::exit(7);
    }
    let output = command(NAME, &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    let lines = lines(&output.stdout);
    assert!(numbers(&lines).into_iter().eq(0..100));
    assert_eq!(lines.last().unwrap()["message"], "panic: while it is printed");
}

#[test]
fn a_reader_that_never_reads_keeps_no_process() {
    const NAME: &str = "a_reader_that_never_reads_keeps_no_process";
    if is_child() {
        let logging = init(LoggingConfig::new("child").queue(1000)).unwrap();
        let fill = || (0..5_000).for_each(|number| tracing::info!(number));
        let filling = std::thread::spawn(fill);
        while logging.flush_within(std::time::Duration::from_millis(300)) {}
        if std::env::var("END").as_deref() == Ok("panic") {
            std::panic::catch_unwind(|| panic!("nobody hears it")).unwrap_err();
            std::process::exit(7);
        }
        drop(logging);
        drop(filling);
        std::process::exit(8);
    }
    for (end, code) in [("panic", 7), ("drop", 8)] {
        let (reader, writer) = unread();
        let mut command = command(NAME, &[("END", end)]);
        assert_eq!(code_within(20, command.stdout(writer).stderr(Stdio::null())), Some(code));
        drop(reader);
    }
}

/// Another process made the stream one that does not block: a slow reader gets every line all the same.
#[test]
#[cfg(target_os = "linux")]
fn an_output_that_does_not_block_loses_nothing() {
    use std::os::fd::AsFd;
    const NAME: &str = "an_output_that_does_not_block_loses_nothing";
    if is_child() {
        let logging = init(LoggingConfig::new("child")).unwrap();
        (0..20_000).for_each(|number| tracing::info!(number));
        drop(logging);
        std::process::exit(0);
    }
    let (mut reader, writer) = unread();
    rustix::io::ioctl_fionbio(writer.as_fd(), true).unwrap();
    let mut child = command(NAME, &[]).stdout(writer).spawn().unwrap();
    let mut output = Vec::new();
    let mut chunk = vec![0; 30_000];
    while let Ok(bytes @ 1..) = reader.read(&mut chunk) {
        output.extend_from_slice(&chunk[..bytes]);
        std::thread::yield_now();
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(numbers(&lines(&output)).into_iter().eq(0..20_000), "all, in order");
}

#[test]
fn a_value_that_is_recorded_may_log_and_panic() {
    const NAME: &str = "a_value_that_is_recorded_may_log_and_panic";
    if is_child() {
        struct Meddler(bool);
        impl std::fmt::Debug for Meddler {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                tracing::info!("meddling");
                assert!(!self.0, "a Debug that panics");
                f.write_str("meddled")
            }
        }
        let logging = init(LoggingConfig::new("child")).unwrap();
        let span = tracing::info_span!("span", value = tracing::field::Empty);
        let _entered = span.enter();
        span.record("value", tracing::field::debug(Meddler(false)));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            span.record("value", tracing::field::debug(Meddler(true)));
        }));
        assert!(panicked.is_err());
        tracing::info!(number = 1, "after");
        drop(logging);
        std::process::exit(0);
    }
    let mut command = command(NAME, &[]);
    let file = std::env::temp_dir().join(format!("mmf-recorded-{}", std::process::id()));
    command.stdout(std::fs::File::create(&file).unwrap());
    let code = code_within(20, &mut command);
    let text = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(code, Some(0));
    let lines = lines(&text);
    let after = lines.iter().find(|line| line["number"] == 1).unwrap();
    assert_eq!(after["value"], "meddled");
    assert!(lines.iter().filter(|line| line["message"] == "meddling").count() >= 2);
}

#[test]
fn the_last_destructors_of_a_thread_may_log() {
    const NAME: &str = "the_last_destructors_of_a_thread_may_log";
    if is_child() {
        struct Last(u64);
        impl Drop for Last {
            fn drop(&mut self) {
                tracing::info!(number = self.0, "the last of a thread");
            }
        }
        thread_local! {
            static FIRST: Last = const { Last(1) };
            static SECOND: Last = const { Last(2) };
        }
        let logging = init(LoggingConfig::new("child")).unwrap();
        std::thread::spawn(|| {
            // One is dropped before the memory of the thread's lines, one after.
            FIRST.with(|_| ());
            tracing::info!("the first of a thread");
            SECOND.with(|_| ());
        })
        .join()
        .unwrap();
        drop(logging);
        std::process::exit(0);
    }
    let output = command(NAME, &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let mut numbers = numbers(&lines(&output.stdout));
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2]);
}

#[test]
fn a_logger_of_the_log_crate_is_no_reason_to_fail() {
    const NAME: &str = "a_logger_of_the_log_crate_is_no_reason_to_fail";
    if is_child() {
        struct Nobody;
        impl log::Log for Nobody {
            fn enabled(&self, _: &log::Metadata<'_>) -> bool {
                false
            }
            fn log(&self, _: &log::Record<'_>) {}
            fn flush(&self) {}
        }
        log::set_boxed_logger(Box::new(Nobody)).unwrap();
        let logging = init(LoggingConfig::new("child")).unwrap();
        tracing::info!(number = 1);
        assert!(matches!(
            init(LoggingConfig::new("again")),
            Err(mmf::logging::InitError::AlreadySet)
        ));
        drop(logging);
        std::process::exit(0);
    }
    let output = command(NAME, &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = lines(&output.stdout);
    assert_eq!(numbers(&lines), [1]);
    let told = lines[0]["message"].as_str().unwrap();
    assert!(told.contains("records of the `log` crate"), "{told}");
}

#[test]
fn a_mistyped_level_leaves_the_rest_of_the_filter() {
    const NAME: &str = "a_mistyped_level_leaves_the_rest_of_the_filter";
    if is_child() {
        let logging = init(LoggingConfig::new("child")).unwrap();
        tracing::info!(number = 1);
        tracing::warn!(number = 2);
        tracing::info!(target: "users", number = 3);
        drop(logging);
        std::process::exit(0);
    }
    let output = command(NAME, &[("RUST_LOG", "warn,orders=loud,users=info")]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let lines = lines(&output.stdout);
    assert_eq!(numbers(&lines), [2, 3]);
    assert!(lines[0]["message"].as_str().unwrap().contains("orders=loud"), "{lines:?}");
}

/// A process that was forked, as by a daemon: it has the queue and not its thread.
#[test]
#[cfg(target_os = "linux")]
fn a_forked_process_logs_and_flushes() {
    const NAME: &str = "a_forked_process_logs_and_flushes";
    if is_child() {
        let logging = init(LoggingConfig::new("child")).unwrap();
        tracing::info!(number = 1);
        logging.flush();
        let forked = mmf_test_fork::fork();
        if forked == 0 {
            tracing::info!(number = 2);
            logging.flush();
            tracing::info!(number = 3);
            drop(logging);
            std::process::exit(5);
        }
        let code = mmf_test_fork::wait(forked);
        tracing::info!(number = 4);
        drop(logging);
        std::process::exit(code);
    }
    let mut command = command(NAME, &[]);
    let (mut reader, writer) = unread();
    assert_eq!(code_within(20, command.stdout(writer)), Some(5));
    drop(command);
    let mut output = Vec::new();
    reader.read_to_end(&mut output).unwrap();
    assert_eq!(numbers(&lines(&output)), [1, 2, 3, 4]);
}

/// Forked while other threads log, which may hold the queue in that moment and are not there in the child.
#[test]
#[cfg(target_os = "linux")]
fn a_process_that_is_forked_while_others_log_does_not_hang() {
    const NAME: &str = "a_process_that_is_forked_while_others_log_does_not_hang";
    if is_child() {
        let logging = init(LoggingConfig::new("child")).unwrap();
        for _ in 0..3 {
            std::thread::spawn(|| {
                loop {
                    tracing::info!("a line");
                }
            });
        }
        for _ in 0..100 {
            let forked = mmf_test_fork::fork();
            if forked == 0 {
                tracing::info!("of the child");
                logging.flush_within(std::time::Duration::from_millis(100));
                mmf_test_fork::exit(5);
            }
            assert_eq!(mmf_test_fork::wait(forked), 5);
        }
        std::process::exit(7);
    }
    let mut command = command(NAME, &[]);
    assert_eq!(code_within(60, command.stdout(Stdio::null())), Some(7));
}

/// What a fork takes, in one place.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the test is about what another's fork leaves behind")]
mod mmf_test_fork {
    pub(super) fn fork() -> i32 {
        // SAFETY: the child uses what the test is about, and exits.
        unsafe { libc::fork() }
    }

    /// Without anything else on the way out, whose locks may be held by threads that are not there.
    pub(super) fn exit(code: i32) -> ! {
        // SAFETY: ends this process.
        unsafe { libc::_exit(code) }
    }

    pub(super) fn wait(process: i32) -> i32 {
        let mut status = 0;
        // SAFETY: the status is a place for an integer.
        unsafe { libc::waitpid(process, &raw mut status, 0) };
        libc::WEXITSTATUS(status)
    }
}

/// An outage: the breakers of many hosts open, and refusals flood.
#[test]
fn an_outage_is_told_in_few_lines_that_add_up() {
    use mmf::ResilienceError;
    use mmf::resilience::policy;

    #[derive(Debug, thiserror::Error)]
    enum Error {
        #[error("status {0}")]
        Status(u16),
        #[error(transparent)]
        Refused(#[from] ResilienceError),
    }

    #[mmf::resilient(
        name = "outage.fetch",
        breaker(key(host), failure_threshold = 2),
        retry(max_attempts = 3, base_delay = "1us", on_refusal("none"))
    )]
    async fn fetch(host: &str) -> Result<(), Error> {
        Err(Error::Status(u16::try_from(500 + host.len()).unwrap()))
    }

    const HOSTS: usize = 50;
    const CALLS: usize = 200_000;
    if is_child() {
        let logging =
            init(LoggingConfig::new("child").level("info,mmf::resilience=debug")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let hosts: Vec<_> = (0..HOSTS).map(|host| format!("host-{host}.example")).collect();
            for call in 0..CALLS {
                fetch(&hosts[call % HOSTS]).await.unwrap_err();
            }
        });
        let snapshot = policy("outage.fetch").unwrap().snapshot();
        let breaker = snapshot.breaker.unwrap();
        tracing::info!(
            calls = snapshot.calls,
            retries = snapshot.retries,
            refused = breaker.refused,
            opened = breaker.opened,
            "counted"
        );
        logging.flush();
        std::process::exit(0);
    }
    let test = "an_outage_is_told_in_few_lines_that_add_up";
    let output = child(test, &[]).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = lines(&output.stdout);
    let told = |message: &str| -> u64 {
        let lines = lines.iter().filter(|line| line["message"] == message);
        lines.map(|line| line["repeated"].as_u64().unwrap_or(1)).sum()
    };
    let counted = lines.iter().find(|line| line["message"] == "counted").expect("counted");
    let count = |name: &str| counted[name].as_u64().unwrap();
    // One of the two failures that open a breaker comes with the second attempt of its first call.
    let hosts = HOSTS as u64;
    assert_eq!((count("calls"), count("opened")), (CALLS as u64, hosts));
    assert_eq!(told("refused"), count("refused"));
    assert_eq!(told("retry"), count("retries"));
    assert_eq!(told("breaker changed"), count("opened"));
    assert_eq!(told("refused after a failed attempt"), hosts);
    assert!(lines.len() < 1000, "{} lines", lines.len());

    let refused: Vec<_> = lines.iter().filter(|line| line["message"] == "refused").collect();
    for line in &refused {
        assert_eq!(line["policy"], "outage.fetch");
        assert!(line["key"].as_str().unwrap().starts_with("host-"), "{line}");
        assert!(line["error"].as_str().unwrap().contains("circuit open"), "{line}");
    }
    assert!(refused.iter().any(|line| line["repeated"].as_u64() > Some(1000)), "{refused:?}");
    let changed = lines.iter().filter(|line| line["message"] == "breaker changed");
    assert!(changed.clone().count() > 10, "ten in full, and the rest");
    for line in changed {
        assert_eq!((&line["cause"], &line["to"]), (&"failure_threshold".into(), &"open".into()));
        assert!(line["key"].as_str().unwrap().starts_with("host-"));
    }
    for line in lines.iter().filter(|line| line["message"] == "refused after a failed attempt") {
        let last_error = line["last_error"].as_str().unwrap();
        assert!(last_error.starts_with("status 51"), "{line}");
        assert!(line["error"].as_str().unwrap().contains("circuit open"));
    }
}

#[test]
fn repeats_are_told_when_their_second_is_over() {
    if is_child() {
        let _logging = init(LoggingConfig::new("child").gather_repeats(true)).unwrap();
        (0..500_u64).for_each(|number| tracing::warn!(number, "again"));
        // Killed before anything is flushed at the end.
        std::thread::sleep(std::time::Duration::from_secs(60));
    }
    let mut child = child("repeats_are_told_when_their_second_is_over", &[]);
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut read = Vec::new();
    while lines(&read).iter().all(|line| line.get("repeated").is_none()) {
        assert!(output.read_until(b'\n', &mut read).unwrap() > 0, "a line comes");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let lines = lines(&read);
    assert_eq!(numbers(&lines), (0..10).chain([499]).collect::<Vec<_>>());
    assert_eq!(lines.last().unwrap()["repeated"], 490);
}

#[test]
fn what_a_user_logs_is_written_in_full_unless_told_otherwise() {
    if is_child() {
        let logging = init(LoggingConfig::new("child")).unwrap();
        (0..500_u64).for_each(|number| tracing::warn!(number, "again"));
        drop(logging);
        std::process::exit(0);
    }
    let test = "what_a_user_logs_is_written_in_full_unless_told_otherwise";
    let output = child(test, &[]).wait_with_output().unwrap();
    assert!(numbers(&lines(&output.stdout)).into_iter().eq(0..500));
}
