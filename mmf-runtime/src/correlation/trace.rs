//! The place of a request in a trace.

use std::sync::Arc;

/// A place in a trace, by the recommendation W3C Trace Context (level 1; `tracestate` by level 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// `TRACE_ID-SPAN_ID`, in hexadecimal digits.
    ids: Arc<str>,
    flags: u8,
    /// The span of the caller, where the trace came from one.
    parent: Option<u64>,
    /// `tracestate` as it came.
    state: Option<Arc<str>>,
}

impl Trace {
    const TRACE_DIGITS: usize = 32;
    /// The flag that level 1 knows; the others are reserved, and set to zero.
    const SAMPLED: u8 = 1;

    /// A new trace, sampled.
    pub fn new() -> Self {
        Self::of(&format!("{:032x}", rand::random::<u128>().max(1)), Self::SAMPLED, None)
    }

    fn of(trace_id: &str, flags: u8, parent: Option<u64>) -> Self {
        let span = rand::random::<u64>().max(1);
        Self { ids: format!("{trace_id}-{span:016x}").into(), flags, parent, state: None }
    }

    /// A new span of the trace that a `traceparent` names; nothing where the header is not valid.
    pub fn continued(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let [version, trace, parent, flags] =
            [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        let is_hex = |text: &str, digits: usize| {
            text.len() == digits
                && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_zero = |text: &str| text.bytes().all(|byte| byte == b'0');
        // Version ff is not one; a later version may have more parts, version 00 has these four.
        let known = is_hex(version, 2)
            && version != "ff"
            && (version != "00" || parts.next().is_none())
            && is_hex(trace, 32)
            && !is_zero(trace)
            && is_hex(parent, 16)
            && !is_zero(parent)
            && is_hex(flags, 2);
        if !known {
            return None;
        }
        let parent = u64::from_str_radix(parent, 16).ok()?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self::of(trace, flags & Self::SAMPLED, Some(parent)))
    }

    /// With the `tracestate` that came beside the `traceparent`; one that is not valid is left behind, as
    /// the recommendation says. Several headers are joined by commas first.
    pub fn with_state(mut self, tracestate: &str) -> Self {
        self.state = is_valid_state(tracestate).then(|| tracestate.trim().into());
        self
    }

    /// The `tracestate` for a call to another service, where there is one.
    pub fn tracestate(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// The span of the caller, where the trace came from one.
    #[cfg(feature = "otel")]
    pub(crate) fn parent(&self) -> Option<u64> {
        self.parent
    }

    /// 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        &self.ids[..Self::TRACE_DIGITS]
    }

    /// 16 hexadecimal digits.
    pub fn span_id(&self) -> &str {
        &self.ids[Self::TRACE_DIGITS + 1..]
    }

    /// The trace flags: 1 says sampled, 0 not. What else a caller sent is not passed on.
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// The `traceparent` for a call to another service.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{:02x}", self.ids, self.flags)
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a `tracestate` is one: at most 32 members `key=value`, no key twice.
fn is_valid_state(text: &str) -> bool {
    let members: Vec<_> = text
        .split(',')
        .map(|member| member.trim_matches([' ', '\t']))
        .filter(|m| !m.is_empty())
        .collect();
    let keys: Vec<_> = members.iter().filter_map(|member| member.split_once('=')).collect();
    !members.is_empty()
        && members.len() <= 32
        && keys.len() == members.len()
        && keys.iter().enumerate().all(|(place, (key, value))| {
            is_state_key(key)
                && is_state_value(value)
                && !keys[..place].iter().any(|(earlier, _)| earlier == key)
        })
}

fn is_state_key(key: &str) -> bool {
    let begins = key.bytes().next().is_some_and(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9'));
    let goes_on =
        |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    begins && key.len() <= 256 && key.bytes().all(goes_on)
}

fn is_state_value(value: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b' '..=b'~') && byte != b',' && byte != b'=';
    !value.is_empty() && value.len() <= 256 && value.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_valid_traceparent_is_continued() {
        let valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let trace = Trace::continued(valid).unwrap();
        assert_eq!(trace.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!((trace.span_id().len(), trace.flags()), (16, 1));
        assert!(
            Trace::continued(&valid.replacen("00", "cc", 1).replace("-01", "-01-more")).is_some()
        );
        for wrong in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        ] {
            assert_eq!(Trace::continued(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn of_the_flags_only_the_known_one_goes_on() {
        for (given, flags) in [("00", 0), ("01", 1), ("02", 0), ("03", 1), ("fe", 0), ("ff", 1)] {
            for version in ["00", "cc"] {
                let parent = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
                let trace = Trace::continued(&format!("{version}-{parent}-{given}")).unwrap();
                assert_eq!(trace.flags(), flags, "{given}");
                let sent = trace.traceparent();
                assert!(
                    sent.starts_with("00-") && sent.ends_with(&format!("-{flags:02x}")),
                    "{sent}"
                );
            }
        }
    }

    #[test]
    fn a_state_goes_on_as_it_came_and_only_where_it_is_valid() {
        for valid in ["a=1", "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7", "a@b=x , ,c=1", "0x=a b"] {
            assert_eq!(Trace::new().with_state(valid).tracestate(), Some(valid), "{valid}");
        }
        let many = (0..33).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        for wrong in ["", ",", "a", "A=1", "a=1,a=2", "a=b=c", "a=\u{e9}", "_a=1", &many] {
            assert_eq!(Trace::new().with_state(wrong).tracestate(), None, "{wrong}");
        }
    }
}
