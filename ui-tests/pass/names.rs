//! A name is a text, `concat!(…)` or a constant; those that nobody wrote never collide.
#![allow(dead_code)]

use mmf::{chaos, resilient};

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

const NAME: &str = "names.constant";
const CLIENT: &str = "names.client";

mod names {
    pub const INNER: &str = "names.inner";
}

#[resilient(name = NAME, retry)]
async fn by_constant() -> Result<u8, Error> {
    Ok(1)
}

#[resilient(name = concat!("names", ".concat"), retry)]
async fn by_concat() -> Result<u8, Error> {
    Ok(1)
}

#[chaos(name = names::INNER, high_latency)]
async fn struck() -> Result<u8, Error> {
    Ok(1)
}

#[resilient(name = names::INNER, retry)]
#[chaos(high_latency)]
async fn both() -> Result<u8, Error> {
    Ok(1)
}

struct Client;

#[resilient(name = CLIENT, retry, all)]
impl Client {
    pub async fn get(&self) -> Result<u8, Error> {
        Ok(1)
    }

    pub async fn r#type(&self) -> Result<u8, Error> {
        Ok(1)
    }
}

#[resilient(name = "names.literal", retry, all)]
impl Client {
    pub async fn r#use(&self) -> Result<u8, Error> {
        Ok(1)
    }
}

mod r#mod {
    use super::*;

    #[resilient(retry)]
    pub async fn r#loop(r#in: u8) -> Result<u8, Error> {
        Ok(r#in)
    }
}

macro_rules! getters {
    ($($owner:ident),*) => {
        $(
            struct $owner;

            impl $owner {
                #[resilient(retry)]
                async fn get(&self) -> Result<u8, Error> {
                    Ok(1)
                }

                #[resilient(name = concat!("names.", stringify!($owner)), retry)]
                async fn named(&self) -> Result<u8, Error> {
                    Ok(1)
                }
            }
        )*
    };
}

getters!(First, Second, Third);

fn main() {
    let policies = mmf::resilience::try_policies().expect("no conflict");
    for name in [
        "names.constant",
        "names.concat",
        "names.inner",
        "names.client.get",
        "names.client.type",
        "names.literal.use",
        "names.First",
        "names.Third",
    ] {
        assert!(policies.iter().any(|policy| policy.name() == name), "{}: {:?}", name, policies);
    }
    assert!(policies.iter().any(|policy| policy.name().ends_with("mod::loop")), "{:?}", policies);
    let getters = policies.iter().filter(|policy| policy.name().contains("::get@"));
    assert_eq!(getters.count(), 3);
}
