//! Prints that never panic.

/// Prints to standard output. Whoever has stopped listening is told nothing more; any other failure is told once.
pub(crate) fn say(text: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    let mut output = std::io::stdout().lock();
    let written = output.write_fmt(text).and_then(|()| output.flush());
    if let Err(error) = written
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        static TOLD: std::sync::Once = std::sync::Once::new();
        TOLD.call_once(|| {
            // Where that fails too, there is nobody to tell.
            let _ =
                writeln!(std::io::stderr(), "cargo mmf: what it says cannot be printed: {error}");
        });
    }
}
