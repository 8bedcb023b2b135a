//! The code of a service's `main`.

use proc_macro2::{Delimiter, Group, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::args::Args;
use crate::common::errors::Errors;
use crate::common::function::Function;
use crate::common::keys::Text;
use crate::common::names::private;

pub(super) fn expand(args: &Args, mut function: Function, mut errors: Errors) -> TokenStream {
    args.check_name(&mut errors);
    args.check_process(&mut errors);
    check(&function, &mut errors);
    if errors.is_empty() {
        return whole(args, &function);
    }
    // A `main` that is async would be one more error.
    function.sig.asyncness = None;
    function.sig.inputs.clear();
    function.sig.output = syn::ReturnType::Default;
    let span = function.block.as_ref().map_or_else(Span::call_site, Group::span);
    let mut empty = Group::new(Delimiter::Brace, TokenStream::new());
    empty.set_span(span);
    function.block = Some(empty);
    let errors = errors.into_tokens();
    quote!(#[allow(unused_imports, dead_code)] #function #errors)
}

fn check(function: &Function, errors: &mut Errors) {
    if function.sig.asyncness.is_none() {
        errors.push(function.sig.fn_token.span(), "`#[service]` needs an `async fn main`");
    }
    if let Some(second) = function.sig.inputs.iter().nth(1) {
        errors.push(second.span(), "`main` takes at most one argument, the `mmf::Service`");
    }
}

// Output:
//     fn main() -> ExitCode {
//         async fn main(service: Service) -> Result<(), Error> { BODY }
//         run(Settings { name: "users", version: env!("CARGO_PKG_VERSION"), … }, |service| main(service))
//     }
//
/// The user's `main` stands unchanged inside the one of the program, so that its errors are its own.
fn whole(args: &Args, function: &Function) -> TokenStream {
    let private_rt = args.runtime();
    let rt = quote!(#private_rt::service);
    let text = |text: &Option<Text>| text.as_ref().map(|text| text.text.clone());
    let name = text(&args.name).unwrap_or_default();
    let version = match text(&args.version) {
        Some(version) => quote!(#version),
        None => quote!(::core::env!("CARGO_PKG_VERSION")),
    };
    let environment = match text(&args.environment) {
        Some(environment) => quote!(::core::option::Option::Some(#environment)),
        None => quote!(::core::option::Option::None),
    };
    let threads = match (&args.worker_threads, args.is_current_thread()) {
        (_, true) => quote!(#rt::Threads::Current),
        (Some(threads), false) => quote!(#rt::Threads::Many((#threads) as usize)),
        (None, false) => quote!(#rt::Threads::OnePerCore),
    };
    let timeout = match &args.shutdown_timeout {
        Some(timeout) => quote!(#timeout),
        None => quote!(::core::time::Duration::from_secs(30)),
    };
    // A function or a closure from the configuration to itself, called where it stands.
    let logging = args.logging.as_ref().map_or_else(
        || quote!(|config| config),
        |code| {
            let code = &code.0;
            quote_spanned!(code.span()=> #code)
        },
    );
    let (attrs, vis, ident) = (&function.attrs, &function.vis, &function.sig.ident);
    let takes_service = !function.sig.inputs.is_empty();
    let (settings, service) = (private("__mmf_settings"), private("__mmf_service"));
    // Served beside it, from within its runtime.
    let admin = args.admin.as_ref().map(|code| {
        let address = &code.0;
        quote_spanned!(address.span()=> #private_rt::serve_admin(#address);)
    });
    let call = if takes_service {
        quote!(|#service| { #admin #ident(#service) })
    } else {
        quote!(|_| { #admin #ident() })
    };
    let mut inner = function.clone();
    inner.attrs.clear();
    inner.vis = syn::Visibility::Inherited;
    quote! {
        #(#attrs)*
        #vis fn #ident() -> ::std::process::ExitCode {
            #inner
            let #settings = #rt::Settings {
                name: #name,
                version: #version,
                commit: [
                    ::core::option_env!("GIT_COMMIT"),
                    ::core::option_env!("GIT_SHA"),
                    ::core::option_env!("VERGEN_GIT_SHA"),
                    ::core::option_env!("GITHUB_SHA"),
                    ::core::option_env!("CI_COMMIT_SHA"),
                ]
                .into_iter()
                .flatten()
                .next(),
                debug: ::core::cfg!(debug_assertions),
                environment: #environment,
                threads: #threads,
                shutdown_timeout: #timeout,
                logging: #logging,
            };
            #rt::run(#settings, #call)
        }
    }
}
