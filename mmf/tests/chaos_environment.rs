//! `MMF_CHAOS`: this program starts itself again with the variable set, and reads what that says and does.

use std::io;
use std::process::{Command, Output};

use mmf::chaos;

#[chaos(name = "users.fetch", random_errors(probability = 1.0))]
fn fetch() -> Result<u32, io::Error> {
    Ok(7)
}

#[chaos(name = "orders.fetch")]
fn other() -> Result<u32, io::Error> {
    Ok(7)
}

/// Calls both, and says how many calls failed.
fn child() -> ! {
    let logging = mmf::logging::init(mmf::logging::LoggingConfig::new("child")).unwrap();
    let failed = (0..100).filter(|_| fetch().is_err()).count();
    let others = (0..100).filter(|_| other().is_err()).count();
    drop(logging);
    eprintln!("failed={failed} others={others}");
    std::process::exit(0);
}

fn run(test: &str, chaos: &str) -> (String, String) {
    let output: Output = Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env("MMF_TEST_CHILD", "1")
        .env("MMF_CHAOS", chaos)
        .env("MMF_CHAOS_SEED", "42")
        .env("MMF_CHAOS_ALLOW_RELEASE", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
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
