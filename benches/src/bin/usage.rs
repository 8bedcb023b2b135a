//! Allocates and spins a known amount under a measurement, so that what is reported can be compared with
//! `/usr/bin/time -v` of the whole process. `--mib 256 --seconds 2`; prints `peak_kib` and `cpu_seconds`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use mmf::testing::PerformanceTest;

fn main() {
    let mib = argument("--mib", 256);
    let seconds = argument("--seconds", 2);
    let start = Instant::now();
    let report =
        PerformanceTest::new("usage").iterations(1).warm_up(0).run_blocking(move || async move {
            let held = vec![1_u8; mib << 20];
            black_box(&held);
            let until = Instant::now() + Duration::from_secs(seconds as u64);
            while Instant::now() < until {
                black_box(held[0]);
            }
        });
    let measured = &report.measured;
    let peak = measured.peak_memory_bytes.expect("this system tells it") / 1024;
    println!("peak_kib {peak}");
    println!("cpu_seconds {:.2}", measured.cpu_percent / 100.0 * start.elapsed().as_secs_f64());
}

fn argument(name: &str, default: usize) -> usize {
    let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
    arguments.next().map_or(default, |value| value.parse().expect("a whole number"))
}
