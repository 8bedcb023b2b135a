#[mmf::contract_test(service = "users", endpoint = "users", statu = 200)]
async fn one(response: mmf::testing::ContractResponse) {}

#[mmf::contract_test(endpoints("/users" = 2))]
async fn many(endpoint: &str) {}

#[mmf::performance_test(iterations = 0, max_memory = "1 gig", rate = 10.0, min_throughput = 20.0)]
async fn fast() {}

fn main() {}
