//! What chaos takes is given back: memory, threads, descriptors. One test in a process of its own, since it
//! is about the process.
#![cfg(target_os = "linux")]

use std::time::Duration;

use mmf::chaos;
use mmf::chaos::proxy::Proxy;
use mmf::chaos::{ChaosConfig, ChaosKind, Fault, scope};
use tokio::net::{TcpListener, TcpStream};

#[chaos(name = "leaks.number")]
async fn number() -> u32 {
    7
}

/// A number of this process, as the kernel has it.
fn status(key: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim_start_matches(':').split_whitespace().next().unwrap().parse().unwrap()
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Runs a fault; memory and threads while it lasts. Half-way, its scope is dropped before its end.
async fn run(fault: Fault, half_way: bool) -> (u64, u64) {
    let seen = std::cell::Cell::new((0, 0));
    let config = ChaosConfig::new().fault(fault.probability(1.0));
    let run = scope(config).seed(1).run(async {
        number().await;
        seen.set((status("VmRSS"), status("Threads")));
        if half_way {
            std::future::pending::<()>().await;
        }
    });
    if half_way {
        let _ = tokio::time::timeout(Duration::from_millis(50), run).await;
    } else {
        run.await;
    }
    seen.get()
}

#[tokio::test]
async fn nothing_is_left() {
    // What is read and started once does not count.
    number().await;
    let (memory, threads) = (status("VmRSS"), status("Threads"));
    for half_way in [false, true] {
        let taken = run(Fault::new(ChaosKind::MemoryPressure).size(192 << 20), half_way).await.0;
        assert!(taken > memory + 150 * 1024, "{memory} {taken}");
        let after = status("VmRSS");
        assert!(after < memory + 32 * 1024, "{memory} {after}");

        let spike = Fault::new(ChaosKind::CpuSpike).threads(1).intensity(0.2);
        assert_eq!(run(spike, half_way).await.1, threads + 1);
        assert_eq!(status("Threads"), threads);
    }

    let open = descriptors();
    {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(server.local_addr().unwrap()).await.unwrap();
        let _client = TcpStream::connect(proxy.address()).await.unwrap();
        let _accepted = server.accept().await.unwrap();
        assert!(descriptors() >= open + 5, "two listeners, two connections of two ends");
    }
    // The task of the proxy is dropped by the runtime, soon.
    while descriptors() > open {
        tokio::task::yield_now().await;
    }

    let before = chaos::history().len();
    number().await;
    assert_eq!(chaos::history().len(), before, "nothing is armed any more");
    assert!(!chaos::is_armed());
}
