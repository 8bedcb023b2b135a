//! A service as a process: started, its port read from the line that says it is ready, its lines read as they come, and ended.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

pub(crate) struct Process {
    child: Child,
    /// Held, as its end is that of the service: waiting for it would let it go.
    _input: Option<ChildStdin>,
    /// All lines, once the output has ended: a service whose output nobody reads would wait at its log.
    lines: Option<JoinHandle<Vec<Value>>>,
    pub(crate) port: u16,
}

/// What a service calls that is to end with the program that has started it, whatever ends that: its input ends with it.
pub(crate) fn end_with_parent() {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(1);
    });
}

impl Process {
    pub(crate) fn start(name: &str, variables: &[(&str, String)]) -> Result<Self, Error> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(name)
            .envs(variables.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        let (ready, is_ready) = channel();
        let lines = std::thread::spawn(move || {
            let mut lines = Vec::new();
            for line in output.lines().map_while(Result::ok) {
                let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
                if let Some(port) = line["port"].as_u64() {
                    // Who waits for it may have given up.
                    let _ = ready.send(port);
                }
                lines.push(line);
            }
            lines
        });
        let input = child.stdin.take();
        let mut process = Self { child, _input: input, lines: Some(lines), port: 0 };
        process.port = Self::port(name, &is_ready)?;
        Ok(process)
    }

    fn port(name: &str, ready: &Receiver<u64>) -> Result<u16, Error> {
        match ready.recv_timeout(Duration::from_secs(20)) {
            Ok(port) => Ok(u16::try_from(port)?),
            Err(RecvTimeoutError::Timeout) => Err(format!("{name} is not ready").into()),
            Err(RecvTimeoutError::Disconnected) => {
                Err(format!("{name} ended before it was ready").into())
            }
        }
    }

    /// Ends it by SIGTERM; all that it logged.
    pub(crate) fn terminate(mut self) -> Result<Vec<Value>, Error> {
        let id = self.child.id().to_string();
        if !Command::new("kill").args(["-TERM", &id]).status()?.success() {
            self.child.kill()?;
        }
        let status = self.child.wait()?;
        if !status.success() {
            return Err(format!("a service ended with {status}").into());
        }
        let lines = self.lines.take().map(JoinHandle::join).transpose();
        Ok(lines.map_err(|_| "its lines could not be read")?.unwrap_or_default())
    }
}

impl Drop for Process {
    /// Also where the program ends early: nothing is left behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
