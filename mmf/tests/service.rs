//! The life of services: this program starts itself again as one, ends it in each way there is, and
//! reads its lines and its exit code. Without a harness, since it is about `main`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use serde_json::Value;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the database is gone")]
    Database(#[source] std::num::ParseIntError),
}

#[mmf::service(
    name = "users",
    version = "1.2.3",
    flavor = "current_thread",
    shutdown_timeout = "200ms"
)]
async fn child(service: mmf::Service) -> Result<(), Error> {
    assert!(!service.is_ready());
    service.ready(8080);
    service.ready(8080);
    assert!(service.is_ready());
    match std::env::var("ROLE").as_deref() {
        Ok("error") => {
            let cause = "x".parse::<u8>().map(|_| ()).map_err(Error::Database);
            tokio::task::yield_now().await;
            cause
        }
        Ok("panic") => panic!("the very reason"),
        Ok("stubborn") => std::future::pending().await,
        Ok("signal") => {
            let running = service.clone();
            mmf::spawn(async move {
                let quick = running.operation(tokio::time::sleep(Duration::from_millis(50)));
                let endless = running.operation(std::future::pending::<()>());
                tokio::join!(quick, endless)
            });
            service.shutdown_requested().await;
            assert!(!service.is_ready());
            Ok(())
        }
        _ => Ok(()),
    }
}

fn start(role: &str) -> Child {
    command(role).spawn().expect("starts")
}

fn command(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .env("ROLE", role)
        .env("ENVIRONMENT", "test")
        .env_remove("RUST_LOG")
        .env_remove("LOG_LEVEL")
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// The lines of a service, and its exit code.
fn life(mut child: Child, on_ready: impl FnOnce(u32)) -> (Vec<Value>, Option<i32>) {
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let mut on_ready = Some(on_ready);
    let mut lines = Vec::new();
    for line in output.lines() {
        let line: Value = serde_json::from_str(&line.expect("text")).expect("JSON");
        if line["status"] == "ready"
            && let Some(on_ready) = on_ready.take()
        {
            on_ready(child.id());
        }
        lines.push(line);
    }
    (lines, child.wait().expect("ends").code())
}

fn statuses(lines: &[Value]) -> Vec<&str> {
    lines.iter().filter_map(|line| line["status"].as_str()).collect()
}

fn a_service_that_completes() {
    let (lines, code) = life(start("complete"), |_| ());
    assert_eq!((statuses(&lines), code), (vec!["starting", "ready", "shutting_down"], Some(0)));
    let starting = &lines[0];
    assert_eq!((&starting["version"], &starting["environment"]), (&"1.2.3".into(), &"test".into()));
    assert!(starting["pid"].is_u64() && starting["host"].is_string());
    assert!(starting["profile"].is_string());
    assert_eq!(lines[1]["port"], 8080);
    assert_eq!(lines[2]["reason"], "completed");
}

fn a_service_that_fails() {
    let (lines, code) = life(start("error"), |_| ());
    let last = lines.last().expect("lines");
    assert_eq!((last["level"].as_str(), code), (Some("ERROR"), Some(1)));
    assert_eq!(last["reason"], "error");
    assert_eq!(last["error"], "the database is gone: invalid digit found in string");
}

fn a_service_that_panics() {
    let (lines, code) = life(start("panic"), |_| ());
    assert_eq!(code, Some(101));
    assert_eq!(lines[2]["message"], "panic: the very reason");
    assert_eq!((&lines[3]["reason"], &lines[3]["level"]), (&"panic".into(), &"ERROR".into()));
}

#[cfg(unix)]
fn a_service_that_is_terminated() {
    let terminate = |id: u32| {
        let status = Command::new("kill").args(["-TERM", &id.to_string()]).status();
        assert!(status.expect("kill").success());
    };
    let (lines, code) = life(start("signal"), terminate);
    assert_eq!((statuses(&lines), code), (vec!["starting", "ready", "shutting_down"], Some(0)));
    assert_eq!(lines[2]["reason"], "signal SIGTERM");
    let left = lines.last().expect("lines");
    assert_eq!((&left["left"], &left["level"]), (&1.into(), &"WARN".into()));
}

/// Told when the signal comes, not when `main` has ended, which may be never.
#[cfg(unix)]
fn a_service_whose_main_does_not_end() {
    let terminate = |id: u32| {
        let status = Command::new("kill").args(["-TERM", &id.to_string()]).status();
        assert!(status.expect("kill").success());
    };
    let (lines, code) = life(start("stubborn"), terminate);
    assert_eq!((statuses(&lines), code), (vec!["starting", "ready", "shutting_down"], Some(0)));
    assert_eq!(lines[2]["reason"], "signal SIGTERM");
    let last = lines.last().expect("lines");
    assert_eq!((&last["timeout_ms"], &last["level"]), (&200.into(), &"WARN".into()));
}

/// A word that is no level shows nothing of the service: that is told where it can be seen.
fn a_service_with_a_mistyped_level() {
    let mut command = command("error");
    let output = command.env("RUST_LOG", "inof").stderr(Stdio::piped()).output().expect("runs");
    let errors = String::from_utf8(output.stderr).expect("text");
    assert!(errors.contains("only what the target `inof` logs"), "{errors}");
    assert_eq!(output.status.code(), Some(1));
}

/// The device takes nothing: told once on standard error, and no reason to fail.
#[cfg(target_os = "linux")]
fn a_service_whose_log_has_no_room() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
    let mut command = command("complete");
    let output = command.stdout(full).stderr(Stdio::piped()).output().expect("runs");
    let errors = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(0), "{errors}");
    assert_eq!(errors.matches("could not be written").count(), 1, "{errors}");
}

fn main() -> ExitCode {
    if std::env::var_os("ROLE").is_some() {
        return child();
    }
    for (name, test) in [
        ("a_service_that_completes", a_service_that_completes as fn()),
        ("a_service_that_fails", a_service_that_fails),
        ("a_service_that_panics", a_service_that_panics),
        #[cfg(target_os = "linux")]
        ("a_service_whose_log_has_no_room", a_service_whose_log_has_no_room),
        ("a_service_with_a_mistyped_level", a_service_with_a_mistyped_level),
        #[cfg(unix)]
        ("a_service_that_is_terminated", a_service_that_is_terminated),
        #[cfg(unix)]
        ("a_service_whose_main_does_not_end", a_service_whose_main_does_not_end),
    ] {
        test();
        println!("test {name} ... ok");
    }
    ExitCode::SUCCESS
}
