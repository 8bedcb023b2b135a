//! A main may begin with attributes, and may never end.
#![deny(unused)]

#[mmf::service(name = "users")]
pub async fn main() -> Result<(), std::io::Error> {
    #![allow(unused_variables)]
    let unused = 1;
    if true {
        return Ok(());
    }
    todo!()
}
