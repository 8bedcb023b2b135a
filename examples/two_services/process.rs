//! A service as a process: started, its port read from the line that says it is ready, and ended.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

pub(crate) struct Process {
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
    pub(crate) port: u16,
    /// What was read until it was ready.
    lines: Vec<Value>,
}

impl Process {
    pub(crate) fn start(name: &str, variables: &[(&str, String)]) -> Result<Self, Error> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(name)
            .envs(variables.iter().map(|(key, value)| (key, value)))
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let mut process =
            Self { child, output: BufReader::new(output).lines(), port: 0, lines: Vec::new() };
        loop {
            let line =
                process.output.next().ok_or(format!("{name} ended before it was ready"))??;
            let line: Value = serde_json::from_str(&line)?;
            if line["status"] == "ready" {
                process.port = u16::try_from(line["port"].as_u64().unwrap_or_default())?;
                return Ok(process);
            }
            process.lines.push(line);
        }
    }

    /// Ends it by SIGTERM; all that it logged.
    pub(crate) fn terminate(mut self) -> Result<Vec<Value>, Error> {
        let id = self.child.id().to_string();
        if !Command::new("kill").args(["-TERM", &id]).status()?.success() {
            self.child.kill()?;
        }
        let mut lines = self.lines;
        for line in self.output {
            lines.push(serde_json::from_str(&line?)?);
        }
        let status = self.child.wait()?;
        if !status.success() {
            return Err(format!("a service ended with {status}").into());
        }
        Ok(lines)
    }
}
