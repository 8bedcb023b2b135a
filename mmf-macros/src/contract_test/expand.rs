//! The tests that a function becomes.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned as _;

use super::args::{Args, Pair, pairs};
use super::check::Plan;
use super::name;
use super::part::Part;
use crate::common::function::Function;
use crate::common::keys::Text;
use crate::common::test::should_panic;
use crate::common::test::split_lints;
use crate::common::value::Value;

/// Prints the tests of a plan.
pub(super) fn expand(args: &Args, plan: &Plan, function: &Function) -> TokenStream {
    match plan {
        Plan::Endpoints(endpoints) => of_endpoints(args, endpoints, function),
        Plan::Each(parts) => of_parts(args, parts, function),
        Plan::One => {
            let endpoint = args.endpoint.as_ref().map_or("", |endpoint| &endpoint.text);
            let mut test = asking(args, function, &path_of(&name_of(function)), endpoint);
            test.extend(openapi(args, &args.operation.as_ref().map_or("", |name| &name.text)));
            one(args, function, document(args).as_ref(), &quote!(#test.run))
        }
        Plan::Grpc => {
            let test = asking(args, function, &path_of(&name_of(function)), "gRPC");
            one(args, function, None, &quote!(#test.run_grpc))
        }
        Plan::Consumer { consumer, provider, writes } => {
            let rt = runtime(args);
            let path = path_of(&name_of(function));
            let should_fail = should_fail(function);
            let folder = beside_manifest(writes);
            let test = quote!(#rt::pact::ConsumerTest::new(#path, #consumer, #provider, #folder)#should_fail.run);
            one(args, function, None, &test)
        }
    }
}

// Input:  #[contract_test(service = "users", endpoints("/users" = "2s"))] async fn answers(endpoint: &str) { BODY }
// Output:
//     mod answers {
//         use super::*;
//         async fn body(endpoint: &str) { BODY }
//         #[test]
//         fn users() { run(ContractTest::new(…).sla(…).run_timed(|| body("/users"))).assert_passed() }
//     }
fn of_endpoints(args: &Args, endpoints: &[Pair], function: &Function) -> TokenStream {
    let rt = runtime(args);
    let attrs = &function.attrs;
    let mut known = Vec::new();
    let tests = endpoints.iter().map(|pair| {
        let endpoint = pair.name.value();
        let ident = name::of_test(&endpoint, &mut known);
        let mut test = contract(args, function, &path_of(&ident.to_string()), &endpoint);
        if let Some(value) = &pair.value
            && let Ok(sla) = Value::<Duration>::from_expr(value, "endpoints")
        {
            test.extend(quote!(.sla(#sla)));
        }
        let body = match function.sig.asyncness {
            Some(_) => quote!(|| __mmf_body(#endpoint)),
            None => quote!(|| async { __mmf_body(#endpoint) }),
        };
        quote! {
            #[::core::prelude::v1::test]
            #(#attrs)*
            fn #ident() {
                #rt::run(#test.run_timed(#body)).assert_passed();
            }
        }
    });
    module(function, None, tests)
}

// Input:  #[contract_test(service = "users", pact = "pacts/web-users.json")] async fn web(response: ContractResponse) { BODY }
// Output:
//     mod web {
//         use super::*;
//         async fn body(response: ContractResponse) { BODY }
//         fn test(name: &str, (file, text, path, number): …) {
//             run(async { ContractTest::new(name, …).pact(file, text, number).pact_path(path).run(body).await }).assert_passed()
//         }
//         #[test]
//         fn a_request_for_user_1() { test("…::a_request_for_user_1", ("pacts/web-users.json", include_str!(…), …, 0)) }
//     }
// What is asked stands once, so that a thousand tests cost the compiler little more than one.
fn of_parts(args: &Args, parts: &[Part], function: &Function) -> TokenStream {
    let rt = runtime(args);
    let attrs = &function.attrs;
    let mut known = Vec::new();
    let tests = parts.iter().map(|part| {
        let ident = name::of_test(&part.name, &mut known);
        let name = path_of(&ident.to_string());
        let what = match &part.pact {
            Some(file) => of_file(file, part.number),
            None => part.name.to_token_stream(),
        };
        let ignored = part.ignored.as_ref().map(|why| quote!(#[ignore = #why]));
        quote! {
            #[::core::prelude::v1::test]
            #(#attrs)*
            #ignored
            fn #ident() {
                __mmf_test(#name, #what)
            }
        }
    });
    let mut test = asking(args, function, &quote!(__mmf_name), "");
    let (what, kind) = match args.is_by_pact() {
        true => {
            test.extend(pact(args));
            test.extend(openapi(args, &""));
            let text = quote!(&'static ::core::primitive::str);
            (
                quote!((__mmf_file, __mmf_text, __mmf_path, __mmf_number)),
                quote!((#text, #text, #text, ::core::primitive::usize)),
            )
        }
        false => {
            test.extend(openapi(args, &quote!(__mmf_operation)));
            (quote!(__mmf_operation), quote!(&'static ::core::primitive::str))
        }
    };
    let (body, document) = (body(function), document(args));
    let shared = quote! {
        #document

        #[track_caller]
        fn __mmf_test(__mmf_name: &'static ::core::primitive::str, #what: #kind) {
            #rt::run(async { #test.run(#body).await }).assert_passed();
        }
    };
    module(function, Some(&shared), tests)
}

fn module(
    function: &Function,
    shared: Option<&TokenStream>,
    tests: impl Iterator<Item = TokenStream>,
) -> TokenStream {
    let Function { attrs, sig, block, .. } = function;
    let (lints, _) = split_lints(attrs);
    let (asyncness, inputs, output) = (&sig.asyncness, &sig.inputs, &sig.output);
    let module = &sig.ident;
    quote! {
        mod #module {
            use super::*;

            #shared

            #(#lints)*
            #asyncness fn __mmf_body(#inputs) #output #block

            #(#tests)*
        }
    }
}

// Input:  #[contract_test(service = "users", endpoint = "GET /users/1", status = 200)]
//         async fn user(response: ContractResponse) { BODY }
// Output:
//     #[test]
//     fn user() {
//         async fn body(response: ContractResponse) { BODY }
//         run(async { ContractTest::new(…).base_url(…).status(200).run(body).await }).assert_passed()
//     }
fn one(
    args: &Args,
    function: &Function,
    document: Option<&TokenStream>,
    run: &TokenStream,
) -> TokenStream {
    let rt = runtime(args);
    let Function { attrs, vis, sig, block, .. } = function;
    let (asyncness, inputs, output) = (&sig.asyncness, &sig.inputs, &sig.output);
    let ident = &sig.ident;
    let body = body(function);
    quote! {
        #[::core::prelude::v1::test]
        #(#attrs)*
        #vis fn #ident() {
            #document
            #asyncness fn __mmf_body(#inputs) #output #block
            #rt::run(async { #run(#body).await }).assert_passed();
        }
    }
}

/// The body as a closure that returns a future. Its argument stands where the user's type does, so that a wrong
/// one is an error there.
fn body(function: &Function) -> TokenStream {
    let argument = function.sig.inputs.first().map(|input| {
        let span = match input {
            syn::FnArg::Typed(typed) => typed.ty.span(),
            other => other.span(),
        };
        quote_spanned!(span=> __mmf_argument)
    });
    match function.sig.asyncness {
        Some(_) => quote!(|#argument| __mmf_body(#argument)),
        None => quote!(|#argument| async { __mmf_body(#argument) }),
    }
}

/// A contract that asks by itself, with all that is said by hand.
fn asking(args: &Args, function: &Function, name: &TokenStream, endpoint: &str) -> TokenStream {
    let mut test = contract(args, function, name, endpoint);
    if let Some(url) = &args.base_url {
        let url = &url.0;
        test.extend(quote!(.base_url(#url)));
    }
    if let Some(timeout) = &args.timeout {
        test.extend(quote!(.timeout(#timeout)));
    }
    if let Some(size) = &args.max_body {
        test.extend(quote!(.max_body(#size)));
    }
    if let Some(wait) = &args.wait_ready {
        test.extend(quote!(.wait_ready(#wait)));
    }
    for pair in pairs(args.health_check_endpoints.as_ref()) {
        let endpoint = &pair.name;
        test.extend(quote!(.health_check(#endpoint)));
    }
    for pair in pairs(args.grpc_services.as_ref()) {
        let service = &pair.name;
        test.extend(quote!(.grpc_service(#service)));
    }
    if let Some(body) = &args.request_json {
        let body = &body.0;
        test.extend(quote!(.request_json(&(#body))));
    }
    for pair in pairs(args.request_headers.as_ref()) {
        let (name, value) = (&pair.name, &pair.value);
        test.extend(quote!(.request_header(#name, #value)));
    }
    if let Some(status) = &args.status {
        test.extend(quote!(.status((#status) as u16)));
    }
    for pair in pairs(args.header.as_ref()) {
        let (name, value) = (&pair.name, &pair.value);
        test.extend(quote!(.header(#name, #value)));
    }
    if let Some(schema) = &args.schema {
        let (file, text) = (&schema.text, included(schema));
        test.extend(quote!(.schema(#file, #text)));
    }
    if let Some(sla) = &args.sla {
        test.extend(quote!(.sla(#sla)));
    }
    test
}

fn contract(args: &Args, function: &Function, name: &TokenStream, endpoint: &str) -> TokenStream {
    let rt = runtime(args);
    let service = args.service.as_ref().map(|service| &service.text);
    let mut test = quote!(#rt::ContractTest::new(#name, #service, #endpoint));
    test.extend(should_fail(function));
    if let Some(samples) = &args.samples {
        test.extend(quote!(.samples(#samples)));
    }
    if let Some(percentile) = &args.percentile {
        test.extend(quote!(.percentile(#percentile)));
    }
    test
}

fn openapi(args: &Args, operation: &dyn ToTokens) -> Option<TokenStream> {
    let file = &args.openapi.as_ref()?.text;
    let generate = args.generate.as_ref().map(|generate| quote!(.generate(#generate)));
    Some(quote!(.openapi_files(#file, __MMF_DOCUMENT, #operation) #generate))
}

/// The files of the document, for all tests of a function. As bytes they cost the compiler least, and included
/// they have the tests compiled again when they change.
#[cfg(feature = "openapi")]
fn document(args: &Args) -> Option<TokenStream> {
    let file = args.openapi.as_ref()?;
    // It was read before: what is wrong with it has been told.
    let document = super::openapi::read(file, &mut crate::common::errors::Errors::default())?;
    let files = super::openapi::files(&document, file).into_iter().map(|(name, path)| {
        let path = beside_manifest(&path);
        quote!((#name, ::core::include_bytes!(#path)))
    });
    Some(quote!(static __MMF_DOCUMENT: &[(&str, &[u8])] = &[#(#files),*];))
}

#[cfg(not(feature = "openapi"))]
fn document(_: &Args) -> Option<TokenStream> {
    None
}

/// An interaction of a Pact file: its name, its text, where it lies, and the place in it.
fn of_file(file: &Text, number: usize) -> TokenStream {
    let (name, text, path) = (&file.text, included(file), beside_manifest(&file.text));
    quote!((#name, #text, #path, #number))
}

fn pact(args: &Args) -> TokenStream {
    let mut test = quote!(.pact(__mmf_file, __mmf_text, __mmf_number).pact_path(__mmf_path));
    if let Some(states) = &args.provider_states {
        let states = match &states.0 {
            // A function of another signature is an error at its name.
            syn::Expr::Path(path) => {
                let state = quote_spanned!(path.span()=> __mmf_state);
                quote!(|#state| #path(#state))
            }
            other => other.to_token_stream(),
        };
        test.extend(quote!(.provider_states(#states)));
    }
    test
}

/// The text of a file. Included, it has the test compiled again when it changes.
fn included(file: &Text) -> TokenStream {
    let path = beside_manifest(&file.text);
    quote!(::core::include_str!(#path))
}

fn beside_manifest(path: &str) -> TokenStream {
    quote!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/", #path))
}

fn path_of(name: &str) -> TokenStream {
    quote!(::core::concat!(::core::module_path!(), "::", #name))
}

fn should_fail(function: &Function) -> Option<TokenStream> {
    should_panic(function).then(|| quote!(.should_fail()))
}

fn name_of(function: &Function) -> String {
    syn::ext::IdentExt::unraw(&function.sig.ident).to_string()
}

fn runtime(args: &Args) -> TokenStream {
    let krate = args.krate.as_ref().map(|krate| krate.0.to_token_stream());
    let krate = krate.unwrap_or_else(|| quote!(::mmf));
    quote!(#krate::__private::testing)
}
