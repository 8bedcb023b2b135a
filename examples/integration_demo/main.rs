//! Everything at once, on real traffic: a service of users and the accounts that it depends on, each a process, a network between them
//! that can be made to fail, and a client whose load goes on from the begin to the end. Each act ends in ticks, which are checks:
//! exits with 1 where one does not hold.

mod accounts;
mod acts;
mod load;
mod network;
mod operator;
#[path = "../process.rs"]
mod process;
mod quality;
mod stage;
mod users;

use std::process::ExitCode;

use stage::Stage;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("accounts") => accounts::main(),
        Some("users") => users::main(),
        _ => {
            let mut stage = Stage::new();
            if let Err(error) = acts::all(&mut stage) {
                stage.tick(&format!("the demonstration could not go on: {error}"), false);
            }
            stage.end()
        }
    }
}
