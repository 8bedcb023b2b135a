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
