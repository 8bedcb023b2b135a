//! `cargo mmf new` and `add`, as processes: what they write, and that nothing that is there is overwritten. What they make is built
//! and tested by `.ci/generated`.

use std::path::Path;
use std::process::Command;

use crate::folder::Folder;

fn files(folder: &Path) -> usize {
    let all = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    all.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}

#[test]
fn a_dry_run_tells_what_would_be_written_and_writes_nothing() {
    let folder = Folder::new("dry");
    let (code, told) = folder.run("", &["new", "users", "--dry-run", "--grpc"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("users/src/main.rs") && told.contains("users/src/grpc.rs"), "{told}");
    assert!(!told.contains("database.rs"), "{told}");
    assert_eq!(files(&folder.0), 0);
    folder.run("", &["new", "users"]);
    let before = files(&folder.0);
    let (code, told) = folder.run("users", &["add", "client", "billing", "--dry-run"]);
    assert!(
        code == 0 && told.contains("src/clients/billing.rs") && told.contains("+1 lines"),
        "{told}"
    );
    assert_eq!(files(&folder.0), before);
    assert!(!folder.read("users/src/clients/mod.rs").contains("billing"));
}

#[test]
fn what_is_there_is_left_as_it_is() {
    let folder = Folder::new("there");
    std::fs::create_dir(folder.0.join("empty")).unwrap();
    let (code, told) = folder.run("", &["new", "empty"]);
    assert!(code == 2 && told.contains("is there already"), "{told}");
    assert_eq!(files(&folder.0), 0);
    assert_eq!(folder.run("", &["new", "users"]).0, 0);
    let written = files(&folder.0);
    let main = folder.read("users/src/main.rs");
    let (code, told) = folder.run("", &["new", "users", "--grpc"]);
    assert!(code == 2 && told.contains("users is there already"), "{told}");
    assert_eq!((files(&folder.0), folder.read("users/src/main.rs")), (written, main));
    for part in ["client", "check", "operation", "contract", "experiment"] {
        assert_eq!(folder.run("users", &["add", part, "one-more"]).0, 0, "{part}");
        let modules = || {
            ["clients", "checks", "operations"]
                .map(|of| folder.read(&format!("users/src/{of}/mod.rs")))
        };
        let before = (files(&folder.0), modules());
        let (code, told) = folder.run("users", &["add", part, "one-more"]);
        assert!(code == 2 && told.contains("is there already"), "{part}: {told}");
        assert_eq!((files(&folder.0), modules()), before, "{part}");
    }
    let checks = folder.read("users/src/checks/mod.rs");
    assert!(
        checks.contains("mod one_more;") && checks.contains("one_more::register(app);"),
        "{checks}"
    );
    assert!(folder.read("users/src/clients/mod.rs").contains("pub mod one_more;"));
    assert!(
        folder
            .read("users/src/operations/one_more.rs")
            .contains("#[mmf::service(name = \"users\")]")
    );
}

#[test]
fn options_decide_what_is_there() {
    let folder = Folder::new("options");
    assert_eq!(folder.run("", &["new", "plain"]).0, 0);
    let manifest = folder.read("plain/Cargo.toml");
    assert!(!manifest.contains("sqlx") && !manifest.contains("tonic"), "{manifest}");
    assert!(
        manifest.contains(&format!("version = \"{}\"", env!("CARGO_PKG_VERSION"))),
        "{manifest}"
    );
    assert_eq!(folder.run("", &["new", "both", "--grpc", "--database", "postgres"]).0, 0);
    let manifest = folder.read("both/Cargo.toml");
    assert!(manifest.contains("sqlx") && manifest.contains("tonic-build"), "{manifest}");
    assert!(folder.read("both/src/lib.rs").contains("pub mod database;\npub mod grpc;"));
    let (code, told) = folder.run("", &["new", "other", "--database", "oracle"]);
    assert!(code == 2 && told.contains("postgres"), "{told}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let (code, told) = folder.run("", &["new", "local", "--mmf-path", path]);
    assert!(code == 0 && told.contains("do not see --mmf-path"), "{told}");
    let (code, told) = folder.run("", &["new", "other", "--mmf-path", "."]);
    assert!(code == 2 && told.contains("is not the folder"), "{told}");
    assert!(folder.read("local/Cargo.toml").contains("mmf = { path = '"));
    for odd in ["it's", "a\u{1}b"] {
        let path = folder.0.join(odd);
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("Cargo.toml"), "[package]\nname = \"mmf\"\n").unwrap();
        let (code, told) = folder.run("", &["new", "odd", "--mmf-path", path.to_str().unwrap()]);
        assert!(code == 2 && told.contains("cannot stand in Cargo.toml"), "{odd:?}: {told}");
    }
    let (code, told) = folder.run("", &["new", "lost", "--mmf-path", "nowhere"]);
    assert!(code == 2 && told.contains("nowhere"), "{told}");
}

#[test]
fn what_is_made_has_its_name_and_is_formatted() {
    let folder = Folder::new("formatted");
    let (_, told) = folder.run("", &["new", "user-profile"]);
    assert!(!told.contains("note:"), "there is nothing to note: {told}");
    let client = folder.read("user-profile/src/clients/quotes.rs");
    assert!(client.contains("        name = \"user-profile.quotes\",\n"), "{client}");
    assert!(client.contains("        retry(\n            max_attempts = 4,\n"), "{client}");
    assert_eq!(folder.run("user-profile", &["add", "client", "orders"]).0, 0);
    let client = folder.read("user-profile/src/clients/orders.rs");
    assert!(client.contains("name = \"user-profile.orders\""), "{client}");
    // Where there is no rustfmt it says so.
    let plain = Command::new(env!("CARGO_BIN_EXE_cargo-mmf"))
        .args(["mmf", "new", "plain"])
        .current_dir(&folder.0)
        .env("PATH", "")
        .output()
        .unwrap();
    let told = String::from_utf8(plain.stdout).unwrap();
    assert!(plain.status.success() && told.contains("without rustfmt"), "{told}");
    assert!(folder.read("plain/src/clients/quotes.rs").contains("retry(max_attempts = 4"));
}

#[test]
fn of_several_at_once_one_makes_all_of_it() {
    let folder = Folder::new("several");
    for round in 0..10 {
        let name = format!("users{round}");
        let new = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-mmf"));
            command.args(["mmf", "new", &name]).current_dir(&folder.0);
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
            command.spawn().unwrap()
        };
        let all: Vec<_> = (0..3).map(|_| new()).collect();
        let ended = all.into_iter().map(|mut child| child.wait().unwrap().success());
        assert_eq!(ended.filter(|well| *well).count(), 1);
        assert_eq!(files(&folder.0.join(&name)), 18, "what the first has made stays");
    }
}

#[test]
fn what_is_the_users_is_neither_formatted_nor_mixed() {
    let folder = Folder::new("mixed");
    assert_eq!(folder.run("", &["new", "users"]).0, 0);
    let (mine, module) = ("users/src/clients/mine.rs", "users/src/clients/mod.rs");
    std::fs::write(folder.0.join(mine), "pub fn   x( ) { }\n").unwrap();
    let text = folder.read(module).replace("pub mod quotes;", "pub mod mine;\npub mod quotes;");
    std::fs::write(folder.0.join(module), text.replace('\n', "\r\n")).unwrap();
    let (code, told) = folder.run("users", &["add", "client", "orders"]);
    assert!(code == 0 && told.contains("next: give `App`"), "{told}");
    assert_eq!(folder.read(mine), "pub fn   x( ) { }\n");
    let text = folder.read(module);
    assert!(text.contains("pub mod mine;\r\npub mod orders;\r\npub mod quotes;\r\n"), "{text:?}");
    assert!(!text.replace("\r\n", "").contains('\n'), "{text:?}");
    // What would not be done is not said to be.
    let (code, told) = folder.run("users", &["add", "client", "quotes", "--dry-run"]);
    assert!(code == 2 && told.contains("is there already"), "{told}");
    std::fs::create_dir(folder.0.join("users/src/clients/billing")).unwrap();
    assert_eq!(folder.run("users", &["add", "client", "billing"]).0, 2);
    std::fs::write(folder.0.join("Cargo.toml"), "[workspace]\n").unwrap();
    let (_, told) = folder.run("", &["new", "other"]);
    assert!(told.contains("is a workspace: name `other`"), "{told}");
}

#[test]
fn what_cannot_be_is_told_with_what_to_write() {
    let folder = Folder::new("wrong");
    for (name, part) in [
        ("async", "a word of Rust"),
        ("Users", "lower case"),
        ("../up", "is no name"),
        ("tokio", "others have"),
        ("support", "others have"),
    ] {
        let (code, told) = folder.run("", &["new", name]);
        assert!(code == 2 && told.contains(part), "{name}: {told}");
    }
    assert_eq!(files(&folder.0), 0);
    let (code, told) = folder.run("", &["add", "client", "billing"]);
    assert!(code == 2 && told.contains("in the folder of a service"), "{told}");
    std::fs::write(folder.0.join("Cargo.toml"), "[package]\nname = \"other\"\n").unwrap();
    let (code, told) = folder.run("", &["add", "client", "billing"]);
    assert!(code == 2 && told.contains("no service of `cargo mmf new`"), "{told}");
    for part in ["contract", "experiment"] {
        let (code, told) = folder.run("", &["add", part, "billing"]);
        assert!(code == 2 && told.contains("tests/support/mod.rs is not there"), "{told}");
    }
    assert_eq!(files(&folder.0), 1);
}
