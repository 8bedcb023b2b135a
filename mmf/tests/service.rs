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
    shutdown_timeout = "200ms",
    logging(|config| config.redact_also(["shoe_size"]))
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
        Ok("exit") => {
            (0..1000).for_each(|number| tracing::info!(number, shoe_size = 44));
            assert!(mmf::logging::flush_within(Duration::from_secs(10)));
            std::process::exit(9)
        }
        Ok("threads") => {
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| (0..1000).for_each(|number| tracing::info!(number)));
                }
            });
            panic!("and a panic")
        }
        Ok("stubborn") => std::future::pending().await,
        Ok("unread") => loop {
            // More than the queue and the pipe hold: the thread of `main` stands still in the end.
            tracing::info!(filling = "x".repeat(1000));
            tokio::task::yield_now().await;
        },
        Ok("repeats") => {
            // Their lines are more than the pipe holds.
            for number in 0..CALLS {
                tracing::warn!(target: "mmf::resilience", policy = number % 200, "refused");
            }
            Ok(())
        }
        Ok("half a line") => {
            // Stays in the buffer of standard output, which is written out at the very end.
            print!("{}", "a".repeat(1000));
            (0..400).for_each(|number| tracing::info!(number, filling = "x".repeat(200)));
            service.shutdown_requested().await;
            Ok(())
        }
        Ok("quiet") => {
            (0..400).for_each(|number| tracing::info!(number, filling = "x".repeat(200)));
            service.shutdown_requested().await;
            Ok(())
        }
        Ok("loud panic") => {
            (0..400).for_each(|number| tracing::info!(number, filling = "x".repeat(200)));
            panic!("nobody hears it")
        }
        Ok("drops") => {
            struct Endless;
            impl Drop for Endless {
                fn drop(&mut self) {
                    loop {
                        std::thread::park();
                    }
                }
            }
            let _endless = Endless;
            std::future::pending().await
        }
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

/// What the policies of a service say in an outage.
const CALLS: u64 = 50_000;

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
    assert_eq!(
        (statuses(&lines), code),
        (vec!["starting", "ready", "shutting_down", "stopped"], Some(0))
    );
    let starting = &lines[0];
    assert_eq!((&starting["version"], &starting["environment"]), (&"1.2.3".into(), &"test".into()));
    assert!(starting["pid"].is_u64() && starting["host"].is_string());
    assert!(starting["profile"].is_string());
    assert_eq!(lines[1]["port"], 8080);
    assert_eq!(lines[2]["reason"], "completed");
    let last = lines.last().expect("lines");
    assert_eq!((&last["status"], &last["exit_code"]), (&"stopped".into(), &0.into()));
    assert_eq!(last["message"], "users stopped");
    assert!(last["duration_ms"].as_f64().is_some_and(|duration| duration > 0.0));
}

fn a_service_that_exits_by_itself() {
    let (lines, code) = life(start("exit"), |_| ());
    assert_eq!(code, Some(9));
    let numbers = lines.iter().filter_map(|line| line["number"].as_u64());
    assert!(numbers.eq(0..1000), "flushed before");
    assert_eq!(lines.last().expect("lines")["shoe_size"], "[redacted]");
}

fn a_service_that_fails() {
    let (lines, code) = life(start("error"), |_| ());
    let [.., last, stopped] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((&stopped["status"], &stopped["exit_code"]), (&"stopped".into(), &1.into()));
    assert_eq!((last["level"].as_str(), code), (Some("ERROR"), Some(1)));
    assert_eq!(last["reason"], "error");
    assert_eq!(last["error"], "the database is gone: invalid digit found in string");
}

fn a_service_that_panics() {
    let (lines, code) = life(start("panic"), |_| ());
    assert_eq!(code, Some(101));
    assert_eq!(lines[2]["message"], "panic: the very reason");
    assert_eq!((&lines[3]["reason"], &lines[3]["level"]), (&"panic".into(), &"ERROR".into()));
    assert_eq!((&lines[4]["status"], &lines[4]["exit_code"]), (&"stopped".into(), &101.into()));
}

#[cfg(unix)]
fn a_service_that_is_terminated() {
    let terminate = |id: u32| {
        let status = Command::new("kill").args(["-TERM", &id.to_string()]).status();
        assert!(status.expect("kill").success());
    };
    let (lines, code) = life(start("signal"), terminate);
    assert_eq!(
        (statuses(&lines), code),
        (vec!["starting", "ready", "shutting_down", "stopped"], Some(0))
    );
    assert_eq!(lines[2]["reason"], "signal SIGTERM");
    let [.., left, _stopped] = &lines[..] else { panic!("{lines:?}") };
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
    assert_eq!(
        (statuses(&lines), code),
        (vec!["starting", "ready", "shutting_down", "stopped"], Some(0))
    );
    assert_eq!(lines[2]["reason"], "signal SIGTERM");
    let [.., last, _stopped] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((&last["timeout_ms"], &last["level"]), (&200.into(), &"WARN".into()));
}

/// Ends a child by signals, one after the other as soon as it is known to run, and says how long it took and with
/// what code it ended; nothing where it did not.
#[cfg(unix)]
fn ended_by(signals: &[&str], mut child: Child, since: std::time::Duration) -> Option<i32> {
    std::thread::sleep(since);
    for signal in signals {
        let status = Command::new("kill").args([*signal, &child.id().to_string()]).status();
        assert!(status.expect("kill").success());
        std::thread::sleep(Duration::from_millis(100));
    }
    let end = std::time::Instant::now() + Duration::from_secs(5);
    while std::time::Instant::now() < end {
        if let Some(status) = child.try_wait().expect("waits") {
            let signal = std::os::unix::process::ExitStatusExt::signal(&status);
            return status.code().or(signal.map(|signal| -signal));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("ends");
    child.wait().expect("ends");
    None
}

/// `service 2>&1 | head -1`: both streams are gone, or both are on a full disk.
#[cfg(unix)]
fn a_service_whose_streams_are_both_gone() {
    let gone = || std::io::pipe().expect("a pipe").1;
    let mut command = command("threads");
    let child = command.stdout(gone()).stderr(gone()).spawn().expect("starts");
    assert_eq!(ended_by(&[], child, Duration::ZERO), Some(101));
    if cfg!(target_os = "linux") {
        let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
        let child = command.stdout(full()).stderr(full()).spawn().expect("starts");
        assert_eq!(ended_by(&[], child, Duration::ZERO), Some(101));
    }
}

/// Nobody reads its lines: neither one signal nor two, nor a panic or an end, is kept by that.
#[cfg(unix)]
fn a_service_whose_lines_nobody_reads() {
    for signals in [&["-TERM"][..], &["-TERM", "-TERM"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let mut command = command("unread");
        let child = command.stdout(writer).spawn().expect("starts");
        // Until its queue and the pipe are full.
        let code = if signals.len() == 1 { 0 } else { 1 };
        assert_eq!(ended_by(signals, child, Duration::from_millis(700)), Some(code), "{signals:?}");
        drop(reader);
    }
}

/// The pipe is full, and nobody reads: all that is left to do is bounded, and so is what others do at the very end.
#[cfg(unix)]
fn a_service_that_ends_before_its_lines_are_read() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let start = |role: &str| {
        let mut command = command(role);
        let (out, err) = (writer.try_clone().expect("a pipe"), writer.try_clone().expect("a pipe"));
        command.stdout(out).stderr(err).spawn().expect("starts")
    };
    let begun = std::time::Instant::now();
    assert_eq!(ended_by(&["-TERM"], start("quiet"), Duration::from_millis(300)), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(ended_by(&[], start("loud panic"), Duration::ZERO), Some(101));
    for signals in [&["-TERM"][..], &["-TERM", "-TERM"]] {
        assert_eq!(ended_by(signals, start("half a line"), Duration::from_millis(300)), KILLED);
    }
    drop(reader);
}

/// What was gathered keeps nobody from the end, and whoever reads hears of all of it.
#[cfg(unix)]
fn a_service_that_ends_while_repeats_are_gathered() {
    let (unread, writer) = std::io::pipe().expect("a pipe");
    let gone = std::io::pipe().expect("a pipe").1;
    let mut outputs = vec![("unread", Stdio::from(writer)), ("gone", gone.into())];
    if cfg!(target_os = "linux") {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
        outputs.push(("full", full.into()));
    }
    for (name, output) in outputs {
        let child = command("repeats").stdout(output).spawn().expect("starts");
        assert_eq!(ended_by(&[], child, Duration::ZERO), Some(0), "{name}");
    }
    drop(unread);

    let (reader, writer) = std::io::pipe().expect("a pipe");
    rustix::io::ioctl_fionbio(std::os::fd::AsFd::as_fd(&writer), true).expect("is set");
    let mut child = command("repeats").stdout(writer).spawn().expect("starts");
    let lines: Vec<Value> = BufReader::new(reader)
        .lines()
        .map(|line| serde_json::from_str(&line.expect("text")).expect("JSON"))
        .collect();
    assert_eq!(child.wait().expect("ends").code(), Some(0));
    let refused: Vec<_> = lines.iter().filter(|line| line["message"] == "refused").collect();
    let told = |line: &&Value| line["repeated"].as_u64().unwrap_or(1);
    assert_eq!(refused.iter().map(told).sum::<u64>(), CALLS);
    assert!(refused.iter().any(|line| told(line) > 100), "they were gathered");
    assert_eq!(statuses(&lines).last(), Some(&"stopped"));
}

/// What a process that was killed has for its code, here.
#[cfg(unix)]
const KILLED: Option<i32> = Some(-9);

/// A destructor that never ends, in what `main` holds.
#[cfg(unix)]
fn a_service_that_cannot_be_dropped() {
    let mut command = command("drops");
    let child = command.stdout(Stdio::null()).spawn().expect("starts");
    assert_eq!(ended_by(&["-TERM"], child, Duration::from_millis(500)), Some(1));
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
        ("a_service_that_exits_by_itself", a_service_that_exits_by_itself),
        ("a_service_that_fails", a_service_that_fails),
        ("a_service_that_panics", a_service_that_panics),
        #[cfg(target_os = "linux")]
        ("a_service_whose_log_has_no_room", a_service_whose_log_has_no_room),
        ("a_service_with_a_mistyped_level", a_service_with_a_mistyped_level),
        #[cfg(unix)]
        ("a_service_that_is_terminated", a_service_that_is_terminated),
        #[cfg(unix)]
        ("a_service_whose_main_does_not_end", a_service_whose_main_does_not_end),
        #[cfg(unix)]
        ("a_service_whose_streams_are_both_gone", a_service_whose_streams_are_both_gone),
        #[cfg(unix)]
        ("a_service_whose_lines_nobody_reads", a_service_whose_lines_nobody_reads),
        #[cfg(unix)]
        (
            "a_service_that_ends_before_its_lines_are_read",
            a_service_that_ends_before_its_lines_are_read,
        ),
        #[cfg(unix)]
        (
            "a_service_that_ends_while_repeats_are_gathered",
            a_service_that_ends_while_repeats_are_gathered,
        ),
        #[cfg(unix)]
        ("a_service_that_cannot_be_dropped", a_service_that_cannot_be_dropped),
    ] {
        test();
        println!("test {name} ... ok");
    }
    ExitCode::SUCCESS
}
