//! What users compile: the expansion of documented examples, formatted, in `snapshots/`, so that a
//! review sees how it changes. `INSTA_UPDATE=always cargo test -p mmf-macros` writes them anew.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Expr;
use syn::visit_mut::{VisitMut, visit_expr_mut, visit_file_mut};

use super::resilient;

fn assert_expansion(name: &str, attribute: TokenStream, item: &TokenStream) {
    let mut file = syn::parse2(resilient(attribute, item)).expect("an expansion is Rust");
    visit_file_mut(&mut Readable, &mut file);
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!(name, prettyplease::unparse(&file)));
}

/// Prints `pin!(…)` as the call `pin(…)`, since what is inside a macro is not formatted.
struct Readable;

impl VisitMut for Readable {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        if let Expr::Macro(call) = expr
            && call.mac.path.segments.last().is_some_and(|last| last.ident == "pin")
        {
            let pinned = &call.mac.tokens;
            *expr = syn::parse_quote!(pin(#pinned));
        }
        visit_expr_mut(self, expr);
    }
}

#[test]
fn the_cheapest_attribute() {
    assert_expansion(
        "the_cheapest_attribute",
        quote!(timeout = "2s"),
        &quote!(
            async fn ping(host: &str) -> Result<(), Error> {
                connect(host).await
            }
        ),
    );
}

#[test]
fn a_client_with_every_policy() {
    assert_expansion(
        "a_client_with_every_policy",
        quote!(
            name = "users.fetch",
            deadline = "10s",
            timeout = "2s",
            retry(
                max_attempts = 5,
                backoff = "jittered_exponential",
                base_delay = "100ms",
                retry_on(ApiError::Timeout, ApiError::Status(500..=599)),
                abort_on(ApiError::Auth)
            ),
            breaker(failure_threshold = 5, recovery_timeout = "60s"),
            rate_limit(permits = 100, period = "1s"),
            bulkhead(max_concurrent = 32, max_queue = 64, max_wait = "1s"),
            hedge(delay = "80ms", max_hedges = 1),
            fallback(cached_user)
        ),
        &quote!(
            /// The user of that id.
            pub async fn fetch_user(&self, id: UserId) -> Result<User, ApiError> {
                self.get(&format!("/users/{id}")).await
            }
        ),
    );
}

#[test]
fn a_breaker_for_each_host_and_the_last_good_value() {
    assert_expansion(
        "a_breaker_for_each_host_and_the_last_good_value",
        quote!(
            breaker(key(host), max_keys = 64, skip_on(ApiError::NotFound)),
            fallback(stale(key(id), max_age = "5m", capacity = 1000))
        ),
        &quote!(
            async fn fetch(host: &str, id: u64) -> Result<User, ApiError> {
                get(host, id).await
            }
        ),
    );
}

#[test]
fn an_argument_that_each_attempt_gets_its_own_of() {
    assert_expansion(
        "an_argument_that_each_attempt_gets_its_own_of",
        quote!(retry, clone(order)),
        &quote!(
            async fn send(mut order: Order) -> Result<Receipt, Error> {
                order.stamp();
                post(order).await
            }
        ),
    );
}

#[test]
fn a_sync_function() {
    assert_expansion(
        "a_sync_function",
        quote!(retry = 5, breaker),
        &quote!(
            fn read(path: &Path) -> io::Result<String> {
                fs::read_to_string(path)
            }
        ),
    );
}

#[test]
fn under_async_trait_only_the_body_is_wrapped() {
    assert_expansion(
        "under_async_trait_only_the_body_is_wrapped",
        quote!(timeout = "2s"),
        &quote!(
            fn get<'a, 'async_trait>(
                &'a self,
                id: u64,
            ) -> Pin<Box<dyn Future<Output = Result<User, Error>> + Send + 'async_trait>>
            {
                Box::pin(async move {
                    if let Some(__ret) = None::<Result<User, Error>> {
                        return __ret;
                    }
                    let __self = self;
                    let id = id;
                    let __ret: Result<User, Error> = { __self.inner(id).await };
                    __ret
                })
            }
        ),
    );
}

#[test]
fn an_impl_block_hands_its_policies_on() {
    assert_expansion(
        "an_impl_block_hands_its_policies_on",
        quote!(timeout = "2s", name = "users", all),
        &quote!(
            impl Users {
                pub async fn create(&self) -> Result<User, Error> {
                    self.post().await
                }
                #[resilient(timeout = "5s")]
                async fn import(&self) -> Result<u64, Error> {
                    self.upload().await
                }
                #[resilient(skip)]
                pub async fn helper(&self) {}
            }
        ),
    );
}

#[test]
fn mistakes_leave_the_function_as_it_was() {
    assert_expansion(
        "mistakes_leave_the_function_as_it_was",
        quote!(retry(max_attemps = 5), timeout = 5),
        &quote!(
            async fn f() -> Result<u8, Error> {
                g().await
            }
        ),
    );
}
