//! What the page's JSON promises is what it answers: by its own OpenAPI document.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use mmf::chaos::{ChaosConfig, ChaosKind, Fault};
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

/// The page in a process of its own, which has a token: this program once more, as its test `serves`, until its input ends.
static PAGE: LazyLock<(Child, String)> = LazyLock::new(|| {
    let file = std::env::temp_dir().join(format!("mmf-{}-contract", std::process::id()));
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "serves", "--ignored", "--nocapture"]).stdin(Stdio::piped());
    command.stdout(Stdio::null()).env("MMF_ADMIN_TOKEN", TOKEN).env("PORT_FILE", &file);
    let mut child = command.spawn().unwrap();
    let began = Instant::now();
    let port = loop {
        match std::fs::read_to_string(&file) {
            Ok(port) if !port.is_empty() => break port,
            _ => assert!(began.elapsed() < Duration::from_secs(20), "{:?}", child.try_wait()),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    std::fs::remove_file(file).unwrap();
    (child, format!("http://127.0.0.1:{port}"))
});

const TOKEN: &str = "secret";

fn page() -> String {
    PAGE.1.clone()
}

#[tokio::test]
#[ignore = "the server of the others, in a process of its own"]
async fn serves() {
    let Some(file) = std::env::var_os("PORT_FILE") else { return };
    let _logging = mmf::logging::init(mmf::logging::LoggingConfig::new("admin")).unwrap();
    let config = ChaosConfig::new().target("admin.contract").fault(Fault::new(ChaosKind::Hang));
    let _armed = mmf::chaos::arm(config, Some(1)).unwrap();
    let app = mmf::admin::router();
    // A failure, after which calls are refused: there is something to tell.
    for ok in [true, false, true] {
        let _ = mmf::chaos::scope(ChaosConfig::new()).quiet().run(called(ok)).await;
    }
    let _feature = mmf::degradation::feature("admin.contract.tips");
    mmf::config::apply("[policies.\"admin.contract\"]\ntimeout = \"3s\"").unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    std::fs::write(&file, port.to_string()).unwrap();
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()))
        .await
        .unwrap()
        .unwrap();
}

macro_rules! operations {
    ($($test:ident: $operation:literal),*) => {$(
        #[contract_test(
            service = "admin",
            base_url(page()),
            openapi = "src/admin/page/openapi.json",
            operation = $operation,
            request_headers("authorization" = format!("Bearer {TOKEN}"))
        )]
        async fn $test(_: ContractResponse) {}
    )*};
}

operations! {
    lists_policies: "listPolicies",
    tells_one: "getPolicy",
    lists_events: "listEvents",
    tells_health: "getHealth",
    tells_the_configuration: "getConfiguration",
    switches_a_breaker: "switchBreaker",
    turns_a_feature: "turnFeature",
    sets_the_level: "setLevel",
    sets_the_log_level: "setLogLevel",
    disarms_a_fault: "disarmFault",
    checks_a_configuration: "applyConfiguration"
}

/// Each has a contract above.
#[test]
fn the_document_has_no_other_operations() {
    let document = include_str!("../src/admin/page/openapi.json");
    let document: serde_json::Value = serde_json::from_str(document).unwrap();
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|path| path.as_object().unwrap().values());
    let own = include_str!("admin_contract.rs");
    // A stream has no end, and is tested as a process.
    for operation in operations.filter(|operation| operation["operationId"] != "stream") {
        let id = operation["operationId"].to_string();
        assert!(own.contains(&format!(": {id}")), "{id} has no contract");
    }
}
