//! An operation that never comes to its end raises no lint. Forbidden, `unused` would be refused to the macros of
//! tracing, which allow it for themselves.
#![forbid(unreachable_code)]
#![deny(unused, warnings)]

use mmf::service;

#[derive(Debug)]
pub struct Error;

macro_rules! bail {
    ($error:expr) => {
        return Err($error)
    };
}

pub struct Users;

#[service(name = "users")]
impl Users {
    pub async fn get(&self) -> Result<u8, Error> {
        bail!(Error)
    }

    #[operation]
    pub fn put(&self) -> u8 {
        todo!()
    }

    pub async fn serve(&self) {
        std::process::exit(0)
    }
}

pub fn main() {}
