use mmf::resilient;

#[resilient(rate_limit(permits = 10, max_keys = 5))]
async fn keys_of_nothing(id: u64) -> Result<u64, mmf::ResilienceError> {
    Ok(id)
}

#[resilient(bulkhead(max_keys = 0, key(id)))]
async fn no_keys(id: u64) -> Result<u64, mmf::ResilienceError> {
    Ok(id)
}

#[resilient(bulkhead(adaptive(min = 9, max = 3)))]
async fn from_nine_to_three(id: u64) -> Result<u64, mmf::ResilienceError> {
    Ok(id)
}

#[resilient(bulkhead(max_concurrent = 300, adaptive))]
async fn begins_above(id: u64) -> Result<u64, mmf::ResilienceError> {
    Ok(id)
}

#[resilient(bulkhead(adaptive(algorithm = "gradiant")))]
async fn mistyped(id: u64) -> Result<u64, mmf::ResilienceError> {
    Ok(id)
}

#[resilient(bulkhead(adaptive = 10))]
async fn a_number(id: u64) -> Result<u64, mmf::ResilienceError> {
    Ok(id)
}

#[resilient(bulkhead(adaptive(10)))]
async fn a_bare_number(id: u64) -> Result<u64, mmf::ResilienceError> {
    Ok(id)
}

#[resilient(breaker(max_recovery_timeout = "10s"))]
async fn below_the_default(id: u64) -> Result<u64, mmf::ResilienceError> {
    Ok(id)
}

fn main() {}
