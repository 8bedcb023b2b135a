//! Two thousand tests that leave a record each, for a run where every one has a process of its own; and one
//! that is killed. They are ignored, since they prove something of such a run alone:
//!
//! ```sh
//! MMF_RESULTS=$PWD/target/many cargo nextest run -p mmf --features testing --test many --run-ignored only -j 2
//! ```

use mmf::testing::ContractTest;

fn record(name: &str) {
    let test = ContractTest::new(name, "many", "/").run_timed(|| async {});
    mmf::__private::testing::run(test).assert_passed();
}

/// Ten of something.
macro_rules! ten {
    ($what:ident) => {
        $what!(a b c d e f g h i j);
    };
}

macro_rules! tests {
    ($($name:ident)*) => {
        $(#[test]
        #[ignore = "one of two thousand"]
        fn $name() {
            crate::record(concat!(module_path!(), "::", stringify!($name)));
        })*
    };
}

macro_rules! tens {
    ($($name:ident)*) => {
        $(mod $name {
            ten!(tests);
        })*
    };
}

macro_rules! hundreds {
    ($($name:ident)*) => {
        $(mod $name {
            ten!(tens);
        })*
    };
}

mod one {
    ten!(hundreds);
}
mod two {
    ten!(hundreds);
}

#[test]
#[ignore = "kills itself"]
#[cfg(unix)]
fn killed() {
    let killed = ContractTest::new("many::killed", "many", "/").run_timed(|| async {
        let me = std::process::id().to_string();
        std::process::Command::new("kill").args(["-KILL", &me]).status().unwrap();
        std::thread::park();
    });
    mmf::__private::testing::run(killed).assert_passed();
}
