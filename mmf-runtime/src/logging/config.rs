//! What a user sets about logging.

use std::borrow::Cow;

use regex::Regex;

use super::redaction::WORDS;

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Flat JSON: `timestamp`, `level`, `service`, ids, `message`, fields.
    #[default]
    Json,
    /// For people, coloured on a terminal unless `NO_COLOR` is set.
    Text,
    /// Flat JSON by the names of the Elastic Common Schema 8.
    Ecs,
    /// The log data model of OpenTelemetry, as JSON.
    Otel,
}

impl Format {
    fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "json" => Some(Self::Json),
            "text" => Some(Self::Text),
            "ecs" => Some(Self::Ecs),
            "otel" => Some(Self::Otel),
            _ => None,
        }
    }
}

/// What happens to a line when the queue to the writing thread is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// The thread that logs waits: nothing is lost.
    #[default]
    Block,
    /// The line is dropped and counted, and the loss is logged.
    Drop,
}

/// How a service logs. Made from a name, then by setters; the environment is asked last by
/// [`override_from_env`](Self::override_from_env), which [`init`](super::init) does.
///
/// ```
/// # use mmf_runtime as mmf;
/// use mmf::logging::{Format, LoggingConfig};
///
/// let config = LoggingConfig::new("user-service").level("info,sqlx=warn").format(Format::Ecs);
/// ```
#[derive(Clone, Debug)]
pub struct LoggingConfig {
    pub(super) service: Cow<'static, str>,
    pub(super) version: Option<Cow<'static, str>>,
    pub(super) environment: Option<Cow<'static, str>>,
    pub(super) level: Directives,
    /// The level of the spans that are exported.
    #[cfg(feature = "otel")]
    pub(super) export_level: Directives,
    pub(super) format: Format,
    /// Words of keys whose values are not printed.
    pub(super) redacted: Vec<String>,
    /// What is not printed of any text.
    pub(super) patterns: Vec<Regex>,
    pub(super) queue: usize,
    pub(super) when_full: WhenFull,
    pub(super) traces: bool,
    pub(super) correlation: bool,
    /// The user's own events that repeat themselves are gathered as well.
    pub(super) gather_repeats: bool,
    /// Lines tell where in the code they come from.
    pub(super) source: bool,
    /// Text is written to a terminal that shows colours.
    pub(super) colours: bool,
    /// What was wrong with the environment and the patterns, to be told once logging works.
    pub(super) complaints: Vec<String>,
}

/// A level, or directives as in `RUST_LOG`: what the code says, and what the environment says in place of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directives {
    pub(super) own: String,
    pub(super) of_env: Option<String>,
}

impl Directives {
    pub(super) fn new(own: String) -> Self {
        Self { own, of_env: None }
    }
}

impl LoggingConfig {
    /// The defaults: JSON at `info`, a queue of 1 MiB that blocks when full, and these words of keys
    /// redacted: password, passwd, pwd, passphrase, secret, token, authorization, cookie, `api_key`,
    /// credential, `private_key`, bearer, session, otp, pin, ssn, iban, `card_number`, cvv, and written as
    /// one also `accesstoken`, `refreshtoken` and `clientsecret`. [`redact`](Self::redact) says how they are
    /// looked for.
    pub fn new(service: impl Into<Cow<'static, str>>) -> Self {
        Self {
            service: service.into(),
            version: None,
            environment: None,
            level: Directives::new("info".into()),
            #[cfg(feature = "otel")]
            export_level: Directives::new("info".into()),
            format: Format::default(),
            redacted: WORDS.map(Into::into).into(),
            patterns: Vec::new(),
            queue: 1 << 20,
            when_full: WhenFull::default(),
            traces: true,
            correlation: true,
            gather_repeats: false,
            source: false,
            colours: false,
            complaints: Vec::new(),
        }
    }

    /// Its name.
    #[cfg(feature = "otel")]
    #[doc(hidden)]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Its version.
    #[cfg(feature = "otel")]
    #[doc(hidden)]
    pub fn service_version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// Its environment.
    #[cfg(feature = "otel")]
    #[doc(hidden)]
    pub fn service_environment(&self) -> Option<&str> {
        self.environment.as_deref()
    }

    /// The version of the service, for formats that have a place for it.
    pub fn version(mut self, version: impl Into<Cow<'static, str>>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// The environment it runs in, such as `production`, for formats that have a place for it.
    pub fn environment(mut self, environment: impl Into<Cow<'static, str>>) -> Self {
        self.environment = Some(environment.into());
        self
    }

    /// The level, or directives as in `RUST_LOG`. Default: `info`.
    pub fn level(mut self, directives: impl Into<String>) -> Self {
        self.level = Directives::new(directives.into());
        self
    }

    /// The level of the spans that are exported by OTLP, or directives as in `RUST_LOG`, whatever level the
    /// lines have. Default: `info`.
    #[cfg(feature = "otel")]
    pub fn export_level(mut self, directives: impl Into<String>) -> Self {
        self.export_level = Directives::new(directives.into());
        self
    }

    /// How a line is written. Default: JSON.
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Words of keys whose values are printed as `[redacted]`, in place of the default ones, which are printed
    /// then: [`redact_also`](Self::redact_also) keeps them.
    ///
    /// A key is taken apart where a capital begins, between letters and digits, and at what is neither; a
    /// word is looked for among those parts, in any spelling: `api_key` is in `apiKey`, `X-API-Key`,
    /// `stripe.api_key` and `apikey`, `token` is in `accessToken` and not in `tokenizer`. Under a word in the
    /// plural, such as `tokens_used`, numbers are printed and all else is not.
    pub fn redact<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.redacted = words.into_iter().map(Into::into).collect();
        self
    }

    /// Words of keys beside those that are redacted so far.
    ///
    /// ```
    /// # use mmf_runtime as mmf;
    /// use mmf::logging::LoggingConfig;
    ///
    /// let config = LoggingConfig::new("user-service").redact_also(["shoe_size"]);
    /// ```
    pub fn redact_also<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.redacted.extend(words.into_iter().map(Into::into));
        self
    }

    /// Patterns of text that is printed as `[redacted]` wherever it stands in a message, or in the value of a
    /// field that is text: regular expressions as the crate `regex` has them. Keys and numbers are not looked
    /// at. A pattern that is none is left aside and told as a warning once logging works. Default: none.
    ///
    /// ```
    /// # use mmf_runtime as mmf;
    /// use mmf::logging::LoggingConfig;
    ///
    /// let mail = r"[\w.+-]+@[\w-]+(\.[\w-]+)+";
    /// let config = LoggingConfig::new("user-service").redact_values([mail, r"\b\d{13,19}\b"]);
    /// ```
    pub fn redact_values(mut self, patterns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        for pattern in patterns {
            let pattern: String = pattern.into();
            match Regex::new(&pattern) {
                Ok(pattern) => self.patterns.push(pattern),
                Err(error) => self.complaints.push(format!(
                    "the pattern {pattern:?} redacts nothing, as it is none: {error}"
                )),
            }
        }
        self
    }

    /// Gathers the repeats of your own events and of operations: of what one place in the code logs with one `policy`
    /// (or one `operation`), ten lines a second are written in full, and the rest of that second is one line, the
    /// last of them with `repeated`, how many more there were, and without the ids of a request. MMF's own events
    /// are gathered in any case. At most 1 024 places and policies are told apart; what comes beyond is written in
    /// full. [`init`](super::init) does it, whose thread writes that line; a [`json_layer`](super::json_layer) of
    /// your own writes everything. Default: no.
    pub fn gather_repeats(mut self, gather: bool) -> Self {
        self.gather_repeats = gather;
        self
    }

    /// How many bytes of lines may wait to be written; a longer line is taken where none waits.
    /// Default: 1 MiB.
    pub fn queue(mut self, bytes: usize) -> Self {
        self.queue = bytes;
        self
    }

    /// What happens to a line when the queue is full. Default: its thread waits.
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
    }

    /// Whether lines carry `trace_id` and `span_id`. Default: yes.
    pub fn traces(mut self, on: bool) -> Self {
        self.traces = on;
        self
    }

    /// Whether lines carry `correlation_id`. Default: yes.
    pub fn correlation(mut self, on: bool) -> Self {
        self.correlation = on;
        self
    }

    /// Whether lines tell the file and the line in the code that they come from: `file` and `line`, in ECS
    /// `log.origin.file.name` and `log.origin.file.line`, in the data model of OpenTelemetry `code.file.path`
    /// and `code.line.number`. Default: no.
    pub fn with_source(mut self, on: bool) -> Self {
        self.source = on;
        self
    }

    /// Lets the environment override it: `RUST_LOG` or `LOG_LEVEL`, `LOG_FORMAT` (`json`, `text`,
    /// `ecs`, `otel`), `ENABLE_TRACE_LOGGING` and `ENABLE_CORRELATION_LOGGING` (`true`, `false`), and with
    /// the feature `otel` `OTEL_EXPORT_LEVEL`. A value that means nothing is left aside and told as a
    /// warning once logging works.
    pub fn override_from_env(self) -> Self {
        self.override_by(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn override_by(mut self, var: impl Fn(&str) -> Option<String>) -> Self {
        if let Some(level) = var("RUST_LOG").or_else(|| var("LOG_LEVEL")) {
            self.level.of_env = Some(level);
        }
        #[cfg(feature = "otel")]
        if let Some(level) = var("OTEL_EXPORT_LEVEL") {
            self.export_level.of_env = Some(level);
        }
        if let Some(name) = var("LOG_FORMAT") {
            match Format::named(&name) {
                Some(format) => self.format = format,
                None => self.complaints.push(format!(
                    "LOG_FORMAT is {name:?}, expected json, text, ecs or otel; it is left aside"
                )),
            }
        }
        for (name, on) in [
            ("ENABLE_TRACE_LOGGING", &mut self.traces),
            ("ENABLE_CORRELATION_LOGGING", &mut self.correlation),
        ] {
            let Some(value) = var(name) else { continue };
            match value.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => *on = true,
                "false" | "0" | "no" | "off" => *on = false,
                _ => self
                    .complaints
                    .push(format!("{name} is {value:?}, expected true or false; it is left aside")),
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(vars: &[(&str, &str)]) -> LoggingConfig {
        LoggingConfig::new("test").override_by(|name| {
            vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into())
        })
    }

    #[test]
    fn the_environment_overrides() {
        let config = with(&[
            ("LOG_LEVEL", "debug"),
            ("LOG_FORMAT", "ECS"),
            ("ENABLE_TRACE_LOGGING", "false"),
        ]);
        assert_eq!((config.level.of_env.as_deref(), config.format), (Some("debug"), Format::Ecs));
        assert!(!config.traces && config.correlation && config.complaints.is_empty());
        let both = with(&[("LOG_LEVEL", "debug"), ("RUST_LOG", "warn")]);
        assert_eq!(both.level.of_env.as_deref(), Some("warn"));
    }

    #[test]
    fn the_level_of_the_code_is_kept_beside_that_of_the_environment() {
        let directives = |config: &LoggingConfig| {
            let Directives { own, of_env } = config.level.clone();
            (own, of_env)
        };
        let config = with(&[("LOG_LEVEL", "loud")]);
        assert_eq!(directives(&config), ("info".into(), Some("loud".into())));
        // Asked twice, as by a service and by `init`.
        let config = config.override_by(|_| Some("true".into()));
        assert_eq!(directives(&config), ("info".into(), Some("true".into())));
        let config = config.level("warn");
        assert_eq!(directives(&config), ("warn".into(), None));
        assert_eq!(with(&[]).level.of_env, None);
    }

    #[cfg(feature = "otel")]
    #[test]
    fn what_is_exported_has_a_level_of_its_own() {
        let directives = |own: &str| Directives::new(own.into());
        assert_eq!(with(&[("LOG_LEVEL", "debug")]).export_level, directives("info"));
        let config = LoggingConfig::new("test").export_level("warn");
        assert_eq!(config.export_level, directives("warn"));
        let config = with(&[("OTEL_EXPORT_LEVEL", "users=trace")]);
        assert_eq!(config.export_level.of_env.as_deref(), Some("users=trace"));
        assert_eq!(config.level, directives("info"));
    }

    #[test]
    fn a_pattern_that_is_none_is_left_aside_and_told() {
        let config = LoggingConfig::new("test").redact_values([r"\d+", "(", r"\p{Lu}"]);
        assert_eq!(config.patterns.len(), 2);
        let [complaint] = &config.complaints[..] else { panic!("{:?}", config.complaints) };
        assert!(complaint.starts_with("the pattern \"(\" redacts nothing"), "{complaint}");
    }

    #[test]
    fn a_value_that_means_nothing_is_left_aside_and_told() {
        let config = with(&[("LOG_FORMAT", "xml"), ("ENABLE_CORRELATION_LOGGING", "maybe")]);
        assert_eq!(config.format, Format::Json);
        assert!(config.correlation);
        assert_eq!(config.complaints.len(), 2);
    }
}
