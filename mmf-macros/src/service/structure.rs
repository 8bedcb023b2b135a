//! `#[service]` on a struct, which gets `logger()`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ItemStruct;

use super::args::Args;
use crate::common::errors::Errors;

// Input:  struct Users { … }
// Output: the same, and `impl Users { fn logger(&self) -> &'static ServiceLogger { … } }`
pub(super) fn expand(args: &Args, item: &ItemStruct, mut errors: Errors) -> TokenStream {
    args.check_name(&mut errors);
    args.check_no_process(&mut errors);
    if !errors.is_empty() {
        let errors = errors.into_tokens();
        return quote!(#item #errors);
    }
    let rt = args.runtime();
    let name = args.name.as_ref().map(|name| &name.text);
    let (ident, vis) = (&item.ident, &item.vis);
    let (generics, arguments, bounds) = item.generics.split_for_impl();
    quote! {
        #item
        impl #generics #ident #arguments #bounds {
            /// The logger of this service.
            #vis fn logger(&self) -> &'static #rt::ServiceLogger {
                static LOGGER: #rt::ServiceLogger = #rt::ServiceLogger::new(#name);
                &LOGGER
            }
        }
    }
}
