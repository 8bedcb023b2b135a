//! Compiles the programs under `pass/` and `fail/`, and compares what the compiler says.
//!
//! After a change of messages: `TRYBUILD=overwrite cargo test -p mmf-ui-tests`, then read the diff.

use std::process::Command;

#[test]
fn programs() {
    let programs = trybuild::TestCases::new();
    programs.pass("pass/*.rs");
    if !compiler_is_pinned() {
        return;
    }
    if cfg!(feature = "chaos") {
        programs.compile_fail("fail_with_chaos/*.rs");
    } else {
        programs.compile_fail("fail/*.rs");
    }
}

/// Other editions compile them as modules of one crate.
#[test]
fn every_program_is_compiled_at_each_edition() {
    let listed = include_str!("../programs.rs");
    for program in std::fs::read_dir("pass").expect("programs") {
        let path = program.expect("a program").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        assert!(listed.contains(&format!("pub mod {name};")), "`{name}` is missing in programs.rs");
    }
}

/// The words of the compiler belong to one version of it.
fn compiler_is_pinned() -> bool {
    let pinned = include_str!("../rust-toolchain.toml")
        .lines()
        .find_map(|line| line.strip_prefix("channel = "))
        .map(|version| version.trim_matches('"'))
        .expect("a channel in rust-toolchain.toml");
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let version = Command::new(compiler).arg("--version").output().expect("a compiler");
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let is_pinned = version.split_whitespace().nth(1) == Some(pinned);
    if !is_pinned {
        println!("the fail programs are for rustc {pinned}, this is {version}: not compared");
    }
    is_pinned
}
