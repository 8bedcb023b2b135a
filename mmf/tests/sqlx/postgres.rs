//! A server of PostgreSQL for one test: in a temporary folder, on a free port of loopback.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

pub(crate) struct Server {
    folder: PathBuf,
    programs: PathBuf,
    pub(crate) port: u16,
    process: Option<Child>,
}

impl Server {
    /// A server, or nothing where PostgreSQL is not installed: then a test has nothing to look at, which is told, and is a
    /// failure where `MMF_NEEDS_POSTGRES` is set.
    pub(crate) async fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            assert!(std::env::var_os("MMF_NEEDS_POSTGRES").is_none(), "no PostgreSQL is installed");
            eprintln!("no PostgreSQL is installed: skipped");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder =
            std::env::temp_dir().join(format!("mmf-postgres-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        let mut server = Self { folder, programs, port, process: None };
        let made = server
            .command("initdb")
            .args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "-D"])
            .arg(server.folder.join("data"))
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success(), "initdb");
        server.run().await;
        Some(server)
    }

    /// Starts the process, and waits until it answers.
    pub(crate) async fn run(&mut self) {
        let process = self
            .command("postgres")
            .args([
                "-c",
                "fsync=off",
                "-c",
                "deadlock_timeout=100ms",
                "-c",
                "listen_addresses=127.0.0.1",
                "-D",
            ])
            .arg(self.folder.join("data"))
            .arg("-k")
            .arg(&self.folder)
            .args(["-p", &self.port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pool = self.pool(1);
        let process = self.process.insert(process);
        let begun = Instant::now();
        while mmf::sqlx::check(&pool).await.is_err() {
            let ended = process.try_wait().unwrap();
            assert!(ended.is_none(), "PostgreSQL has ended: {ended:?}");
            assert!(begun.elapsed() < Duration::from_secs(30), "PostgreSQL does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends it at once, with all its connections.
    pub(crate) fn kill(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let stopped = self
            .command("pg_ctl")
            .args(["stop", "-m", "immediate", "-w", "-D"])
            .arg(self.folder.join("data"))
            .stdout(Stdio::null())
            .status();
        assert!(stopped.is_ok_and(|status| status.success()), "pg_ctl stop");
        let _ = process.wait();
    }

    pub(crate) fn pool(&self, connections: u32) -> PgPool {
        self.pool_at(self.port, connections)
    }

    /// The same by another port, behind which it stands.
    pub(crate) fn pool_at(&self, port: u16, connections: u32) -> PgPool {
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(port)
            .username("postgres")
            .database("postgres");
        PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(5))
            .connect_lazy_with(options.ssl_mode(sqlx::postgres::PgSslMode::Disable))
    }

    /// A program of PostgreSQL, as a user that it takes: it refuses to be run by root.
    fn command(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let is_root = fs::metadata("/proc/self").is_ok_and(|of| {
            use std::os::unix::fs::MetadataExt;
            of.uid() == 0
        });
        let mut command = if is_root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir("/").stdin(Stdio::null());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.kill();
        } else if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Where the programs are: Debian keeps them apart by version.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    let paths = std::env::var_os("PATH").unwrap_or_default();
    folders.reverse();
    folders.extend(std::env::split_paths(&paths));
    folders
        .into_iter()
        .find(|folder| has(folder, "initdb") && has(folder, "postgres") && has(folder, "pg_ctl"))
}

fn has(folder: &Path, program: &str) -> bool {
    folder.join(program).is_file()
}
