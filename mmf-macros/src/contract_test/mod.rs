//! `#[contract_test]`: [`args`] is what was written, [`check`] what it means and what is wrong with it, [`expand`]
//! prints the tests. `parts` looks into the files that are named, by `openapi` and `pact`.

mod args;
mod check;
mod expand;
#[cfg(any(feature = "schema", feature = "pact"))]
mod files;
mod name;
#[cfg(feature = "openapi")]
mod openapi;
#[cfg(feature = "pact")]
mod pact;
mod part;
mod parts;
#[cfg(test)]
mod snapshots;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::spanned::Spanned;

use crate::common::errors::Errors;
use crate::common::function::Function;
use crate::common::keys::{items, needs_key, unknown_key};
use crate::common::test::no_other_test;
use args::Args;

/// Expands the attribute. With any error, the function is emitted as it was beside the errors.
pub(crate) fn contract_test(attribute: TokenStream, item: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args =
        Args::read(items(attribute, &mut errors, needs_key("service")), &mut errors, unknown_key);
    let plan = check::check(&args, &mut errors);
    let Ok(function) = syn::parse2::<Function>(item.clone()) else {
        errors.push(item.span(), "`#[contract_test]` goes on a function");
        let errors = errors.into_tokens();
        return quote!(#item #errors);
    };
    if let Some(plan) = &plan {
        let wanted = plan.argument();
        if function.sig.inputs.len() != usize::from(wanted.is_some()) {
            let message = match wanted {
                Some(argument) => format!("this contract test takes one argument: {argument}"),
                None => "a contract test of gRPC services alone takes no argument".into(),
            };
            errors.push(function.sig.ident.span(), message);
        }
    }
    no_other_test("contract_test", &function, &mut errors);
    match plan {
        Some(plan) if errors.is_empty() => expand::expand(&args, &plan, &function),
        _ => {
            let errors = errors.into_tokens();
            let function = function.into_token_stream();
            quote!(#[allow(dead_code)] #function #errors)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(attribute: TokenStream) -> String {
        contract_test(
            attribute,
            &quote!(
                async fn f() {}
            ),
        )
        .to_string()
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let code = code(quote!(
            endpoint = "/users",
            endpoints("users" = "2 sec"),
            status = 42,
            samples = 0,
            percentile = 0,
            header("x"),
            servce = "x"
        ));
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
            "a value is missing: `header(\\\"x\\\" = \\\"…\\\")`",
            "takes one argument",
        ] {
            assert!(code.contains(message), "{message}: {code}");
        }
    }

    #[test]
    fn what_can_never_be_sent_is_told() {
        let code = code(quote!(
            service = "s",
            endpoint = "GTE /users",
            header("a b" = "c"),
            request_json({ "name": "Ada" })
        ));
        for message in [
            "unknown method `GTE`, did you mean `GET`?",
            "\\\"a b\\\" is no name of a header",
            "`request_json` takes an expression: `request_json(serde_json::json!",
        ] {
            assert!(code.contains(message), "{message}: {code}");
        }
    }

    #[test]
    fn another_attribute_that_makes_a_test_is_too_much() {
        let code = contract_test(
            quote!(service = "s", endpoint = "PROPFIND /"),
            &quote!(
                #[tokio::test]
                async fn f(_: ContractResponse) {}
            ),
        );
        let code = code.to_string();
        assert!(code.contains("`#[contract_test]` makes the test itself"), "{code}");
        assert!(!code.contains("unknown method"), "{code}");
    }

    #[test]
    fn bounds_and_folders_are_checked() {
        let code = code(quote!(
            service = "s",
            endpoint = "/",
            generate = true,
            timeout = "0s",
            max_body = "1 elephant",
            pacts("a/*.json" = 1)
        ));
        for message in [
            "`timeout` must be above 0",
            "unknown unit `elephant`",
            "a folder of pacts takes no value",
            "`endpoint` does not go with `pact`",
            "`generate` needs the document: `openapi",
        ] {
            assert!(code.contains(message), "{message}: {code}");
        }
        let given = super::tests::code(quote!(
            service = "s",
            openapi = "a.yaml",
            endpoint = "/",
            generate = true
        ));
        assert!(
            given.contains("`generate` makes a request of a schema, which is given already"),
            "{given}"
        );
    }

    #[test]
    fn keys_that_need_others_say_so() {
        let code = code(quote!(service = "s", operation = "getUser", provider_states(f)));
        for message in
            ["`operation` needs the document: `openapi", "`provider_states` needs the file: `pact"]
        {
            assert!(code.contains(message), "{message}: {code}");
        }
    }

    #[test]
    fn nothing_to_ask_is_told() {
        assert!(code(quote!(service = "s")).contains("needs something to ask"));
    }

    #[test]
    fn a_consumer_names_both_sides() {
        let code = code(quote!(consumer = "web", endpoint = "/users"));
        for message in
            ["`endpoint` does not go with `consumer`", "a test of a consumer names both sides"]
        {
            assert!(code.contains(message), "{message}: {code}");
        }
    }

    #[cfg(not(feature = "pact"))]
    #[test]
    fn a_feature_that_is_off_is_named() {
        let code = code(quote!(service = "s", pact = "a.json", grpc_services("a.B")));
        assert!(code.contains("`pact` needs the feature `pact` of `mmf`"), "{code}");
    }

    #[cfg(feature = "openapi")]
    #[test]
    fn files_are_looked_into() {
        let absent = code(quote!(service = "s", openapi = "no-such.yaml", operation = "getUser"));
        assert!(
            absent.contains("the document ") && absent.contains("cannot be read: "),
            "{absent}"
        );
        let document = "../mmf/tests/contracts/openapi.yaml";
        let near = code(quote!(service = "s", openapi = #document, operation = "getUsr"));
        assert!(near.contains("has no operation `getUsr`, did you mean `getUser`?"), "{near}");
        let nowhere = code(quote!(service = "s", openapi = #document, endpoint = "GET /user/7"));
        assert!(nowhere.contains("no path of ") && nowhere.contains("is `/user/7`"), "{nowhere}");
    }
}
