//! `#[chaos]`: [`args`] is what was written, [`check`] all that is wrong with it, [`point`] the code of an
//! injection point, [`experiment`] that of a test.

mod args;
mod check;
mod experiment;
mod point;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::spanned::Spanned;

use crate::common::anatomy::Anatomy;
use crate::common::errors::Errors;
use crate::common::function::Function;
use crate::common::keys::attribute_tokens;
use crate::common::names::first_use;
use args::Args;
pub(crate) use args::Kind;
pub(crate) use point::Point;

/// Whether faults can be injected: a feature of the facade. Unit tests say for themselves.
pub(crate) const ENABLED: bool = cfg!(all(feature = "chaos", not(test)));

/// The faults that a resilient function names in a `#[chaos(…)]` below the other attribute, which is taken
/// away: the point has to be inside the policies. Nothing where faults cannot be injected, or where the body
/// holds its point already.
pub(crate) fn of_resilient(function: &mut Function, errors: &mut Errors) -> Option<Vec<Kind>> {
    let holds_point = function
        .block
        .as_ref()
        .is_some_and(|block| first_use(&block.stream(), &["__MMF_POINT".to_owned()]).is_some());
    if !ENABLED || holds_point {
        return None;
    }
    let Some(attribute) = function.take_attribute("chaos") else { return Some(Vec::new()) };
    let args = Args::read(attribute_tokens(&attribute), errors);
    check::point(&args, function, errors);
    Some(args.kinds)
}

/// Expands the attribute. With any error, the function is emitted as it was beside the errors; without the
/// feature, as it was.
pub(crate) fn chaos(attribute: TokenStream, item: &TokenStream, enabled: bool) -> TokenStream {
    let mut errors = Errors::default();
    let args = Args::read(attribute, &mut errors);
    let Ok(mut function) = syn::parse2::<Function>(item.clone()) else {
        errors.push(item.span(), "`#[chaos]` goes on a function, a method or a test");
        let errors = errors.into_tokens();
        return quote!(#item #errors);
    };
    function.expect_nothing_of_clippy();
    let is_test = function.has_attribute("test");
    if is_test && is_made_by_tokio(&function) {
        errors.push(
            function.sig.ident.span(),
            "`#[chaos]` stands above `#[tokio::test]`: below it, the test is made already",
        );
    }
    let anatomy = if is_test {
        check::experiment(&args, &mut errors);
        None
    } else {
        check::point(&args, &function, &mut errors);
        errors.keep(Anatomy::of(&function))
    };
    match anatomy {
        _ if !errors.is_empty() => {
            let errors = errors.into_tokens();
            let function = function.into_token_stream();
            quote!(#function #errors)
        }
        _ if !enabled => item.clone(),
        None => experiment::expand(&args, &function),
        Some(anatomy) => point::expand(&args, &function, &anatomy),
    }
}

/// What `#[tokio::test]` leaves: a blocking test that starts a runtime.
fn is_made_by_tokio(function: &Function) -> bool {
    let starts_runtime = |block: &proc_macro2::Group| {
        let text = block.stream().to_string();
        text.contains("block_on") && text.contains("runtime :: Builder")
    };
    function.sig.asyncness.is_none() && function.block.as_ref().is_some_and(starts_runtime)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(attribute: TokenStream, item: &TokenStream) -> String {
        chaos(attribute, item, true).to_string()
    }

    #[test]
    fn every_mistake_of_a_point_is_told_at_once() {
        let code = expanded(
            quote!(
                network_dely,
                seed = 42,
                hang,
                network_failure(probability = 1.5, size = 3),
                high_latency(min = "2s", max = "1s", distribution = "parto"),
                panic(error(1)),
                random_errors
            ),
            &quote!(
                fn f() {}
            ),
        );
        for message in [
            "unknown kind or key `network_dely`, did you mean `network_delay`?",
            "`seed` belongs to an experiment",
            "`hang` needs an `async fn`",
            "`probability` must lie between 0 and 1",
            "`size` has no use for `network_failure`",
            "`min` is above `max`",
            "unknown distribution `parto`, did you mean `pareto`?",
            "`panic` returns no error",
            "`random_errors` needs a function that returns a `Result`",
        ] {
            assert!(code.contains(message), "{message}: {code}");
        }
    }

    #[test]
    fn every_mistake_of_an_experiment_is_told_at_once() {
        let code = expanded(
            quote!(
                name = "x",
                scenarios("netwok"),
                calls = 0,
                expect(success_rate >= 1.5),
                network_failure(error(1))
            ),
            &quote!(
                #[tokio::test]
                async fn f() {}
            ),
        );
        for message in [
            "`name` belongs to a point",
            "unknown scenario `netwok`, did you mean `network`?",
            "`calls` must be at least 1",
            "`success_rate` must lie between 0 and 1",
            "`error(…)` belongs to the point",
        ] {
            assert!(code.contains(message), "{message}: {code}");
        }
        let code = expanded(
            quote!(expect(rate > 1)),
            &quote!(
                #[test]
                fn f() {}
            ),
        );
        assert!(code.contains("expected `success_rate >= 0.95`"), "{code}");
    }

    #[test]
    fn without_the_feature_a_function_is_as_it_was() {
        let function = quote!(
            /// Documented.
            pub async fn f(mut a: u8) -> Result<u8, E> {
                a += 1;
                Ok(a)
            }
        );
        let code = chaos(quote!(network_failure), &function, false);
        assert_eq!(code.to_string(), function.to_string());
    }

    #[test]
    fn each_scenario_is_a_test_of_its_own() {
        let code = expanded(
            quote!(target = "users.*", scenarios("network", "errors"), hang),
            &quote!(
                #[tokio::test(start_paused = true)]
                async fn survives() {}
            ),
        );
        for part in
            ["mod survives", "async fn network ()", "async fn errors ()", "async fn faults ()"]
        {
            assert!(code.contains(part), "{part}: {code}");
        }
        assert_eq!(code.matches("start_paused").count(), 3);
    }
}
