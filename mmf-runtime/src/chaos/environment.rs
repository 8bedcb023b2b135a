//! `MMF_CHAOS`: faults for a running binary.
//!
//! ```text
//! MMF_CHAOS='users.*: network_delay(p=0.3, max=2s), network_failure(p=0.1); orders.*: hang(duration=1m)'
//! ```

use std::cell::Cell;
use std::ffi::OsStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::config::ChaosConfig;
use super::excerpt::{around, beginning, quoted};
use super::fault::{Distribution, Fault};
use super::injector::ChaosInjector;
use super::kind::ChaosKind;
use super::point::{self, environment_was_read};
use super::release;
use super::scope::{self, Armed};
use crate::stderr::tell;

/// How often a process says that it is under an experiment.
const BETWEEN_REMINDERS: Duration = Duration::from_secs(60);

/// How much of the variable the log is told.
const TOLD: usize = 200;

/// Whether `MMF_CHAOS` has been read, and what it says is armed.
static WAS_READ: AtomicBool = AtomicBool::new(false);

thread_local! {
    static IS_READING: Cell<bool> = const { Cell::new(false) };
}

/// Reads `MMF_CHAOS`, once.
///
/// No lock holds the other threads up: the faults that points name themselves and whatever the log is written to
/// are code of the user, which may well make calls at points. Threads that come first together each read the
/// variable, and the first to be ready arms it for all.
pub(crate) fn read() {
    if WAS_READ.load(Ordering::Acquire) || IS_READING.replace(true) {
        return;
    }
    let variable = std::env::var_os("MMF_CHAOS").unwrap_or_default();
    let (injectors, refused) = match experiments(&variable) {
        Ok(injectors) => (injectors, Vec::new()),
        Err(lines) => (Vec::new(), lines),
    };
    IS_READING.set(false);
    let Some(armed) = scope::arm_first(&WAS_READ, injectors) else { return };
    environment_was_read();
    for line in refused {
        tell(format_args!("{line}"));
    }
    if !armed.is_empty() {
        announce(&beginning(&variable.to_string_lossy(), TOLD), armed);
    }
}

/// What the variable asks for, or the lines that say why nothing is armed.
fn experiments(variable: &OsStr) -> Result<Vec<ChaosInjector>, Vec<String>> {
    if variable.is_empty() {
        return Ok(Vec::new());
    }
    let Some(text) = variable.to_str() else {
        return Err(vec!["MMF_CHAOS is no text, nothing is armed".into()]);
    };
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    if let Some(refusal) = release::refusal() {
        return Err(vec![format!("MMF_CHAOS {refusal}")]);
    }
    let configs = parse(text).map_err(|mistake| mistake.lines(text))?;
    // One for all, so that it repeats all of them.
    let seed = scope::seed(None);
    let injectors = configs.into_iter().map(|config| ChaosInjector::new(config, seed));
    injectors
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| vec![format!("MMF_CHAOS cannot work, nothing is armed: {error}")])
}

/// Says what is armed, now and every minute, for as long as it is.
fn announce(text: &str, armed: Vec<Armed>) {
    let longest = armed.iter().map(|armed| armed.injector().lasts()).max().unwrap_or_default();
    let points: usize = armed.iter().map(|armed| armed.injector().points()).sum();
    let seed = armed.first().map(|armed| armed.injector().seed()).unwrap_or_default();
    let seconds = longest.as_secs();
    tracing::warn!(
        target: "mmf::chaos", experiment = text, points, seed, seconds,
        "FAULTS ARE INJECTED into this process, by MMF_CHAOS"
    );
    // Where nobody logs, it must not be silent.
    let is_silent = !tracing::dispatcher::has_been_set();
    if is_silent {
        tell(format_args!(
            "FAULTS ARE INJECTED into this process for {seconds} s, at {points} points, by MMF_CHAOS={text} \
             with MMF_CHAOS_SEED={seed}"
        ));
    }
    if points == 0 {
        let known: Vec<_> = point::points().iter().map(|point| point.name).collect();
        let known = known.join(", ");
        tracing::warn!(target: "mmf::chaos", known, "MMF_CHAOS matches no point of this program");
        if is_silent {
            tell(format_args!("MMF_CHAOS matches no point of this program; there are: {known}"));
        }
    }
    let text = text.to_owned();
    let remind = move || {
        let started = Instant::now();
        loop {
            let left = longest.saturating_sub(started.elapsed());
            std::thread::sleep(left.min(BETWEEN_REMINDERS));
            let injections: u64 = armed.iter().map(|armed| armed.injector().injections()).sum();
            if armed.iter().all(|armed| armed.injector().is_over()) {
                tracing::warn!(target: "mmf::chaos", injections, "MMF_CHAOS was disarmed");
                return;
            }
            if left <= BETWEEN_REMINDERS {
                tracing::warn!(target: "mmf::chaos", injections, "MMF_CHAOS is over");
                return;
            }
            tracing::warn!(
                target: "mmf::chaos", experiment = text, injections,
                "FAULTS ARE STILL INJECTED into this process, by MMF_CHAOS"
            );
        }
    };
    if let Err(error) = std::thread::Builder::new().name("mmf-chaos".into()).spawn(remind) {
        tell(format_args!("MMF_CHAOS cannot be watched over, nothing is armed: {error}"));
    }
}

/// What is wrong, and at which byte.
#[derive(Debug, PartialEq, Eq)]
struct Mistake {
    at: usize,
    message: String,
}

impl Mistake {
    /// What is told of it: the piece of the text, with a mark under the place.
    fn lines(&self, text: &str) -> Vec<String> {
        let (piece, mark) = around(text, self.at);
        vec![
            format!("MMF_CHAOS is not understood, nothing is armed: {}", self.message),
            format!("  {piece}"),
            format!("  {}^", " ".repeat(mark)),
        ]
    }
}

fn mistake<T>(at: usize, message: impl Into<String>) -> Result<T, Mistake> {
    Err(Mistake { at, message: message.into() })
}

/// `glob: kind(key=value, …), kind; glob` — a glob alone arms what its points name themselves.
fn parse(text: &str) -> Result<Vec<ChaosConfig>, Mistake> {
    let mut configs = Vec::new();
    for (at, part) in split(text, 0, ';')? {
        // The last colon that is none of a path.
        let bytes = part.as_bytes();
        let before_kinds = part.find('(').unwrap_or(part.len());
        let colon = (0..before_kinds).rev().find(|place| {
            bytes[*place] == b':'
                && bytes.get(place + 1) != Some(&b':')
                && (*place == 0 || bytes[place - 1] != b':')
        });
        let Some(colon) = colon else {
            if part.contains('(') || ChaosKind::named(part.trim()).is_some() {
                return mistake(
                    at,
                    "a target is missing: `*: ` before the kinds means every point",
                );
            }
            configs.push(ChaosConfig::annotated().target(part.trim()));
            continue;
        };
        let mut config = ChaosConfig::new().target(part[..colon].trim());
        for (at, kind) in split(&part[colon + 1..], at + colon + 1, ',')? {
            config = config.fault(fault(kind, at)?);
        }
        configs.push(config);
    }
    Ok(configs)
}

/// The parts between separators outside of parentheses, trimmed, each with where it begins.
fn split(text: &str, start: usize, separator: char) -> Result<Vec<(usize, &str)>, Mistake> {
    let mut parts = Vec::new();
    let (mut depth, mut from) = (0_u32, 0);
    let mut push = |from: usize, to: usize| {
        let part = &text[from..to];
        let at = start + from + part.len() - part.trim_start().len();
        if part.trim().is_empty() {
            return mistake(at, format!("nothing stands before this {separator:?}"));
        }
        parts.push((at, part.trim()));
        Ok(())
    };
    for (place, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' if depth == 0 => return mistake(start + place, "nothing was opened here"),
            ')' => depth -= 1,
            letter if letter == separator && depth == 0 => {
                push(from, place)?;
                from = place + 1;
            }
            _ => {}
        }
    }
    if depth > 0 {
        return mistake(start + text.len(), "a parenthesis is not closed");
    }
    push(from, text.len())?;
    Ok(parts)
}

fn fault(text: &str, at: usize) -> Result<Fault, Mistake> {
    let (name, keys) = match text.split_once('(') {
        Some((name, rest)) => (name, rest.strip_suffix(')').unwrap_or(rest)),
        None => (text, ""),
    };
    let Some(kind) = ChaosKind::named(name.trim()) else {
        let names = ChaosKind::ALL.map(ChaosKind::name).join(", ");
        return mistake(
            at,
            format!("unknown kind {}, expected one of {names}", quoted(name.trim())),
        );
    };
    let mut fault = Fault::new(kind);
    if keys.trim().is_empty() {
        return Ok(fault);
    }
    for (at, pair) in split(keys, at + name.len() + 1, ',')? {
        let Some((key, value)) = pair.split_once('=') else {
            return mistake(at, format!("{} is no key=value", quoted(pair)));
        };
        fault = set(fault, key.trim(), value.trim(), at)?;
    }
    if let Some(wrong) = fault.mistake() {
        return mistake(at, wrong);
    }
    Ok(fault)
}

fn set(fault: Fault, key: &str, value: &str, at: usize) -> Result<Fault, Mistake> {
    let number =
        || value.parse::<f64>().or_else(|_| mistake(at, format!("{} is no number", quoted(value))));
    let whole = || {
        value
            .parse::<u64>()
            .or_else(|_| mistake(at, format!("{} is no whole number", quoted(value))))
    };
    let time = || {
        mmf_rules::duration::parse(value).or_else(|_| {
            mistake(at, format!("{} is no duration such as 250ms or 2s", quoted(value)))
        })
    };
    Ok(match key {
        "p" | "probability" => fault.probability(number()?),
        "intensity" => fault.intensity(number()?),
        "duration" => fault.duration(time()?),
        "min" => fault.min(time()?),
        "max" => fault.max(time()?),
        "mean_burst" => fault.mean_burst(number()?),
        "size" => fault.size(whole()?),
        "threads" => fault.threads(usize::try_from(whole()?).unwrap_or(usize::MAX)),
        "distribution" => match value {
            "uniform" => fault.distribution(Distribution::Uniform),
            "normal" => fault.distribution(Distribution::Normal),
            "pareto" => fault.distribution(Distribution::Pareto),
            _ => {
                return mistake(
                    at,
                    format!("{} is none of uniform, normal, pareto", quoted(value)),
                );
            }
        },
        _ => {
            let keys = "p (probability), intensity, duration, min, max, distribution, mean_burst, size, threads";
            return mistake(at, format!("unknown key {}, expected one of {keys}", quoted(key)));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_with_their_targets() {
        let text = "users.*: network_delay(p=0.3, max=2s), hang; app::orders::*: cpu_spike(duration=1m30s); *.x";
        let wanted = vec![
            ChaosConfig::new()
                .target("users.*")
                .fault(
                    Fault::new(ChaosKind::NetworkDelay)
                        .probability(0.3)
                        .max(Duration::from_secs(2)),
                )
                .kind(ChaosKind::Hang),
            ChaosConfig::new()
                .target("app::orders::*")
                .fault(Fault::new(ChaosKind::CpuSpike).duration(Duration::from_secs(90))),
            ChaosConfig::annotated().target("*.x"),
        ];
        assert_eq!(parse(text), Ok(wanted));
    }

    #[test]
    fn durations_have_the_units_of_the_attributes() {
        for (text, nanos) in [
            ("1d", 86_400_000_000_000),
            ("5µs", 5_000),
            ("5us", 5_000),
            ("7ns", 7),
            ("1m 30s", 90_000_000_000),
        ] {
            let wanted = Fault::new(ChaosKind::Hang).duration(Duration::from_nanos(nanos));
            let parsed = parse(&format!("a: hang(duration={text})")).unwrap();
            assert_eq!(parsed, [ChaosConfig::new().target("a").fault(wanted)], "{text}");
        }
    }

    #[test]
    fn mistakes_have_a_place() {
        for (text, at, part) in [
            ("users.*: network_dely", 9, "unknown kind"),
            ("a: hang(p=2)", 3, "between 0 and 1"),
            ("a: hang(q=1)", 8, "unknown key"),
            ("a: hang(p)", 8, "no key=value"),
            ("a: network_delay(max=2)", 17, "no duration"),
            ("a: cpu_spike(threads=-3)", 13, "no whole number"),
            ("a: memory_pressure(size=1.5)", 19, "no whole number"),
            ("a: hang(p=0.1", 13, "not closed"),
            ("a: hang)", 7, "nothing was opened"),
            ("a: hang,,hang", 8, "nothing stands"),
            ("hang(p=1)", 0, "a target is missing"),
            ("", 0, "nothing stands"),
        ] {
            let mistake = parse(text).unwrap_err();
            assert!(mistake.message.contains(part) && mistake.at == at, "{text}: {mistake:?}");
        }
    }

    #[test]
    fn a_mistake_is_shown_with_what_stands_around_it_however_far_it_lies() {
        let text = format!("a: {}disk_ful", "hang, ".repeat(20_000));
        let lines = parse(&text).unwrap_err().lines(&text);
        let [message, piece, mark] = &lines[..] else { panic!("{lines:?}") };
        assert!(message.contains("unknown kind \"disk_ful\""), "{message}");
        assert!(piece.starts_with("  …") && piece.chars().count() < 70, "{piece}");
        let under: String = piece.chars().skip(mark.chars().count() - 1).collect();
        assert_eq!(under, "disk_ful");
    }

    #[test]
    fn no_mistake_repeats_more_of_the_text_than_a_line_can_hold() {
        let long = "\u{1b}[31m\n".repeat(50_000);
        for text in [
            format!("a: {long}"),
            format!("a: hang({long})"),
            format!("a: hang({long}=1)"),
            format!("a: hang(p={long})"),
            format!("a: hang(duration={long})"),
            format!("a: hang(distribution={long})"),
            format!("{long})"),
        ] {
            for line in parse(&text).unwrap_err().lines(&text) {
                assert!(line.chars().count() < 400, "{line}");
                assert!(!line.contains(char::is_control), "{line:?}");
            }
        }
    }
}
