//! The code of a test that becomes an experiment.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};

use super::args::Args;
use super::point::fault;
use crate::common::function::Function;
use crate::common::keys::is_named;
use crate::common::test::split_lints;

// Input:  #[chaos(target = "users.*", scenarios("network"))] #[tokio::test] async fn survives() { BODY }
// Output:
//     mod survives {
//         use super::*;
//         async fn body() { BODY }
//         #[tokio::test]
//         async fn network() { suite(…).scenario(…).run(body).await.assert_passed() }
//     }
pub(super) fn expand(args: &Args, function: &Function) -> TokenStream {
    let Function { attrs, sig, block, .. } = function;
    let (lints, attrs) = split_lints(attrs);
    let (conditions, attrs): (Vec<_>, Vec<_>) =
        attrs.into_iter().partition(|attribute| is_named(attribute, "cfg"));
    let (asyncness, output) = (&sig.asyncness, &sig.output);
    let is_async = asyncness.is_some();
    let tests = scenarios(args).into_iter().map(|(name, scenario)| {
        let suite = suite(args, &name, &scenario);
        let run = if is_async {
            quote!(#suite.run(__mmf_body).await.assert_passed())
        } else {
            quote!(#suite.run_blocking(__mmf_body).assert_passed())
        };
        let ident = format_ident!("{name}");
        quote!(#(#attrs)* #asyncness fn #ident() { #run })
    });
    let module = &sig.ident;
    quote! {
        #(#conditions)*
        mod #module {
            use super::*;

            #(#lints)*
            #asyncness fn __mmf_body() #output #block

            #(#tests)*
        }
    }
}

/// The scenarios by name, each with its code: those written, then one of the faults written.
fn scenarios(args: &Args) -> Vec<(String, TokenStream)> {
    let rt = args.runtime();
    let mut names: Vec<_> =
        args.keys.scenarios.iter().flat_map(|texts| &texts.0).map(syn::LitStr::value).collect();
    if names.is_empty() && args.kinds.is_empty() {
        names.push("all".into());
    }
    let mut scenarios: Vec<_> = names
        .into_iter()
        .map(|name| {
            let code = quote!(#rt::chaos::Scenario::named(#name).expect("a name that was checked"));
            (name, code)
        })
        .collect();
    if !args.kinds.is_empty() {
        let cases = args.kinds.iter().map(|kind| {
            let (name, fault) = (kind.name, fault(&rt, kind));
            quote!(.case(#name, [#fault]))
        });
        scenarios.push(("faults".into(), quote!(#rt::chaos::Scenario::new("faults")#(#cases)*)));
    }
    scenarios
}

fn suite(args: &Args, name: &str, scenario: &TokenStream) -> TokenStream {
    let rt = args.runtime();
    let keys = &args.keys;
    let mut suite = quote! {
        #rt::chaos::ResilienceTestSuite::new(::core::concat!(::core::module_path!(), "::", #name))
            .scenario(#scenario)
    };
    if let Some(target) = &keys.target {
        let target = &target.text;
        suite.extend(quote!(.target(#target)));
    }
    if let Some(seed) = &keys.seed {
        suite.extend(quote!(.seed(#seed)));
    }
    if let Some(calls) = &keys.calls {
        suite.extend(quote!(.calls(#calls)));
    }
    if let Some(share) = &keys.blast_radius {
        suite.extend(quote!(.blast_radius(#share)));
    }
    if keys.allow_no_injection.is_some() {
        suite.extend(quote!(.allow_no_injection()));
    }
    if let Some(expect) = &keys.expect {
        let some = |value: Option<TokenStream>| match value {
            Some(value) => quote!(::core::option::Option::Some(#value)),
            None => quote!(::core::option::Option::None),
        };
        let rate = expect.success_rate.as_ref().map_or(quote!(1.0), ToTokens::to_token_stream);
        let p99 = some(expect.p99.as_ref().map(ToTokens::to_token_stream));
        let recovers = some(expect.recovers_within.as_ref().map(ToTokens::to_token_stream));
        let no_panics = expect.no_panics.is_some();
        suite.extend(quote! {
            .expect(#rt::chaos::Expectation {
                success_rate: #rate,
                p99: #p99,
                no_panics: #no_panics,
                recovers_within: #recovers,
            })
        });
    }
    suite
}
