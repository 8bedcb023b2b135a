//! Tells the code whether cargo calls this a release build, which no `cfg` of the compiler does.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(mmf_release)");
    // Of the profile that the one in use inherits from in the end: `debug` or `release`.
    if std::env::var_os("PROFILE").is_some_and(|profile| profile == "release") {
        println!("cargo::rustc-cfg=mmf_release");
    }
}
