//! `#[contract_test]`: [`args`] is what was written and what is wrong with it, the code is here.

mod args;

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::spanned::Spanned;

use crate::common::errors::Errors;
use crate::common::function::Function;
use crate::common::keys::{is_named, items};
use crate::common::value::Value;
use args::{Args, Pairs};

/// Expands the attribute. With any error, the function is emitted as it was beside the errors.
pub(crate) fn contract_test(attribute: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = Args::read(items(attribute, &mut errors), &mut errors);
    args.check(&mut errors);
    let Ok(function) = syn::parse2::<Function>(item.clone()) else {
        errors.push(item.span(), "`#[contract_test]` goes on a function");
        let errors = errors.into_tokens();
        return quote!(#item #errors);
    };
    if function.sig.inputs.len() != 1 {
        errors.push(
            function.sig.ident.span(),
            "a contract test takes one argument: the `endpoint: &str`, or with `endpoint = …` the \
             `response: ContractResponse`",
        );
    }
    if !errors.is_empty() {
        let errors = errors.into_tokens();
        let function = function.into_token_stream();
        return quote!(#[allow(dead_code)] #function #errors);
    }
    match &args.endpoints {
        Some(endpoints) => expand_endpoints(&args, endpoints, &function),
        None => expand_endpoint(&args, &function),
    }
}

// Input:  #[contract_test(service = "users", endpoints("/users" = "2s"))] async fn answers(endpoint: &str) { BODY }
// Output:
//     mod answers {
//         use super::*;
//         async fn body(endpoint: &str) { BODY }
//         #[test]
//         fn users() { run(ContractTest::new(…).sla(…).run_timed(|| body("/users"))) }
//     }
fn expand_endpoints(args: &Args, endpoints: &Pairs, function: &Function) -> TokenStream {
    let rt = runtime(args);
    let Function { attrs, sig, .. } = function;
    let (asyncness, inputs, output, block) =
        (&sig.asyncness, &sig.inputs, &sig.output, &function.block);
    let mut known: Vec<String> = Vec::new();
    let tests = endpoints.0.iter().map(|pair| {
        let endpoint = pair.name.value();
        let ident = format_ident!("{}", unique(&identifier(&endpoint), &mut known));
        let name = ident.to_string();
        let mut test = contract(args, function, &name, &endpoint);
        if let Some(value) = &pair.value
            && let Ok(sla) = Value::<std::time::Duration>::from_expr(value, "endpoints")
        {
            test.extend(quote!(.sla(#sla)));
        }
        let body = if asyncness.is_some() {
            quote!(|| __mmf_body(#endpoint))
        } else {
            quote!(|| async { __mmf_body(#endpoint) })
        };
        quote! {
            #[::core::prelude::v1::test]
            #(#attrs)*
            fn #ident() {
                #rt::run(#test.run_timed(#body));
            }
        }
    });
    let module = &sig.ident;
    quote! {
        mod #module {
            #[allow(unused_imports)]
            use super::*;

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
//         run(async { ContractTest::new(…).base_url(…).status(200).run(body).await })
//     }
fn expand_endpoint(args: &Args, function: &Function) -> TokenStream {
    let rt = runtime(args);
    let Function { attrs, vis, sig, block, .. } = function;
    let ident = &sig.ident;
    let name = syn::ext::IdentExt::unraw(ident).to_string();
    let endpoint = args.endpoint.as_ref().map(|endpoint| endpoint.text.clone()).unwrap_or_default();
    let mut test = contract(args, function, &name, &endpoint);
    if let Some(url) = &args.base_url {
        let url = &url.0;
        test.extend(quote!(.base_url(#url)));
    }
    if let Some(status) = &args.status {
        test.extend(quote!(.status((#status) as u16)));
    }
    if let Some(sla) = &args.sla {
        test.extend(quote!(.sla(#sla)));
    }
    if let Some(schema) = &args.schema {
        let file = &schema.text;
        test.extend(quote! {
            .schema(
                #file,
                ::core::include_str!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/", #file)),
            )
        });
    }
    for pair in args.header.iter().flat_map(|pairs| &pairs.0) {
        let (name, value) = (&pair.name, &pair.value);
        test.extend(quote!(.header(#name, #value)));
    }
    let (asyncness, inputs, output) = (&sig.asyncness, &sig.inputs, &sig.output);
    let body = if asyncness.is_some() {
        quote!(__mmf_body)
    } else {
        quote!(|__mmf_response| async { __mmf_body(__mmf_response) })
    };
    quote! {
        #[::core::prelude::v1::test]
        #(#attrs)*
        #vis fn #ident() {
            #asyncness fn __mmf_body(#inputs) #output #block
            #rt::run(async { #test.run(#body).await });
        }
    }
}

fn contract(args: &Args, function: &Function, name: &str, endpoint: &str) -> TokenStream {
    let rt = runtime(args);
    let service = args.service.as_ref().map(|service| &service.text);
    let mut test = quote! {
        #rt::ContractTest::new(::core::concat!(::core::module_path!(), "::", #name), #service, #endpoint)
    };
    if function.attrs.iter().any(|attribute| is_named(attribute, "should_panic")) {
        test.extend(quote!(.should_fail()));
    }
    if let Some(samples) = &args.samples {
        test.extend(quote!(.samples(#samples)));
    }
    if let Some(percentile) = &args.percentile {
        test.extend(quote!(.percentile(#percentile)));
    }
    if let Some(wait) = &args.wait_ready {
        test.extend(quote!(.wait_ready(#wait)));
    }
    for pair in args.health_check_endpoints.iter().flat_map(|pairs| &pairs.0) {
        let endpoint = &pair.name;
        test.extend(quote!(.health_check(#endpoint)));
    }
    test
}

fn runtime(args: &Args) -> TokenStream {
    let krate = args.krate.as_ref().map(|krate| krate.0.to_token_stream());
    let krate = krate.unwrap_or_else(|| quote!(::mmf));
    quote!(#krate::__private::testing)
}

/// `GET /users/{id}` becomes `get_users_id`.
fn identifier(endpoint: &str) -> String {
    let mut name = String::new();
    for letter in endpoint.chars() {
        match letter {
            letter if letter.is_ascii_alphanumeric() => name.push(letter.to_ascii_lowercase()),
            _ if name.ends_with('_') || name.is_empty() => {}
            _ => name.push('_'),
        }
    }
    let name = name.trim_end_matches('_');
    if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
        return format!("root_{name}").trim_end_matches('_').to_owned();
    }
    name.to_owned()
}

/// The name, with a number behind it where it was given before.
fn unique(name: &str, known: &mut Vec<String>) -> String {
    let mut unique = name.to_owned();
    let mut number = 1;
    while known.contains(&unique) || syn::parse_str::<syn::Ident>(&unique).is_err() {
        number += 1;
        unique = format!("{name}_{number}");
    }
    known.push(unique.clone());
    unique
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_name_their_tests() {
        let mut known = Vec::new();
        let names = ["/users", "GET /users/{id}", "/", "/users", "/2", "/type"]
            .map(|endpoint| unique(&identifier(endpoint), &mut known));
        assert_eq!(names, ["users", "get_users_id", "root", "users_2", "root_2", "type_2"]);
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let code = contract_test(
            quote!(
                endpoint = "/users",
                endpoints("users" = "2 sec"),
                status = 42,
                samples = 0,
                percentile = 0,
                servce = "x"
            ),
            &quote!(
                async fn f() {}
            ),
        )
        .to_string();
        for message in [
            "unknown key `servce`, did you mean `service`?",
            "`#[contract_test]` needs the name of the service",
            "`endpoint` and `endpoints` exclude each other",
            "`status` goes with `endpoint`",
            "an endpoint begins with `/`: `\\\"/users\\\"`",
            "unknown unit `sec`",
            "a status lies between 100 and 599",
            "`samples` must be at least 1",
            "`percentile` lies above 0",
            "takes one argument",
        ] {
            assert!(code.contains(message), "{message}: {code}");
        }
    }
}
