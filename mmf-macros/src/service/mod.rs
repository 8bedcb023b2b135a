//! `#[service]` on `async fn main`: [`args`] is what was written and what is wrong with it, [`expand`]
//! the code.

mod args;
mod expand;

use proc_macro2::TokenStream;
use quote::quote;
use syn::ItemFn;
use syn::spanned::Spanned;

use crate::common::errors::Errors;
use crate::common::keys::items;
use args::Args;

/// Expands the attribute. With any error, the item is emitted as it was beside the errors.
pub(crate) fn service(attribute: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let items = items(attribute, &mut errors);
    let args = Args::read(items, &mut errors);
    args.check(&mut errors);
    let Ok(mut function) = syn::parse2::<ItemFn>(item.clone()) else {
        errors.push(item.span(), "`#[service]` goes on `async fn main`");
        let errors = errors.into_tokens();
        return quote!(#item #errors);
    };
    expand::check(&function, &mut errors);
    if errors.is_empty() {
        return expand::expand(&args, &function);
    }
    // A `main` that is async would be one more error.
    function.sig.asyncness = None;
    function.sig.inputs.clear();
    function.sig.output = syn::ReturnType::Default;
    function.block = syn::parse_quote!({});
    let errors = errors.into_tokens();
    quote!(#[allow(unused_imports, dead_code)] #function #errors)
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
}
