//! What annotated functions cost to build: 200 of them in a crate of their own, or `--functions N`, beside the same
//! functions under `#[tracing::instrument]` and bare ones. Seconds of a debug build of that crate alone, its
//! dependencies built before, what of it is a function's share in milliseconds beyond the bare one, and bytes of
//! text a function in a release build (left out by `--debug-only`).
//!
//! `cargo run --release -p mmf-benches --bin build_cost [-- --rounds N --json FILE --functions N --debug-only]`
//!
//! The crates are written to `target/build_cost` and built there.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Instant;

use mmf_benches::table::{Table, rounds};
use object::{Object, ObjectSection, SectionKind};

/// How many functions; 200, or as `--functions` says.
static FUNCTIONS: LazyLock<usize> = LazyLock::new(|| {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--functions");
    arguments.nth(1).map_or(200, |number| number.parse().expect("a number of functions"))
});

/// A contender: its name, and the attribute above each function.
const CONTENDERS: [(&str, &str); 4] = [
    ("bare", ""),
    ("instrument", "#[tracing::instrument(err)]"),
    ("MMF_timeout", "#[mmf::resilient(timeout = \"2s\")]"),
    ("MMF", "#[mmf::resilient(retry(max_attempts = 3), breaker, timeout = \"2s\", bulkhead)]"),
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("benches stands in the workspace").into()
}

fn crate_name(contender: &str) -> String {
    format!("functions_{}", contender.to_lowercase())
}

/// Writes the crate of a contender.
fn write(name: &str, attribute: &str) -> std::io::Result<PathBuf> {
    let folder = workspace().join("target/build_cost").join(crate_name(name));
    fs::create_dir_all(folder.join("src"))?;
    let mmf = workspace().join("mmf");
    fs::write(
        folder.join("Cargo.toml"),
        format!(
            "[package]\nname = \"{}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n\
             [dependencies]\nmmf = {{ path = {mmf:?}, features = [\"logging\"] }}\ntracing = \"0.1\"\n\
             tokio = {{ version = \"1\", features = [\"rt\", \"time\", \"net\", \"io-util\"] }}\n",
            crate_name(name)
        ),
    )?;
    // The same versions as in the workspace.
    fs::copy(workspace().join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let mut code = String::from(
        "//! Functions that wait, as those of a client do.\n\
         use tokio::io::{AsyncReadExt, AsyncWriteExt};\n\
         #[derive(Debug)]\npub struct Error(String);\n\
         impl std::fmt::Display for Error {\n    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) \
         -> std::fmt::Result { f.write_str(&self.0) }\n}\n\
         impl From<std::io::Error> for Error { fn from(e: std::io::Error) -> Self \
         { Self(e.to_string()) } }\n\
         impl From<mmf::ResilienceError> for Error { fn from(e: mmf::ResilienceError) -> Self \
         { Self(e.to_string()) } }\n",
    );
    for function in 0..*FUNCTIONS {
        let _ = write!(
            code,
            "{attribute}\npub async fn fetch_{function}(host: &str, id: u64) \
             -> Result<String, Error> {{\n    \
             let mut stream = tokio::net::TcpStream::connect(host).await?;\n    \
             stream.write_all(format!(\"GET /{function}/{{id}}\").as_bytes()).await?;\n    \
             let mut text = String::new();\n    \
             stream.read_to_string(&mut text).await?;\n    Ok(text)\n}}\n"
        );
    }
    fs::write(folder.join("src/lib.rs"), code)?;
    let mut code = format!("use {}::*;\n", crate_name(name));
    code.push_str(
        "fn main() {\n    let runtime = tokio::runtime::Builder::new_current_thread()\
                   .enable_all().build().unwrap();\n    runtime.block_on(async {\n",
    );
    for function in 0..*FUNCTIONS {
        let _ = writeln!(code, "        let _ = fetch_{function}(\"127.0.0.1:1\", 1).await;");
    }
    code.push_str("    });\n}\n");
    fs::write(folder.join("src/main.rs"), code)?;
    Ok(folder)
}

/// How a crate is built.
#[derive(Clone, Copy)]
enum Build {
    Debug,
    /// As cargo does it. The compiler then keeps a copy of an `async` body, annotated or not, in each
    /// of the codegen units that reach it: two of them here.
    Release,
    /// With one codegen unit, so that each body is there once.
    ReleaseOneUnit,
}

impl Build {
    fn target(self) -> PathBuf {
        workspace().join("target/build_cost").join(match self {
            Self::Debug | Self::Release => "target",
            Self::ReleaseOneUnit => "target_one_unit",
        })
    }

    /// Builds the crate and gives the seconds that took.
    fn run(self, folder: &Path) -> std::io::Result<f64> {
        let code = folder.join("src/lib.rs");
        // A new time stamp, so that this crate is built again and its dependencies are not.
        fs::write(&code, fs::read(&code)?)?;
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "-q"]).current_dir(folder);
        cargo.env("CARGO_TARGET_DIR", self.target()).env("CARGO_INCREMENTAL", "0");
        if !matches!(self, Self::Debug) {
            cargo.arg("--release");
        }
        if matches!(self, Self::ReleaseOneUnit) {
            cargo.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1");
        }
        let start = Instant::now();
        assert!(cargo.status()?.success(), "{} builds", folder.display());
        Ok(start.elapsed().as_secs_f64())
    }

    /// Bytes of code in the release binary.
    fn text(self, name: &str) -> std::io::Result<f64> {
        let binary = fs::read(self.target().join("release").join(crate_name(name)))?;
        let file = object::File::parse(&*binary).map_err(std::io::Error::other)?;
        let text = file.sections().filter(|section| section.kind() == SectionKind::Text);
        Ok(text.map(|section| section.size()).sum::<u64>() as f64)
    }
}

fn main() -> std::io::Result<()> {
    let mut table = Table::new("functions to build", "");
    let debug_only = std::env::args().any(|argument| argument == "--debug-only");
    let builds: &[Build] = if debug_only {
        &[Build::Debug]
    } else {
        &[Build::Debug, Build::Release, Build::ReleaseOneUnit]
    };
    for (name, attribute) in CONTENDERS {
        let folder = write(name, attribute)?;
        for build in builds {
            build.run(&folder)?;
        }
    }
    for _ in 0..rounds(5) {
        let mut bare = 0.0;
        for (name, attribute) in CONTENDERS {
            let seconds = Build::Debug.run(&write(name, attribute)?)?;
            table.add("debug build, seconds", name, seconds);
            if name == "bare" {
                bare = seconds;
            } else {
                let share = (seconds - bare) * 1000.0 / *FUNCTIONS as f64;
                table.add("milliseconds a function", name, share);
            }
        }
    }
    for (what, build) in [
        ("text a function, one unit", Build::ReleaseOneUnit),
        ("text a function, 16 units", Build::Release),
    ] {
        if debug_only {
            break;
        }
        let bare = build.text("bare")?;
        for (name, _) in &CONTENDERS[1..] {
            table.add(what, name, (build.text(name)? - bare) / *FUNCTIONS as f64);
        }
    }
    table.publish()
}
