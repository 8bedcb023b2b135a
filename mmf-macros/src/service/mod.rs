//! `#[service]`: [`args`] is what was written and what is wrong with it; [`main_function`], [`operations`]
//! and [`structure`] are the code for each item it goes on, [`operation`] that of a method of a block.

mod args;
mod main_function;
mod operation;
mod operations;
mod structure;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ItemStruct;
use syn::spanned::Spanned;

use crate::common::block::Block;
use crate::common::errors::Errors;
use crate::common::function::Function;
use crate::common::keys::{Text, items, needs_key, unknown_key};
use args::Args;

pub(crate) use operation::operation;

/// Expands the attribute. With any error, the item is emitted as it was beside the errors.
pub(crate) fn service(attribute: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let items = items(attribute, &mut errors, needs_key("name"));
    let is_all_read = errors.is_empty();
    let mut args = Args::read(items, &mut errors, unknown_key);
    if !is_all_read {
        // What is missing may be what could not be read.
        args.name.get_or_insert(Text { text: String::new(), span: Span::call_site() });
    }
    if Block::is_one(item) {
        return operations::expand(&args, item, errors);
    }
    if let Ok(function) = syn::parse2::<Function>(item.clone()) {
        return main_function::expand(&args, function, errors);
    }
    if let Ok(item) = syn::parse2::<ItemStruct>(item.clone()) {
        return structure::expand(&args, &item, errors);
    }
    errors.push(
        item.span(),
        "`#[service]` goes on `async fn main`, on an `impl` block or on a struct",
    );
    let errors = errors.into_tokens();
    quote!(#item #errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(attribute: TokenStream, item: &TokenStream) -> String {
        service(attribute, item).to_string()
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let code = expanded(
            quote!(nme = "users", flavor = "many", worker_threads = 0),
            &quote!(
                fn main(a: u8, b: u8) {}
            ),
        );
        for message in [
            "unknown key `nme`, did you mean `name`?",
            "`#[service]` needs the name of the service: `name = \\\"user-service\\\"`",
            "unknown flavor `many`, expected \\\"multi_thread\\\" or \\\"current_thread\\\"",
            "`worker_threads` must be at least 1",
            "`#[service]` needs an `async fn main`",
            "takes at most one argument, the `mmf::Service`",
        ] {
            assert!(code.contains(message), "{message}: {code}");
        }
    }

    #[test]
    fn threads_belong_to_the_flavor_that_has_them() {
        let code = expanded(
            quote!(name = "users", flavor = "current_thread", worker_threads = 2),
            &quote!(
                async fn main() {}
            ),
        );
        assert!(
            code.contains("`worker_threads` has no meaning with `flavor = \\\"current_thread\\\"`")
        );
    }

    #[test]
    fn every_mistake_in_a_block_is_told_at_once() {
        let code = expanded(
            quote!(name = "users", version = "1"),
            &quote!(
                impl Users {
                    #[operation(levl = "info")]
                    pub async fn a(&self) {}
                    #[operation(level = "inf")]
                    pub async fn b(&self) {}
                    #[operation(skip, name = "x")]
                    pub async fn c(&self) {}
                }
            ),
        );
        for message in [
            "`version` belongs to the `#[service]` of `async fn main`",
            "unknown key `levl`, did you mean `level`?",
            "unknown level `inf`, did you mean `info`?",
            "a skipped method is no operation: `skip` stands alone",
        ] {
            assert!(code.contains(message), "{message}: {code}");
        }
        assert!(code.contains("pub async fn a"), "{code}");
    }

    #[test]
    fn only_operations_are_wrapped() {
        let code = expanded(
            quote!(name = "users"),
            &quote!(
                impl Users {
                    pub async fn wrapped(&self) {}
                    #[operation(name = "users.purge", fields(count = self.n))]
                    fn also(&self) {}
                    async fn private(&self) {}
                    pub fn blocking(&self) {}
                    #[operation(skip)]
                    pub async fn skipped(&self) {}
                }
            ),
        );
        assert_eq!(code.matches("# [:: mmf :: operation (__of_block").count(), 2, "{code}");
        assert!(code.contains("\"users.purge\"") && code.contains("count = self . n"), "{code}");
        assert!(!code.contains("# [operation"), "{code}");
    }

    #[test]
    fn an_operation_is_expanded_after_what_stands_beside_it() {
        let code = expanded(
            quote!(name = "users"),
            &quote!(
                impl Users {
                    #[operation(level = "debug")]
                    #[resilient(retry)]
                    async fn get(&self) -> Result<u8, E> {}
                }
            ),
        );
        let expected = "# [resilient (retry)] # [:: mmf :: operation (__of_block , \
                        __component = \"users\" , level = \"debug\")]";
        assert!(code.contains(expected), "{code}");
    }

    #[test]
    fn an_operation_needs_its_block() {
        let method = quote!(
            async fn get(&self) {}
        );
        let code = operation(quote!(name = "x"), &method).to_string();
        assert!(code.contains("needs `#[service]` on the `impl` block"), "{code}");
        assert!(code.contains("async fn get"), "{code}");
        let code = operation(quote!(__of_block, __component = "users"), &method).to_string();
        assert!(code.contains("operation :: begin"), "{code}");
    }

    #[test]
    fn a_block_without_operations_is_a_mistake() {
        let code = expanded(quote!(), &quote!(impl Users { fn a(&self) {} }));
        assert!(code.contains("no method is an operation"), "{code}");
    }
}
