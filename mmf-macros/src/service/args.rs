//! What is written in `#[service(…)]`.

use std::time::Duration;

use crate::common::errors::Errors;
use crate::common::keys::{PathValue, Text, keys};
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
        krate as "crate": PathValue,
    }
}

impl Args {
    pub(super) fn is_current_thread(&self) -> bool {
        self.flavor.as_ref().is_some_and(|flavor| flavor.text == "current_thread")
    }

    pub(super) fn check(&self, errors: &mut Errors) {
        if self.name.is_none() {
            errors.push(
                proc_macro2::Span::call_site(),
                "`#[service]` needs the name of the service: `name = \"user-service\"`",
            );
        }
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
}
