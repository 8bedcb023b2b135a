#[derive(Debug)]
struct Error;

#[mmf::chaos(network_delay, random_errors(probability = 0.1))]
async fn fetch() -> Result<u8, Error> {
    Ok(1)
}

#[mmf::chaos(disk_full)]
async fn number() -> u8 {
    1
}

#[mmf::chaos(random_errors(error("no error")))]
async fn wrong() -> Result<u8, Error> {
    Ok(1)
}

fn main() {}
