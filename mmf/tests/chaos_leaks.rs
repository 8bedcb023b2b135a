//! What chaos takes is given back: memory, threads, descriptors. One test in a process of its own, since it
//! is about the process.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use mmf::chaos;
use mmf::chaos::proxy::{Direction, Proxy, Toxic};
use mmf::chaos::{ChaosConfig, ChaosKind, Fault, scope};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
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

/// Waits until something is so, which may take the kernel, the runtime or a load a moment.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(30), "{what}");
        tokio::task::yield_now().await;
    }
}

/// One thread, busy for a fifth of the time.
fn spike() -> Fault {
    Fault::new(ChaosKind::CpuSpike).probability(1.0).threads(1).intensity(0.2)
}

fn pressure() -> Fault {
    Fault::new(ChaosKind::MemoryPressure).probability(1.0).size(192 << 20)
}

/// Runs a fault; memory and threads while it lasts. Half-way, its scope is dropped before its end.
async fn run(fault: Fault, half_way: bool) -> (u64, u64) {
    let seen = std::cell::Cell::new((0, 0));
    let config = ChaosConfig::new().fault(fault);
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
        let taken = run(pressure(), half_way).await.0;
        assert!(taken > memory + 150 * 1024, "{memory} {taken}");
        let after = status("VmRSS");
        assert!(after < memory + 32 * 1024, "{memory} {after}");
        until("the thread that held it is gone", || status("Threads") == threads).await;

        assert_eq!(run(spike(), half_way).await.1, threads + 1);
        until("the thread that spun is gone", || status("Threads") == threads).await;
    }
    loads_end_with_their_faults().await;
    a_load_that_lasts_for_ever_ends_when_it_is_disarmed().await;
    a_task_that_outlives_its_scope_is_not_armed().await;

    let open = descriptors();
    {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(server.local_addr().unwrap()).await.unwrap();
        let _client = TcpStream::connect(proxy.address()).await.unwrap();
        let _accepted = server.accept().await.unwrap();
        assert!(descriptors() >= open + 5, "two listeners, two connections of two ends");
    }
    until("the runtime has dropped the task of the proxy", || descriptors() <= open).await;

    let before = chaos::history().len();
    number().await;
    assert_eq!(chaos::history().len(), before, "nothing is armed any more");
    assert!(!chaos::is_armed());

    what_waits_to_be_sliced_takes_little_more_than_its_bytes().await;
}

/// Without a further call, and while they are still armed.
async fn loads_end_with_their_faults() {
    let (memory, threads) = (status("VmRSS"), status("Threads"));
    for fault in [spike(), pressure()] {
        let config = ChaosConfig::new().fault(fault.duration(Duration::from_secs(1)));
        let armed = chaos::arm(config, Some(1)).unwrap();
        number().await;
        assert_eq!(armed.injector().injections(), 1);
        until("the load ends by itself", || {
            status("Threads") == threads && status("VmRSS") < memory + 32 * 1024
        })
        .await;
        drop(armed);
    }
}

async fn a_load_that_lasts_for_ever_ends_when_it_is_disarmed() {
    let threads = status("Threads");
    let config = ChaosConfig::new().fault(spike().duration(Duration::MAX));
    let armed = chaos::arm(config, Some(1)).unwrap();
    number().await;
    number().await;
    assert_eq!(armed.injector().injections(), 2);
    assert_eq!(status("Threads"), threads + 1, "one load of a kind at a time");
    // What knows what was injected may be kept.
    let injector = armed.injector().clone();
    drop(armed);
    until("the load ends", || status("Threads") == threads).await;
    assert_eq!(injector.injections(), 2);
}

async fn a_task_that_outlives_its_scope_is_not_armed() {
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    #[expect(clippy::async_yields_async, reason = "the task outlives the scope")]
    let spawned = scope(ChaosConfig::new().fault(spike())).seed(1).run(async {
        mmf::spawn(async move {
            ended.await.unwrap();
            chaos::is_armed()
        })
    });
    let task = spawned.await;
    tokio::task::yield_now().await;
    assert!(!chaos::is_armed(), "while the task still runs");
    end.send(()).unwrap();
    assert!(!task.await.unwrap());
}

async fn what_waits_to_be_sliced_takes_little_more_than_its_bytes() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(server.local_addr().unwrap()).await.unwrap();
    let slices = Toxic::slicer(1, 0, Duration::from_secs(600));
    proxy.add("slices", Direction::Upstream, slices);
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut accepted, _) = server.accept().await.unwrap();
    let memory = status("VmRSS");
    let some = vec![7; 64 << 10];
    let mut sent = 0;
    // Until the proxy takes no more.
    while let Ok(written) =
        tokio::time::timeout(Duration::from_millis(200), client.write(&some)).await
    {
        sent += written.unwrap();
    }
    let taken = status("VmRSS");
    assert!(taken < memory + 64 * 1024, "{memory} {taken}, for {sent} bytes");
    proxy.clear();
    let mut got = vec![0; sent];
    accepted.read_exact(&mut got).await.unwrap();
    assert!(got.iter().all(|byte| *byte == 7));
}
