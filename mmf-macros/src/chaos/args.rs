//! What is written in `#[chaos(…)]`.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{BinOp, Expr, Token};

use crate::common::errors::{Errors, error, suggestion};
use crate::common::keys::{
    Code, Flag, FromItem, Item, ItemBody, Name, PathValue, Text, items, keys, needs_key, runtime,
    ungrouped, unknown_key,
};
use crate::common::size::Size;
use crate::common::value::Value;

/// The names of all kinds, and the variant of each.
pub(super) const KINDS: [(&str, &str); 11] = [
    ("network_delay", "NetworkDelay"),
    ("network_failure", "NetworkFailure"),
    ("service_unavailable", "ServiceUnavailable"),
    ("high_latency", "HighLatency"),
    ("memory_pressure", "MemoryPressure"),
    ("cpu_spike", "CpuSpike"),
    ("disk_full", "DiskFull"),
    ("random_errors", "RandomErrors"),
    ("intermittent_failures", "IntermittentFailures"),
    ("hang", "Hang"),
    ("panic", "Panic"),
];

/// Those that make a call return an error.
const ERRORS: [&str; 5] = [
    "network_failure",
    "service_unavailable",
    "disk_full",
    "random_errors",
    "intermittent_failures",
];

keys! {
    /// The keys beside the kinds.
    struct Keys {
        name: Name,
        target: Text,
        seed: Value<u64>,
        scenarios: Texts,
        calls: Value<u32>,
        expect: Expect,
        blast_radius: Value<f64>,
        allow_no_injection: Flag,
        krate as "crate": PathValue,
    }
}

keys! {
    /// The keys of a kind.
    struct KindKeys {
        probability: Value<f64>,
        duration: Value<Duration>,
        intensity: Value<f64>,
        target: Text,
        enabled: Value<bool>,
        min: Value<Duration>,
        max: Value<Duration>,
        distribution: Text,
        mean_burst: Value<f64>,
        size: Value<Size>,
        threads: Value<u32>,
        error: Code,
    }
}

/// A kind, as it is written.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    pub(super) name: &'static str,
    pub(super) variant: &'static str,
    pub(super) span: Span,
    pub(super) keys: KindKeys,
}

impl Kind {
    pub(super) fn is_error(&self) -> bool {
        ERRORS.contains(&self.name)
    }
}

/// The whole attribute.
#[derive(Clone, Debug, Default)]
pub(super) struct Args {
    pub(super) keys: Keys,
    pub(super) kinds: Vec<Kind>,
}

impl Args {
    pub(super) fn read(attribute: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self::default();
        let mut others = Vec::new();
        let unnamed = "a value without a key: write for example `network_delay(probability = 0.3)`";
        for item in items(attribute, errors, |_| unnamed.into()) {
            let name = item.name();
            let Some((name, variant)) = KINDS.iter().find(|(kind, _)| *kind == name) else {
                others.push(item);
                continue;
            };
            if args.kinds.iter().any(|kind| kind.name == *name) {
                errors.push(item.span(), format!("`{name}` is written twice"));
            }
            let keys = match &item.body {
                ItemBody::Word => KindKeys::default(),
                ItemBody::List(tokens) => {
                    let items = items(tokens.clone(), errors, needs_key("probability"));
                    KindKeys::read(items, errors, unknown_key)
                }
                ItemBody::Value(_) => {
                    errors.push(
                        item.span(),
                        format!("`{name}` takes keys: `{name}(probability = 0.3)`"),
                    );
                    KindKeys::default()
                }
            };
            args.kinds.push(Kind { name, variant, span: item.span(), keys });
        }
        args.read_others(others, errors);
        args
    }

    /// What is no kind; a wrong name may have been meant as one.
    fn read_others(&mut self, others: Vec<Item>, errors: &mut Errors) {
        let names: Vec<_> = Keys::KEYS.iter().copied().chain(KINDS.map(|(name, _)| name)).collect();
        let (known, unknown): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|item| Keys::KEYS.contains(&item.name().as_str()));
        for item in unknown {
            let name = crate::common::source::source(&item.path);
            let hint = suggestion(&name, &names);
            errors.push(item.span(), format!("unknown kind or key `{name}`{hint}"));
        }
        self.keys = Keys::read(known, errors, unknown_key);
    }

    /// The path of what expansions call.
    pub(super) fn runtime(&self) -> TokenStream {
        runtime(self.keys.krate.as_ref())
    }
}

/// Texts behind a key: `scenarios("network", "errors")`.
#[derive(Clone, Debug)]
pub(super) struct Texts(pub(super) Vec<syn::LitStr>);

impl FromItem for Texts {
    fn from_item(item: &Item) -> darling::Result<Self> {
        item.list(<syn::LitStr as syn::parse::Parse>::parse).map(Self)
    }
}

/// `expect(success_rate >= 0.95, p99 <= "2s", no_panics, recovers_within = "30s")`
#[derive(Clone, Debug, Default)]
pub(super) struct Expect {
    pub(super) success_rate: Option<Value<f64>>,
    pub(super) p99: Option<Value<Duration>>,
    pub(super) no_panics: Option<Span>,
    pub(super) recovers_within: Option<Value<Duration>>,
}

impl FromItem for Expect {
    fn from_item(item: &Item) -> darling::Result<Self> {
        let ItemBody::List(tokens) = &item.body else {
            return Err(error(
                item.span(),
                "`expect` needs a list: `expect(success_rate >= 0.95)`",
            ));
        };
        let parser = Punctuated::<Expr, Token![,]>::parse_terminated;
        let mut expect = Self::default();
        for rule in parser.parse2(tokens.clone())? {
            expect.read(&rule)?;
        }
        Ok(expect)
    }
}

impl Expect {
    fn read(&mut self, rule: &Expr) -> darling::Result<()> {
        let rules = "expected `success_rate >= 0.95`, `p99 <= \"2s\"`, `no_panics` or \
                     `recovers_within = \"30s\"`";
        let name = |expr: &Expr| expr.to_token_stream().to_string();
        let wrong = || error(rule.span(), rules);
        match ungrouped(rule) {
            Expr::Path(path) if name(rule) == "no_panics" => self.no_panics = Some(path.span()),
            Expr::Binary(rule) => match (name(&rule.left).as_str(), &rule.op) {
                ("success_rate", BinOp::Ge(_)) => {
                    self.success_rate = Some(Value::from_expr(&rule.right, "success_rate")?);
                }
                ("p99", BinOp::Le(_)) => self.p99 = Some(Value::from_expr(&rule.right, "p99")?),
                _ => return Err(wrong()),
            },
            Expr::Assign(rule) if name(&rule.left) == "recovers_within" => {
                self.recovers_within = Some(Value::from_expr(&rule.right, "recovers_within")?);
            }
            _ => return Err(wrong()),
        }
        Ok(())
    }
}
