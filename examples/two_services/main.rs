//! Two services on loopback, of which one calls the other: what happened to request `req-2` stands in the
//! logs of both, joined by its correlation id and its trace.
//!
//! This program starts itself twice, as `gateway` and as `users`, sends four requests, ends both services by
//! SIGTERM, and prints their lines request by request. Exits with 1 where a line is missing.

mod gateway;
mod http;
#[path = "../process.rs"]
mod process;
mod users;

use std::collections::BTreeSet;
use std::process::ExitCode;

use process::{Error, Process};
use serde_json::Value;

const REQUESTS: [&str; 4] = ["req-1", "req-2", "req-3", "req-4"];

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("users") => users::main(),
        Some("gateway") => gateway::main(),
        _ => match both() {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("the example could not run: {error}");
                ExitCode::FAILURE
            }
        },
    }
}

/// Runs both services through all requests; whether the logs tell all of it.
#[tokio::main(flavor = "current_thread")]
async fn both() -> Result<bool, Error> {
    let users = Process::start("users", &[])?;
    let gateway = Process::start("gateway", &[("USERS_PORT", users.port.to_string())])?;
    let client = reqwest::Client::new();
    for (number, id) in REQUESTS.into_iter().enumerate() {
        let url = format!("http://127.0.0.1:{}/users/{number}", gateway.port);
        let response = client.get(url).header("x-correlation-id", id).send().await?;
        println!("{id}: GET /users/{number} -> {}", response.status());
    }
    // The gateway first: it has nobody who calls it any more.
    let mut lines = gateway.terminate()?;
    lines.extend(users.terminate()?);

    let mut complete = true;
    for id in REQUESTS {
        complete &= tell(id, &lines);
    }
    Ok(complete)
}

/// Prints the lines of a request; whether both services tell of it, in one trace.
fn tell(id: &str, lines: &[Value]) -> bool {
    let mut lines: Vec<_> = lines.iter().filter(|line| line["correlation_id"] == id).collect();
    lines.sort_by_key(|line| line["timestamp"].as_str().map(ToOwned::to_owned));
    let all = |key: &str| -> BTreeSet<_> {
        lines.iter().filter_map(|line| line[key].as_str()).map(ToOwned::to_owned).collect()
    };
    let (services, traces) = (all("service"), all("trace_id"));
    println!("\n{id}, trace {}", traces.iter().cloned().collect::<Vec<_>>().join(", "));
    for line in &lines {
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let error = line["error"].as_str().map(|error| format!(": {error}")).unwrap_or_default();
        println!("  {:5} {:8} {}{error}", text("level"), text("service"), text("message"));
    }
    let complete = services.len() == 2 && traces.len() == 1;
    if !complete {
        println!("  FAILED: two services and one trace were expected");
    }
    complete
}
