//! A body may come from a macro, and may begin with attributes.
#![allow(dead_code)]

use mmf::{chaos, resilient, service};

#[derive(Debug)]
struct Error;

impl From<mmf::ResilienceError> for Error {
    fn from(_: mmf::ResilienceError) -> Self {
        Self
    }
}

macro_rules! client {
    ($name:ident, $body:block) => {
        #[resilient(retry, timeout = "1s")]
        async fn $name() -> Result<u8, Error> $body

        mod $name {
            use super::*;

            #[chaos(high_latency)]
            pub(super) async fn struck() -> Result<u8, Error> $body

            #[resilient(retry)]
            pub(super) fn blocking() -> Result<u8, Error> $body

            pub(super) struct Users;

            #[service(name = "users")]
            impl Users {
                pub async fn get(&self) -> Result<u8, Error> $body
            }
        }
    };
}

client!(one, { Ok(1) });
client!(two, {
    let two = 2;
    Ok(two)
});

#[resilient(retry, timeout = "1s")]
async fn resilient_attributes() -> Result<u8, Error> {
    #![allow(unused_variables)]
    #![deny(unused_must_use)]
    let unused = 1;
    Ok(1)
}

#[chaos(high_latency)]
async fn chaos_attributes() -> Result<u8, Error> {
    #![allow(unused_variables)]
    let unused = 1;
    Ok(1)
}

struct Users;

#[service(name = "users")]
impl Users {
    pub async fn get(&self) -> Result<u8, Error> {
        #![allow(unused_variables)]
        let unused = 1;
        Ok(1)
    }
}

#[resilient(timeout = "1s", all)]
impl Users {
    pub async fn put(&self) -> Result<u8, Error> {
        #![allow(unused_variables)]
        let unused = 1;
        Ok(1)
    }
}

fn main() {}
