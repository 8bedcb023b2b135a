//! `MMF_CHAOS`: this program starts itself again with the variable set, and reads what that says and does.

use std::io;
use std::process::Command;
use std::sync::Barrier;

use mmf::chaos;

#[chaos(name = "users.fetch", random_errors(probability = 1.0))]
fn fetch() -> Result<u32, io::Error> {
    Ok(7)
}

#[chaos(name = "orders.fetch")]
fn other() -> Result<u32, io::Error> {
    Ok(7)
}

/// Its number is code, which makes a call at a point while the variable is read.
#[chaos(name = "odd.fetch", random_errors(probability = share()))]
fn odd() -> Result<u32, io::Error> {
    Ok(7)
}

fn share() -> f64 {
    if other().is_ok() { 1.0 } else { 0.0 }
}

/// Calls all of them, the first from several threads at once, and says how many calls failed.
fn child() -> ! {
    let logs = std::env::var_os("MMF_TEST_SILENT").is_none();
    let logging =
        logs.then(|| mmf::logging::init(mmf::logging::LoggingConfig::new("child")).unwrap());
    let barrier = Barrier::new(8);
    let together = std::thread::scope(|scope| {
        let call = || {
            barrier.wait();
            fetch().is_err()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(call)).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).filter(|failed| *failed).count()
    });
    let odd = odd().is_err();
    let failed = (0..100).filter(|_| fetch().is_err()).count();
    let others = (0..100).filter(|_| other().is_err()).count();
    drop(logging);
    eprintln!("together={together} odd={odd} failed={failed} others={others}");
    std::process::exit(0);
}

fn command(test: &str, chaos: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([test, "--exact", "--nocapture"])
        .env("MMF_TEST_CHILD", "1")
        .env("MMF_CHAOS", chaos)
        .env("MMF_CHAOS_SEED", "42")
        .env("MMF_CHAOS_ALLOW_RELEASE", "1");
    command
}

fn outcome(command: &mut Command) -> (String, String) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

fn run(test: &str, chaos: &str) -> (String, String) {
    outcome(&mut command(test, chaos))
}

fn is_child() -> bool {
    std::env::var_os("MMF_TEST_CHILD").is_some()
}

#[test]
fn it_arms_what_it_names_and_says_so() {
    if is_child() {
        child();
    }
    let name = "it_arms_what_it_names_and_says_so";
    let (lines, errors) = run(name, "users.*: disk_full(p=0.3)");
    assert!(lines.contains("FAULTS ARE INJECTED") && lines.contains("\"points\":1"), "{lines}");
    let failed: u32 =
        errors.split("failed=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((10..=50).contains(&failed), "{errors}");
    assert!(errors.contains("others=0"), "{errors}");
    // The seed repeats it.
    let (_, again) = run(name, "users.*: disk_full(p=0.3)");
    assert!(again.contains(&format!("failed={failed} ")), "{again}");
    // A glob alone arms what the points name themselves.
    let (_, own) = run(name, "*");
    assert!(own.contains("failed=100 others=0"), "{own}");
}

#[test]
fn what_is_not_understood_arms_nothing_and_has_its_place() {
    if is_child() {
        child();
    }
    let name = "what_is_not_understood_arms_nothing_and_has_its_place";
    let (_, errors) = run(name, "users.*: disk_ful");
    assert!(errors.contains("nothing is armed: unknown kind \"disk_ful\""), "{errors}");
    assert!(errors.contains("  users.*: disk_ful\n           ^"), "{errors}");
    assert!(errors.contains("failed=0 others=0"), "{errors}");
    let (lines, errors) = run(name, "nowhere.*: disk_full");
    assert!(lines.contains("matches no point of this program"), "{lines}");
    assert!(errors.contains("failed=0 others=0"), "{errors}");
}

#[test]
fn the_first_calls_of_several_threads_are_all_struck() {
    if is_child() {
        child();
    }
    let name = "the_first_calls_of_several_threads_are_all_struck";
    let (_, errors) = run(name, "users.*: disk_full(p=1)");
    assert!(errors.contains("together=8 odd=false failed=100 others=0"), "{errors}");
}

#[test]
fn a_point_whose_numbers_are_code_may_call_other_points_there() {
    if is_child() {
        child();
    }
    let name = "a_point_whose_numbers_are_code_may_call_other_points_there";
    let (_, errors) = run(name, "odd.*");
    assert!(errors.contains("together=0 odd=true failed=0 others=0"), "{errors}");
}

#[test]
fn a_mistake_far_along_is_shown_with_what_stands_around_it() {
    if is_child() {
        child();
    }
    let name = "a_mistake_far_along_is_shown_with_what_stands_around_it";
    let (_, errors) = run(name, &format!("users.*: {}disk_ful", "hang, ".repeat(12_000)));
    assert!(errors.contains("nothing is armed: unknown kind \"disk_ful\""), "{errors}");
    assert!(errors.contains("failed=0 others=0"), "{errors}");
    let lines: Vec<_> = errors.lines().collect();
    let mark = lines.iter().position(|line| line.trim() == "^").expect("a mark");
    let (piece, mark) = (lines[mark - 1], lines[mark]);
    assert!(piece.chars().count() < 80, "{piece}");
    let under: String = piece.chars().skip(mark.chars().count() - 1).collect();
    assert_eq!(under, "disk_ful");
}

#[test]
fn what_steers_a_terminal_does_not_reach_it() {
    if is_child() {
        child();
    }
    let name = "what_steers_a_terminal_does_not_reach_it";
    for (chaos, part) in [
        ("users.*: \u{1b}[31mdisk_ful\u{7}", "nothing is armed: unknown kind"),
        ("users.*: hang(\u{1b}[31m\u{202e}=1)", "nothing is armed: unknown key"),
        ("\u{1b}[31m\u{202e}*: hang", "FAULTS ARE INJECTED"),
    ] {
        let (_, errors) = outcome(command(name, chaos).env("MMF_TEST_SILENT", "1"));
        assert!(errors.contains(part), "{errors:?}");
        let is_raw = |letter: char| letter != '\n' && letter.is_control() || letter == '\u{202e}';
        assert!(!errors.contains(is_raw), "{errors:?}");
        assert!(errors.contains("failed=0 others=0"), "{errors:?}");
    }
}

#[test]
fn what_is_disarmed_strikes_nobody_and_that_is_told() {
    if is_child() {
        let logging = mmf::logging::init(mmf::logging::LoggingConfig::new("child")).unwrap();
        assert!(fetch().is_err());
        let [armed] = &chaos::armed()[..] else { panic!("the first call arms it") };
        assert_eq!(
            (armed.config().to_string(), armed.seed()),
            ("users.*: disk_full(p=1)".into(), 42)
        );
        armed.disarm();
        assert!(fetch().is_ok() && chaos::armed().is_empty());
        // So long it would have struck: then whoever is to remind of it looks.
        std::thread::sleep(std::time::Duration::from_millis(1500));
        drop(logging);
        std::process::exit(0);
    }
    let name = "what_is_disarmed_strikes_nobody_and_that_is_told";
    let (lines, _) = run(name, "users.*: disk_full(p=1, duration=1s)");
    assert!(lines.contains("MMF_CHAOS was disarmed") && !lines.contains("is over"), "{lines}");
}
