//! States that interactions presuppose of the provider.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::testing::body::caught;

/// A state that the provider is to be brought into: "user 1 exists".
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ProviderState {
    /// What the consumer calls it.
    pub name: String,
    /// What more it says of it, from V3 on.
    pub params: Map<String, Value>,
    /// Whether it is to be brought about, or undone.
    pub action: StateAction,
    /// Where the provider is.
    pub base_url: String,
}

/// Whether a state is to be brought about, or undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateAction {
    /// Before the request.
    SetUp,
    /// After it.
    TearDown,
}

/// What a function of states may return: nothing, or values that the request of the interaction is made with
/// (generators of the kind `ProviderState`, from V3 on); or an error.
#[diagnostic::on_unimplemented(
    message = "a function of states returns nothing, a JSON object, or a `Result` of them, not `{Self}`"
)]
pub trait IntoStateValues {
    /// The values, or why the state could not be brought about.
    ///
    /// # Errors
    ///
    /// Where it could not.
    fn into_values(self) -> Result<Map<String, Value>, String>;
}

impl IntoStateValues for () {
    fn into_values(self) -> Result<Map<String, Value>, String> {
        Ok(Map::new())
    }
}

/// An object; anything else gives no values.
impl IntoStateValues for Value {
    fn into_values(self) -> Result<Map<String, Value>, String> {
        match self {
            Self::Object(values) => Ok(values),
            Self::Null => Ok(Map::new()),
            other => Err(format!("values of a state are an object, not {other}")),
        }
    }
}

impl<T: IntoStateValues, E: fmt::Debug> IntoStateValues for Result<T, E> {
    fn into_values(self) -> Result<Map<String, Value>, String> {
        self.map_err(|error| format!("{error:?}"))?.into_values()
    }
}

type Values = Pin<Box<dyn Future<Output = Result<Map<String, Value>, String>> + Send>>;

/// The user's function of states.
#[derive(Clone)]
pub(in super::super) struct States(Arc<dyn Fn(ProviderState) -> Values + Send + Sync>);

impl States {
    pub(in super::super) fn new<F, R>(
        set_up: impl Fn(ProviderState) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = R> + Send + 'static,
        R: IntoStateValues,
    {
        Self(Arc::new(move |state| {
            let done = set_up(state);
            Box::pin(async move { done.await.into_values() })
        }))
    }

    pub(super) async fn call(&self, state: ProviderState) -> Result<Map<String, Value>, String> {
        let done = caught(|| (self.0)(state)).await;
        done.map_err(|failure| failure.to_string())?
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("States")
    }
}
