//! Any event in any spans becomes one line of JSON that says what it should.
#![no_main]

#[path = "../../tests/logging/any_event.rs"]
mod any_event;
#[path = "../../tests/logging/support.rs"]
#[allow(dead_code)]
mod support;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| any_event::check(bytes));
