//! Text of others as we keep and show it.

#[cfg(feature = "testing")]
use std::time::Duration;

#[cfg(feature = "testing")]
use mmf_runtime::text::is_harmless;

/// How much of somebody else's text is kept.
const KEPT: usize = 2048;

/// Somebody else's text as we keep it: without secrets, and cut where it is long.
pub(crate) fn told(text: &str) -> String {
    // What is cut off anyway need not be looked through.
    let (start, rest) = cut(text, 2 * KEPT);
    let shown = mmf_runtime::url::without_credentials(start);
    let shown = super::masked::masked(&shown);
    let (shown, more) = cut(&shown, KEPT);
    let cut_off = rest.len() + more.len();
    match cut_off {
        0 => shown.to_owned(),
        _ => format!("{shown}… ({cut_off} bytes more)"),
    }
}

/// The first bytes, and the rest, whole characters each.
fn cut(text: &str, most: usize) -> (&str, &str) {
    text.split_at(text.floor_char_boundary(most))
}

/// A text as it may be shown: what commands, turns or is no character is told in its place.
#[cfg(feature = "testing")]
pub fn visible(text: &str) -> std::borrow::Cow<'_, str> {
    if text.chars().all(is_harmless) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match is_harmless(letter) {
            true => shown.push(letter),
            false => shown.extend(letter.escape_default()),
        }
    }
    shown.into()
}

/// Milliseconds of a record as people read them: `1.5ms`.
#[cfg(feature = "testing")]
pub(crate) fn text_of_ms(ms: f64) -> String {
    format!("{:.1?}", Duration::from_secs_f64(ms / 1000.0))
}

/// Bytes as people read them.
#[cfg(feature = "testing")]
pub(crate) fn text_of_bytes(bytes: u64) -> String {
    const KIB: f64 = 1024.0;
    match bytes as f64 {
        bytes if bytes >= KIB * KIB => format!("{:.1} MiB", bytes / KIB / KIB),
        bytes if bytes >= KIB => format!("{:.1} KiB", bytes / KIB),
        bytes => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_is_cut_and_what_is_secret_masked() {
        assert_eq!(told("short"), "short");
        let long = "é".repeat(5_000_000);
        let kept = told(&long);
        assert!(kept.len() < KEPT + 64 && kept.ends_with("bytes more)"), "{kept}");
        assert!(kept.contains("(9997952 bytes more)"), "{kept}");
        assert_eq!(told("http://a:b@c/ token=x"), "http://[redacted]@c/ token=[redacted]");
    }

    #[cfg(feature = "testing")]
    #[test]
    fn what_commands_or_turns_is_shown() {
        assert_eq!(
            visible("a\u{1b}[31m\u{9b}\u{202e}\u{fffe}\n"),
            r"a\u{1b}[31m\u{9b}\u{202e}\u{fffe}\n"
        );
        assert_eq!(visible("Ünïcode 🦀"), "Ünïcode 🦀");
    }
}
