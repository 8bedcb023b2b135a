//! What a layer knows of requests and responses.

use std::sync::Arc;

use mmf_runtime::resilience::{Class, Key, Pipeline};

/// Requests are cloned for each attempt.
#[derive(Clone, Copy, Debug)]
pub struct ByClone;

/// Requests are copied by a function.
#[derive(Clone, Copy, Debug)]
pub struct ByReplay<F>(pub(super) F);

/// Requests are sent once.
#[derive(Clone, Copy, Debug)]
pub struct Once;

/// A response is a success, an error transient: where no classifier is given.
#[derive(Clone, Copy, Debug)]
pub struct ResultClass;

/// Requests have no key: where no function for it is given.
#[derive(Clone, Copy, Debug)]
pub struct NoKey;

/// What a response or an error is to the breaker and to the retry.
pub trait Classify<Response, E> {
    /// Its class.
    fn class(&self, result: Result<&Response, &E>) -> Class;
}

impl<Response, E> Classify<Response, E> for ResultClass {
    fn class(&self, result: Result<&Response, &E>) -> Class {
        Class::by_result(result)
    }
}

/// Classifies by a function.
#[derive(Clone, Copy, Debug)]
pub struct ClassBy<F>(pub(super) F);

impl<Response, E, F: Fn(Result<&Response, &E>) -> Class> Classify<Response, E> for ClassBy<F> {
    fn class(&self, result: Result<&Response, &E>) -> Class {
        (self.0)(result)
    }
}

/// The key of a request, for what is by key.
pub trait KeyOf<Request> {
    /// It, where there is one.
    fn key(&self, request: &Request) -> Option<Key>;
}

impl<Request> KeyOf<Request> for NoKey {
    fn key(&self, _: &Request) -> Option<Key> {
        None
    }
}

/// Asks a function for the key.
#[derive(Clone, Copy, Debug)]
pub struct KeyBy<F>(pub(super) F);

impl<Request, F: Fn(&Request) -> Option<Key>> KeyOf<Request> for KeyBy<F> {
    fn key(&self, request: &Request) -> Option<Key> {
        (self.0)(request)
    }
}

pub(super) struct Settings<R, C, K> {
    pub(super) pipeline: Pipeline,
    pub(super) replay: R,
    pub(super) class: C,
    pub(super) key: K,
    /// `key` is a function of the user's.
    pub(super) is_keyed: bool,
}

impl<R> Settings<R, ResultClass, NoKey> {
    pub(super) fn new(pipeline: Pipeline, replay: R) -> Self {
        Self { pipeline, replay, class: ResultClass, key: NoKey, is_keyed: false }
    }
}

/// Keeps the parameters of the settings in one place.
pub(super) type Shared<R, C, K> = Arc<Settings<R, C, K>>;
