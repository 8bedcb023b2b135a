//! What a gate says.

/// What a gate says.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct GateVerdict {
    /// The gate, by its key; with the kind of tests before it where it is for one alone.
    pub gate: String,
    /// Its limit, as text.
    pub limit: String,
    /// What was measured, as text.
    pub measured: String,
    /// Whether it holds.
    pub passed: bool,
    /// Whether there was nothing to look at. It holds only where `allow_no_data` names the gate.
    pub no_data: bool,
    /// What to do where it does not hold.
    pub recommendation: Option<String>,
}

impl GateVerdict {
    /// The verdict in words.
    pub fn verdict(&self) -> &'static str {
        match (self.no_data, self.passed) {
            (true, true) => "no data (allowed)",
            (true, false) => "no data",
            (false, true) => "ok",
            (false, false) => "FAILED",
        }
    }
}
