//! `#[performance_test]`: [`args`] is what was written and what is wrong with it, the code is here.

pub(crate) mod args;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::spanned::Spanned;

use crate::common::errors::Errors;
use crate::common::function::Function;
use crate::common::keys::{items, needs_key, unknown_key};
use crate::common::test::{no_other_test, should_panic};
use args::Args;

/// Expands the attribute. With any error, the function is emitted as it was beside the errors.
pub(crate) fn performance_test(attribute: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args =
        Args::read(items(attribute, &mut errors, needs_key("endpoint")), &mut errors, unknown_key);
    args.check(&mut errors);
    let Ok(function) = syn::parse2::<Function>(item.clone()) else {
        errors.push(item.span(), "`#[performance_test]` goes on a function");
        let errors = errors.into_tokens();
        return quote!(#item #errors);
    };
    if let Some(argument) = function.sig.inputs.first() {
        errors.push(argument.span(), "a performance test takes no argument");
    }
    no_other_test("performance_test", &function, &mut errors);
    if !errors.is_empty() {
        let errors = errors.into_tokens();
        let function = function.into_token_stream();
        return quote!(#[allow(dead_code)] #function #errors);
    }
    expand(&args, &function)
}

// Input:  #[performance_test(iterations = 1000)] async fn list() -> Result<(), E> { BODY }
// Output:
//     #[test]
//     fn list() {
//         async fn body() -> Result<(), E> { BODY }
//         PerformanceTest::new("…::list").iterations(1000).run_blocking(body).assert_passed()
//     }
fn expand(args: &Args, function: &Function) -> TokenStream {
    let krate = args.krate.as_ref().map(|krate| krate.0.to_token_stream());
    let krate = krate.unwrap_or_else(|| quote!(::mmf));
    let rt = quote!(#krate::__private::testing);
    let Function { attrs, vis, sig, block, .. } = function;
    let ident = &sig.ident;
    let name = syn::ext::IdentExt::unraw(ident).to_string();
    let mut test =
        quote!(#rt::PerformanceTest::new(::core::concat!(::core::module_path!(), "::", #name)));
    let mut set = |key: &str, value: Option<TokenStream>| {
        let key = quote::format_ident!("{key}");
        test.extend(value.map(|value| quote!(.#key(#value))));
    };
    let code = |value: &dyn ToTokens| Some(value.to_token_stream());
    set("endpoint", args.endpoint.as_ref().and_then(|endpoint| code(&endpoint.text)));
    set("iterations", args.iterations.as_ref().and_then(|value| code(value)));
    set("duration", args.duration.as_ref().and_then(|value| code(value)));
    set("warm_up", args.warm_up.as_ref().and_then(|value| code(value)));
    set("concurrency", args.concurrency.as_ref().map(|value| quote!((#value) as usize)));
    set("rate", args.rate.as_ref().and_then(|value| code(value)));
    set("allow_missed_rate", args.allow_missed_rate.as_ref().and_then(|value| code(value)));
    set("percentile", args.percentile.as_ref().and_then(|value| code(value)));
    let baseline = args.baseline.as_ref().map(|baseline| {
        let file = format!("/mmf-baselines/{}.json", baseline.text);
        quote!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), #file))
    });
    set("baseline", baseline);
    set("pid", args.pid.as_ref().and_then(|pid| code(&pid.0)));
    let limit = |value: Option<TokenStream>| match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    };
    let response_time = limit(args.max_response_time.as_ref().and_then(|value| code(value)));
    let memory = limit(args.max_memory.as_ref().and_then(|value| code(value)));
    let cpu = limit(args.max_cpu.as_ref().and_then(|value| code(value)));
    let throughput = limit(args.min_throughput.as_ref().and_then(|value| code(value)));
    let error_rate = limit(args.max_error_rate.as_ref().and_then(|value| code(value)));
    if should_panic(function) {
        test.extend(quote!(.should_fail()));
    }
    let (asyncness, output) = (&sig.asyncness, &sig.output);
    let run =
        if asyncness.is_some() { quote!(__mmf_body) } else { quote!(|| async { __mmf_body() }) };
    quote! {
        #[::core::prelude::v1::test]
        #(#attrs)*
        #vis fn #ident() {
            #asyncness fn __mmf_body() #output #block
            #test
                .limits(#rt::Limits {
                    max_response_time: #response_time,
                    max_memory: #memory,
                    max_cpu: #cpu,
                    min_throughput: #throughput,
                    max_error_rate: #error_rate,
                })
                .run_blocking(#run)
                .assert_passed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contradictions_are_told_at_once() {
        let code = performance_test(
            quote!(
                iterations = 0,
                duration = "1s",
                concurrency = 0,
                rate = 100.0,
                min_throughput = 200.0,
                percentile = 101,
                max_memry = "1MiB"
            ),
            &quote!(
                fn f(a: u8) {}
            ),
        )
        .to_string();
        for message in [
            "`iterations` and `duration` exclude each other",
            "`iterations` must be at least 1",
            "`concurrency` must be at least 1",
            "`min_throughput` is above the `rate` of 100",
            "`percentile` lies above 0",
            "unknown key `max_memry`, did you mean `max_memory`?",
            "takes no argument",
        ] {
            assert!(code.contains(message), "{message}: {code}");
        }
    }
}
