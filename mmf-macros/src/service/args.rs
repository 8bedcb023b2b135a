//! What is written in `#[service(…)]` and `#[operation(…)]`.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use syn::spanned::Spanned;

use crate::common::errors::{Errors, suggestion};
use crate::common::keys::{
    Code, Flag, PathValue, Text, Tokens, items, keys, needs_key, runtime, unknown_key,
};
use crate::common::value::Value;

keys! {
    /// The whole attribute.
    struct Args {
        name: Text,
        version: Text,
        environment: Text,
        flavor: Text,
        worker_threads: Value<u32>,
        shutdown_timeout: Value<Duration>,
        logging: Code,
        admin: Code,
        krate as "crate": PathValue,
    }
}

keys! {
    /// `#[operation(…)]` on a method of the block.
    struct Operation {
        name: Text,
        skip: Flag,
        fields: Tokens,
        level: Text,
        // What `#[service]` hands on.
        of_block as "__of_block": Flag,
        component as "__component": Text,
        krate as "__crate": PathValue,
    }
}

/// The levels of `#[operation(level = …)]`.
const LEVELS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];

impl Args {
    /// The path of what expansions call.
    pub(super) fn runtime(&self) -> TokenStream {
        runtime(self.krate.as_ref())
    }

    pub(super) fn is_current_thread(&self) -> bool {
        self.flavor.as_ref().is_some_and(|flavor| flavor.text == "current_thread")
    }

    pub(super) fn check_name(&self, errors: &mut Errors) {
        if self.name.is_none() {
            errors.push(
                Span::call_site(),
                "`#[service]` needs the name of the service: `name = \"user-service\"`",
            );
        }
    }

    /// What only a `main` can have.
    pub(super) fn check_process(&self, errors: &mut Errors) {
        if let Some(Text { text, span }) = &self.flavor
            && !matches!(text.as_str(), "multi_thread" | "current_thread")
        {
            errors.push(
                *span,
                format!("unknown flavor `{text}`, expected \"multi_thread\" or \"current_thread\""),
            );
        }
        if let Some(threads) = &self.worker_threads {
            if threads.literal() == Some(&0) {
                errors.push(threads.span(), "`worker_threads` must be at least 1");
            }
            if self.is_current_thread() {
                errors.push(
                    threads.span(),
                    "`worker_threads` has no meaning with `flavor = \"current_thread\"`",
                );
            }
        }
    }

    /// Refuses what only a `main` can have.
    pub(super) fn check_no_process(&self, errors: &mut Errors) {
        let text = |text: &Option<Text>| text.as_ref().map(|text| text.span);
        let keys = [
            ("version", text(&self.version)),
            ("environment", text(&self.environment)),
            ("flavor", text(&self.flavor)),
            ("worker_threads", self.worker_threads.as_ref().map(Value::span)),
            ("shutdown_timeout", self.shutdown_timeout.as_ref().map(Value::span)),
            ("logging", self.logging.as_ref().map(|code| code.0.span())),
            ("admin", self.admin.as_ref().map(|code| code.0.span())),
        ];
        for (key, span) in keys {
            let Some(span) = span else { continue };
            errors.push(span, format!("`{key}` belongs to the `#[service]` of `async fn main`"));
        }
    }
}

impl Operation {
    /// What is written on a method of the block.
    pub(super) fn written(attribute: TokenStream, errors: &mut Errors) -> Self {
        let items = items(attribute, errors, needs_key("name"));
        let is_of_users = |key: &&str| !key.starts_with("__");
        Self::read(items, errors, |item, keys| {
            unknown_key(item, &keys.iter().copied().filter(is_of_users).collect::<Vec<_>>())
        })
    }

    /// The path of what expansions call.
    pub(super) fn runtime(&self) -> TokenStream {
        runtime(self.krate.as_ref())
    }

    pub(super) fn check(&self, errors: &mut Errors) {
        if let Some(Text { text, span }) = &self.level
            && !LEVELS.contains(&text.as_str())
        {
            errors.push(*span, format!("unknown level `{text}`{}", suggestion(text, &LEVELS)));
        }
        let others = self.name.is_some() || self.fields.is_some() || self.level.is_some();
        if let Some(skip) = self.skip.filter(|_| others) {
            errors.push(skip.0, "a skipped method is no operation: `skip` stands alone");
        }
    }

    /// The level as `tracing` names it.
    pub(super) fn level(&self) -> syn::Ident {
        let level = self.level.as_ref().map_or("info", |level| &level.text);
        syn::Ident::new(&level.to_ascii_uppercase(), Span::call_site())
    }
}
