//! What users compile: the expansion of documented examples, formatted, in `snapshots/`, so that a
//! review sees how it changes. `INSTA_UPDATE=always cargo test -p mmf-macros --all-features` writes them anew.

use proc_macro2::TokenStream;
use quote::quote;

use super::contract_test;

fn assert_expansion(name: &str, attribute: TokenStream, item: &TokenStream) {
    let file = syn::parse2(contract_test(attribute, item)).expect("an expansion is Rust");
    let text = prettyplease::unparse(&file);
    insta::with_settings!(
        { omit_expression => true, prepend_module_to_snapshot => false },
        { insta::assert_snapshot!(name, text) }
    );
}

#[test]
fn a_contract_by_hand() {
    assert_expansion(
        "a_contract_by_hand",
        quote!(
            service = "user-service",
            base_url(spawn_app().await),
            health_check_endpoints("/health"),
            wait_ready = "10s",
            endpoint = "GET /users/1",
            request_headers("authorization" = token()),
            status = 200,
            header("content-type" = "application/json"),
            sla = "2s",
            samples = 20,
            percentile = 95
        ),
        &quote!(
            async fn get_user(response: ContractResponse) {
                assert_eq!(response.json()["name"], "Ada");
            }
        ),
    );
}

#[test]
fn a_test_for_each_endpoint() {
    assert_expansion(
        "a_test_for_each_endpoint",
        quote!(service = "user-service", endpoints("/users" = "2s", "/health")),
        &quote!(
            #[should_panic]
            fn answers_in_time(endpoint: &str) -> Result<(), Error> {
                ask(endpoint)
            }
        ),
    );
}

#[cfg(feature = "pact")]
#[test]
fn a_consumer() {
    assert_expansion(
        "a_consumer",
        quote!(consumer = "web", provider = "user-service", writes = "pacts/"),
        &quote!(
            async fn reads_a_user(pact: ConsumerPact) -> Result<(), Error> {
                read(pact.url()).await
            }
        ),
    );
}

#[cfg(feature = "openapi")]
#[test]
fn a_document() {
    assert_expansion(
        "a_document",
        quote!(
            service = "user-service",
            openapi = "../mmf/tests/contracts/split/openapi.yaml",
            generate = true,
            timeout = "10s",
            max_body = "1MiB"
        ),
        &quote!(
            async fn every_operation(_: ContractResponse) {}
        ),
    );
}

#[cfg(feature = "pact")]
#[test]
fn a_folder_of_pacts() {
    assert_expansion(
        "a_folder_of_pacts",
        quote!(
            service = "user-service",
            pacts("../mmf/tests/contracts/web-users-*.json"),
            provider_states(states)
        ),
        &quote!(
            async fn consumers(_: ContractResponse) {}
        ),
    );
}
