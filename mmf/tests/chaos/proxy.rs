//! Each toxic, on real connections over loopback. Times have lower bounds only: a busy machine is late, never
//! early.

use std::io;
use std::time::{Duration, Instant};

use mmf::chaos::proxy::{Direction, Proxy, Toxic};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const MS: Duration = Duration::from_millis(1);

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);

/// A server that sends back what it gets.
async fn echo() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

async fn proxy() -> Proxy {
    Proxy::start(echo().await).await.unwrap()
}

/// Sends bytes and reads as many back; how long that took.
async fn round_trip(stream: &mut TcpStream, bytes: usize) -> io::Result<Duration> {
    let start = Instant::now();
    let sent = vec![7; bytes];
    let mut got = vec![0; bytes];
    let (mut read, mut write) = stream.split();
    let (written, read) = tokio::join!(write.write_all(&sent), read.read_exact(&mut got));
    written?;
    read?;
    assert_eq!(got, sent);
    Ok(start.elapsed())
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

/// Gives what was sent the time to reach the toxics.
async fn has_waited(stream: &TcpStream) {
    let _ = tokio::time::timeout(50 * MS, stream.peek(&mut [0; 8])).await;
}

/// Long before the toxics of these tests would let anything pass.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG / 20, future).await.expect("it need not wait any more")
}

#[tokio::test]
async fn an_untroubled_proxy_passes_everything_and_counts_it() {
    let proxy = proxy().await;
    let mut stream = connect(&proxy).await;
    round_trip(&mut stream, 3 << 20).await.unwrap();
    let counts = proxy.counts();
    assert_eq!((counts.connections, counts.open), (1, 1));
    assert_eq!((counts.upstream_bytes, counts.downstream_bytes), (3 << 20, 3 << 20));
    // The end of one direction leaves the other open.
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
}

#[tokio::test]
async fn latency_makes_every_byte_late_and_can_be_taken_back() {
    let proxy = proxy().await;
    let mut stream = connect(&proxy).await;
    proxy.add("up", Direction::Upstream, Toxic::latency(60 * MS));
    proxy.add("down", Direction::Downstream, Toxic::latency_with_jitter(50 * MS, 10 * MS));
    assert!(round_trip(&mut stream, 100).await.unwrap() >= 100 * MS);
    // Late, and not slow: what is sent at once comes at once.
    assert!(round_trip(&mut stream, 1 << 20).await.unwrap() >= 100 * MS);
    assert!(proxy.remove("up") && !proxy.remove("up"));
    proxy.clear();
    round_trip(&mut stream, 100).await.unwrap();
}

#[tokio::test]
async fn bandwidth_limits_the_rate() {
    let proxy = proxy().await;
    proxy.add("slow", Direction::Downstream, Toxic::bandwidth(100_000));
    let mut stream = connect(&proxy).await;
    let taken = round_trip(&mut stream, 30_000).await.unwrap();
    assert!(taken >= 290 * MS, "{taken:?}");
}

#[tokio::test]
async fn slow_close_delays_the_end_alone() {
    let proxy = proxy().await;
    proxy.add("close", Direction::Upstream, Toxic::slow_close(120 * MS));
    let mut stream = connect(&proxy).await;
    round_trip(&mut stream, 10).await.unwrap();
    let start = Instant::now();
    stream.shutdown().await.unwrap();
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
    assert!(start.elapsed() >= 120 * MS);
}

#[tokio::test]
async fn what_waits_goes_by_the_toxics_that_are_left_whole_and_in_order() {
    let sent: Vec<u8> = (0..100_000_u32).map(|number| (number % 251) as u8).collect();
    for toxic in [Toxic::latency(LONG), Toxic::bandwidth(1), Toxic::slicer(1, 0, LONG)] {
        for left in [None, Some(Toxic::latency(20 * MS))] {
            let proxy = proxy().await;
            let mut stream = connect(&proxy).await;
            proxy.add("slow", Direction::Downstream, toxic);
            stream.write_all(&sent).await.unwrap();
            has_waited(&stream).await;
            match left {
                Some(shorter) => proxy.add("slow", Direction::Downstream, shorter),
                None => assert!(proxy.remove("slow")),
            }
            let mut got = vec![0; sent.len()];
            soon(stream.read_exact(&mut got)).await.unwrap();
            assert!(got == sent, "{toxic:?}");
        }
    }
}

#[tokio::test]
async fn an_end_that_waits_goes_by_the_toxics_that_are_left() {
    let proxy = proxy().await;
    proxy.add("close", Direction::Upstream, Toxic::slow_close(LONG));
    let mut stream = connect(&proxy).await;
    round_trip(&mut stream, 10).await.unwrap();
    stream.shutdown().await.unwrap();
    has_waited(&stream).await;
    proxy.remove("close");
    assert_eq!(soon(stream.read(&mut [0; 8])).await.unwrap(), 0);
}

#[tokio::test]
async fn the_longest_durations_there_are_only_take_long() {
    let longest = Duration::MAX;
    for toxic in [
        Toxic::latency(longest),
        Toxic::latency_with_jitter(longest, longest),
        Toxic::slow_close(longest),
        Toxic::timeout(longest),
        Toxic::reset_peer(longest),
        Toxic::slicer(1, usize::MAX, longest),
        Toxic::slicer(usize::MAX, 0, longest),
    ] {
        let proxy = proxy().await;
        let mut stream = connect(&proxy).await;
        for name in ["one", "another"] {
            proxy.add(name, Direction::Upstream, toxic);
            proxy.add(name.to_uppercase(), Direction::Downstream, toxic);
        }
        stream.write_all(b"hello").await.unwrap();
        has_waited(&stream).await;
        proxy.clear();
        let mut got = [0; 5];
        soon(stream.read_exact(&mut got)).await.unwrap();
        assert_eq!(&got, b"hello", "{toxic:?}");
        stream.shutdown().await.unwrap();
        assert_eq!(soon(stream.read(&mut got)).await.unwrap(), 0, "{toxic:?}");
    }
}

#[tokio::test]
async fn timeout_stops_and_then_closes() {
    let proxy = proxy().await;
    let mut stream = connect(&proxy).await;
    round_trip(&mut stream, 10).await.unwrap();
    let start = Instant::now();
    proxy.add("stop", Direction::Downstream, Toxic::timeout(100 * MS));
    stream.write_all(b"hello").await.unwrap();
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0, "closed, without a byte");
    assert!(start.elapsed() >= 100 * MS);
}

#[tokio::test]
async fn a_half_open_connection_goes_on_once_the_toxic_is_gone() {
    let proxy = proxy().await;
    let mut stream = connect(&proxy).await;
    proxy.add("half", Direction::Downstream, Toxic::half_open());
    stream.write_all(b"hello").await.unwrap();
    let mut got = [0; 5];
    let silent = tokio::time::timeout(80 * MS, stream.read_exact(&mut got)).await;
    assert!(silent.is_err());
    proxy.remove("half");
    stream.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"hello");
}

#[tokio::test]
async fn reset_peer_resets() {
    let proxy = proxy().await;
    let mut stream = connect(&proxy).await;
    round_trip(&mut stream, 10).await.unwrap();
    proxy.add("reset", Direction::Downstream, Toxic::reset_peer(20 * MS));
    let error = stream.read(&mut [0; 8]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(proxy.counts().resets, 1);
}

#[tokio::test]
async fn slicer_sends_pieces() {
    let proxy = proxy().await;
    let pieces = Toxic::slicer(100, 20, 5 * MS);
    proxy.add("pieces", Direction::Downstream, pieces);
    let mut stream = connect(&proxy).await;
    let start = Instant::now();
    stream.write_all(&[7; 1000]).await.unwrap();
    let (mut got, mut reads, mut buffer) = (0, 0, [0; 2000]);
    while got < 1000 {
        let bytes = stream.read(&mut buffer).await.unwrap();
        (got, reads) = (got + bytes, reads + 1);
    }
    // About ten pieces; some may lie together where this test was late to read.
    assert!(start.elapsed() >= 40 * MS && reads >= 2, "{reads}");
}

#[tokio::test]
async fn limit_data_closes_after_so_many_bytes() {
    let proxy = proxy().await;
    proxy.add("limit", Direction::Downstream, Toxic::limit_data(1000));
    let mut stream = connect(&proxy).await;
    stream.write_all(&[7; 1500]).await.unwrap();
    let mut got = Vec::new();
    // What was not read of the rest makes it a reset on some systems.
    let _ = stream.read_to_end(&mut got).await;
    assert_eq!(got.len(), 1000);
}

#[tokio::test]
async fn down_refuses_and_up_accepts_again() {
    let proxy = proxy().await;
    let mut stream = connect(&proxy).await;
    round_trip(&mut stream, 10).await.unwrap();
    proxy.down().await;
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    let error = TcpStream::connect(proxy.address()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    proxy.up().await.unwrap();
    round_trip(&mut connect(&proxy).await, 10).await.unwrap();
    // The port may be taken meanwhile.
    proxy.down().await;
    let thief = TcpListener::bind(proxy.address()).await.unwrap();
    assert_eq!(proxy.up().await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    drop(thief);
    proxy.up().await.unwrap();
    round_trip(&mut connect(&proxy).await, 10).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_not_there_is_counted() {
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let proxy = Proxy::start(gone).await.unwrap();
    let mut stream = connect(&proxy).await;
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap_or(0), 0);
    assert_eq!(proxy.counts().unreachable, 1);
}

#[tokio::test]
async fn toxicity_is_a_share_of_connections() {
    let proxy = Proxy::start_seeded(echo().await, 42).await.unwrap();
    let stop = Toxic::timeout(Duration::ZERO);
    proxy.add_with_toxicity("some", Direction::Downstream, stop, 0.5);
    let mut passed = 0;
    for _ in 0..100 {
        passed += u32::from(round_trip(&mut connect(&proxy).await, 10).await.is_ok());
    }
    assert!((30..=70).contains(&passed), "{passed}");
}

#[tokio::test]
async fn a_thousand_connections_at_once() {
    let proxy = proxy().await;
    proxy.add("late", Direction::Downstream, Toxic::latency(20 * MS));
    let address = proxy.address();
    let connections: Vec<_> = (0..1000)
        .map(|_| {
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await?;
                round_trip(&mut stream, 100).await
            })
        })
        .collect();
    for connection in connections {
        connection.await.unwrap().unwrap();
    }
    assert_eq!(proxy.counts().connections, 1000);
}

/// In a process of its own, which has only so many descriptors.
#[cfg(target_os = "linux")]
#[test]
fn without_descriptors_it_waits_for_some_and_does_not_spin() {
    if std::env::var_os("MMF_TEST_CHILD").is_some() {
        return without_descriptors();
    }
    let output = std::process::Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["proxy::without_descriptors_it_waits_for_some_and_does_not_spin", "--exact"])
        .env("MMF_TEST_CHILD", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
}

#[cfg(target_os = "linux")]
fn without_descriptors() {
    use std::os::unix::fs::FileExt;

    // Opened before, since there will be no descriptor for it.
    let statistics = std::fs::File::open("/proc/self/stat").unwrap();
    // In hundredths of a second, in the fourteenth field and the one after; the second is in parentheses.
    let processor_time = || {
        let mut text = [0; 1024];
        let length = statistics.read_at(&mut text, 0).unwrap();
        let text = std::str::from_utf8(&text[..length]).unwrap();
        let fields = text.rsplit(')').next().unwrap().split_whitespace();
        fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum::<u64>()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let proxy = proxy().await;
        // Made by the kernel; the proxy has it to accept once this thread lets it run.
        let stream = std::net::TcpStream::connect(proxy.address()).unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut stream = TcpStream::from_std(stream).unwrap();
        let mut files = Vec::new();
        while let Ok(file) = std::fs::File::open("/dev/null") {
            files.push(file);
        }
        let before = processor_time();
        tokio::time::sleep(500 * MS).await;
        let taken = processor_time() - before;
        assert!(taken < 20, "{taken} of 50 hundredths of a second");
        assert_eq!(proxy.counts().connections, 0);
        drop(files);
        soon(round_trip(&mut stream, 10)).await.unwrap();
    });
}
