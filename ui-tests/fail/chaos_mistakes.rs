#[derive(Debug)]
struct Error;

#[mmf::chaos(network_dely, high_latency(min = "2s", max = "1s"), random_errors(probability = 30))]
async fn fetch() -> Result<u8, Error> {
    Ok(1)
}

#[mmf::chaos(hang, memory_pressure(size = "5 Mb"), seed = 42)]
fn blocking() -> u8 {
    1
}

#[mmf::chaos(name = "x", scenarios("netwok"), expect(p99 < "2s"))]
#[test]
fn experiment() {}

#[mmf::chaos]
struct Nothing;

fn main() {}
