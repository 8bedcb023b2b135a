//! What the page's JSON promises is what it answers: by its own OpenAPI document.

use std::net::SocketAddr;

use mmf::testing::ContractResponse;
use mmf::{ResilienceError, contract_test, resilient};

#[resilient(name = "admin.contract", timeout = "2s", breaker(failure_threshold = 1))]
async fn called(ok: bool) -> Result<(), Error> {
    if ok { Ok(()) } else { Err(Error) }
}

#[derive(Debug)]
struct Error;

impl From<ResilienceError> for Error {
    fn from(_: ResilienceError) -> Self {
        Self
    }
}

async fn page() -> String {
    let app = mmf::admin::router();
    // A failure, after which calls are refused: there is something to tell.
    for ok in [true, false, true] {
        let _ = called(ok).await;
    }
    let _feature = mmf::degradation::feature("admin.contract.tips");
    mmf::config::apply("[policies.\"admin.contract\"]\ntimeout = \"3s\"").unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

macro_rules! operations {
    ($($test:ident: $operation:literal),*) => {$(
        #[contract_test(
            service = "admin",
            base_url(page().await),
            openapi = "src/admin/page/openapi.json",
            operation = $operation
        )]
        async fn $test(_: ContractResponse) {}
    )*};
}

operations! {
    lists_policies: "listPolicies",
    tells_one: "getPolicy",
    lists_events: "listEvents",
    tells_health: "getHealth",
    tells_the_configuration: "getConfiguration"
}
