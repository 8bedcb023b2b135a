//! The page and what stands behind it, as a process has them: this program starts itself again, with a token and without, as
//! tokens are variables. Without a harness, since it is about whole processes.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[path = "browser/mod.rs"]
mod browser;
#[path = "streams/mod.rs"]
mod streams;

use browser::Browser;
use mmf::resilience::{CircuitBreaker, Pipeline};
use mmf::{ResilienceError, resilient};
use serde_json::{Value, json};

const HOSTILE: &str = "<script>alert(1)</script>/\"\n";

#[resilient(name = "admin.client", timeout = "2s", breaker(failure_threshold = 3))]
async fn client(ok: bool) -> Result<(), Error> {
    if ok { Ok(()) } else { Err(Error) }
}

#[derive(Debug)]
struct Error;

impl From<ResilienceError> for Error {
    fn from(_: ResilienceError) -> Self {
        Self
    }
}

/// Serves, and calls its client again and again.
fn child() {
    let _logging = mmf::logging::init(mmf::logging::LoggingConfig::new("admin")).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let breaker = CircuitBreaker::builder(HOSTILE).build();
        let _hostile = Pipeline::builder(HOSTILE).breaker(breaker).build();
        let _feature = mmf::degradation::feature("tips");
        tokio::spawn(async {
            loop {
                let _ = client(true).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        match std::env::var_os("PORT_FILE") {
            None => println!("port {port}"),
            Some(file) => {
                streams::flood();
                std::fs::write(file, port.to_string()).unwrap();
            }
        }
        let app = mmf::admin::router();
        if std::env::var_os("STRANGER").is_some() {
            axum::serve(listener, app).await.unwrap();
        } else {
            let app = app.into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(listener, app).await.unwrap();
        }
    });
}

/// The page beside a service, at a port that the system chooses, which a log line tells.
#[mmf::service(name = "admin", admin(std::env::var("ADMIN").unwrap()))]
async fn service(service: mmf::Service) -> Result<(), std::io::Error> {
    service.ready(0);
    service.shutdown_requested().await;
    Ok(())
}

async fn a_service_has_it_beside_it() {
    for (address, said) in
        [("127.0.0.1:0", "the page is served"), ("127.0.0.1:none", "the page is not served")]
    {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .env("MMF_TEST_CHILD", "1")
            .env("ADMIN", address)
            .env_remove("RUST_LOG")
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains(said)).expect("it is told");
        let line: Value = serde_json::from_str(&line).unwrap();
        if let Some(address) = line["address"].as_str() {
            let page = reqwest::get(format!("http://{address}/")).await.unwrap();
            assert!(page.text().await.unwrap().contains("Policies"));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// The page is what is left to look at then.
async fn whatever_becomes_of_its_lines_it_answers() {
    for (number, mut broken) in streams::broken().into_iter().enumerate() {
        let file = format!("mmf-{}-page-{number}", std::process::id());
        let file = std::env::temp_dir().join(file);
        broken.command.env("MMF_TEST_CHILD", "1").env("PORT_FILE", &file).env_remove("RUST_LOG");
        broken.command.env("MMF_ADMIN_TOKEN", "secret");
        let _running = streams::Running(broken.command.spawn().unwrap());
        let began = Instant::now();
        let port = loop {
            match std::fs::read_to_string(&file) {
                Ok(port) if !port.is_empty() => break port,
                _ => assert!(began.elapsed() < Duration::from_secs(10), "{}", broken.name),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        std::fs::remove_file(&file).unwrap();
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let list = client.get(format!("{url}/api/policies")).send().await.unwrap();
        assert_eq!(list.status().as_u16(), 200, "{}", broken.name);
        // Changes are told by lines: each is made all the same.
        for (to, state) in [("isolated", "forced_open"), ("closed", "closed")] {
            let change = client.post(format!("{url}{BREAKER}")).bearer_auth("secret");
            let told = change.json(&json!({ "to": to })).send().await.unwrap();
            let told: Value = told.json().await.unwrap();
            assert_eq!(told["after"], state, "{}", broken.name);
        }
    }
}

struct Process {
    child: Child,
    base: String,
    log: Arc<Mutex<String>>,
    client: reqwest::Client,
}

impl Process {
    fn start(variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env("MMF_TEST_CHILD", "1").env_remove("RUST_LOG").stdout(Stdio::piped());
        command.env_remove("MMF_ADMIN_TOKEN").env_remove("MMF_ADMIN_READ_TOKEN");
        command.envs(variables.iter().copied());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = loop {
            let line = lines.next().expect("it tells its port").unwrap();
            if let Some(port) = line.strip_prefix("port ") {
                break port.to_owned();
            }
        };
        let log = Arc::new(Mutex::new(String::new()));
        let lines_read = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                *lines_read.lock().unwrap() += &format!("{line}\n");
            }
        });
        Self {
            child,
            base: format!("http://127.0.0.1:{port}"),
            log,
            client: reqwest::Client::new(),
        }
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.client.get(format!("{}{path}", self.base)).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
        self.post_from(path, token, None, body.to_string()).await
    }

    async fn post_from(
        &self,
        path: &str,
        token: Option<&str>,
        origin: Option<&str>,
        body: String,
    ) -> (u16, Value) {
        let mut request = self.client.post(format!("{}{path}", self.base));
        request = request.header("content-type", "application/json").body(body);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        if status >= 400 {
            assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
        }
        (status, answer.json().await.unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a script to say something that is not false.
async fn shown(browser: &Browser, script: &str) -> Value {
    let began = Instant::now();
    loop {
        let said = browser.run(script);
        if said != json!(false) && !said.is_null() {
            return said;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{script}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn press(browser: &Browser, key: &str) {
    let press = |kind| json!({ "type": kind, "value": key });
    let keys =
        json!({ "type": "key", "id": "keys", "actions": [press("keyDown"), press("keyUp")] });
    browser.ask("actions", &json!({ "actions": [keys] }));
}

/// What the test sees it writes beside the binary, for whoever asks.
async fn a_browser_shows_it_and_switches_by_keyboard() {
    use base64::Engine as _;
    let process = Process::start(&[("MMF_ADMIN_TOKEN", "secret")]);
    let folder = std::env::current_exe().unwrap().with_file_name("admin");
    std::fs::create_dir_all(&folder).unwrap();
    let browser = Browser::start(&folder);
    browser.size(1200, 800);
    browser.ask("url", &json!({ "url": format!("{}/", process.base) }));
    shown(&browser, "return document.querySelectorAll('#rows tr').length === 2").await;
    let texts = browser
        .run("return [...document.querySelectorAll('button.name')].map((b) => b.textContent)");
    assert!(texts.as_array().unwrap().contains(&json!(HOSTILE)), "{texts}");
    assert_eq!(browser.run("return document.querySelectorAll('script').length"), json!(1));
    // By keyboard alone: the token, the policy, the switch.
    browser.run("document.getElementById('token').focus()");
    for key in "secret".chars() {
        press(&browser, &key.to_string());
    }
    let focus = |name: &str| {
        format!(
            "const b = [...document.querySelectorAll('button')].find((b) => b.textContent === '{name}' && !b.disabled); \
                 b?.focus(); return b !== undefined"
        )
    };
    const ENTER: &str = "\u{e007}";
    shown(&browser, &focus("admin.client")).await;
    press(&browser, ENTER);
    shown(&browser, "return !document.getElementById('details').hidden").await;
    shown(&browser, &focus("Isolate")).await;
    press(&browser, ENTER);
    let began = Instant::now();
    shown(&browser, "return document.querySelector('#rows tr').textContent.includes('isolated')")
        .await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    shown(
        &browser,
        "return document.getElementById('answer').textContent === 'closed → forced_open'",
    )
    .await;
    assert_eq!(
        browser.run("return document.activeElement.textContent"),
        json!("Isolate"),
        "the focus stays"
    );
    let configure = |text: &str, button: &str| {
        format!(
            "for (const d of document.querySelectorAll('#operate details')) d.open = true; \
             document.getElementById('text').value = {}; document.getElementById('{button}').focus()",
            json!(text)
        )
    };
    browser.run(&configure("[policies.none]", "check"));
    press(&browser, ENTER);
    shown(&browser, "return document.getElementById('configured').textContent.includes('unknown policy `none`')").await;
    browser.run(&configure("[policies.\"admin.client\"]\ntimeout = \"3s\"", "apply"));
    press(&browser, ENTER);
    shown(
        &browser,
        "return document.getElementById('configured').textContent.includes('\"2s\" → \"3s\"')",
    )
    .await;
    shown(
        &browser,
        "return document.getElementById('values').textContent.includes('timeout = \"3s\"')",
    )
    .await;
    shown(&browser, &focus("Off")).await;
    press(&browser, ENTER);
    shown(
        &browser,
        "return document.getElementById('features').textContent.includes('tips: off') \
                     || (document.activeElement.blur(), false)",
    )
    .await;
    browser.run("for (const d of document.querySelectorAll('#operate details')) d.open = false");
    let scheme = |scheme: &str| {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        browser.cdp("Emulation.setEmulatedMedia", &features);
    };
    for (name, width, kind) in
        [("dark", 1200, "dark"), ("light", 1200, "light"), ("phone", 400, "dark")]
    {
        scheme(kind);
        browser.size(width, 800);
        let fits = browser.run("return document.documentElement.scrollWidth <= window.innerWidth");
        assert_eq!(fits, json!(true), "{name} is wider than its window");
        let url = format!("{}/screenshot", browser.session);
        let picture: Value = process.client.get(url).send().await.unwrap().json().await.unwrap();
        let bytes =
            base64::engine::general_purpose::STANDARD.decode(picture["value"].as_str().unwrap());
        std::fs::write(folder.join(format!("{name}.png")), bytes.unwrap()).unwrap();
    }
    println!("pictures of the page are in {}", folder.display());
    // What a new tab shows is the browser's own.
    let requests = browser.requests().into_iter().filter(|url| url.starts_with("http"));
    let elsewhere: Vec<_> = requests.filter(|url| !url.starts_with(&process.base)).collect();
    assert_eq!(elsewhere, [""; 0]);
    let told: Vec<_> =
        browser.log("browser").into_iter().filter(|e| e["level"] == "SEVERE").collect();
    // What the test itself has got wrong is told there by the browser.
    let others: Vec<_> =
        told.iter().filter(|e| !e["message"].to_string().contains("status of 422")).collect();
    assert!(others.is_empty() && told.len() == 1, "{told:?}");
    // The stream is lost with the process, and the page says so.
    drop(process);
    shown(&browser, "return !document.getElementById('stream').hidden").await;
}

fn main() {
    if std::env::var_os("ADMIN").is_some() {
        service();
        return;
    }
    if std::env::var_os("MMF_TEST_CHILD").is_some() {
        return child();
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if std::env::args().any(|argument| argument == "browser") {
        return runtime.block_on(a_browser_shows_it_and_switches_by_keyboard());
    }
    runtime.block_on(async {
        without_a_token_it_is_read_and_not_changed().await;
        with_the_token_it_is_changed_and_that_is_told().await;
        from_elsewhere_reading_takes_a_token().await;
        what_is_wrong_is_a_problem().await;
        whatever_is_asked_nothing_breaks().await;
        a_service_has_it_beside_it().await;
        whatever_becomes_of_its_lines_it_answers().await;
        the_page_asks_nobody_else_and_its_stream_goes_on().await;
    });
    println!("the page is guarded, and its switches switch");
}

const BREAKER: &str = "/api/policies/admin.client/breaker";

async fn without_a_token_it_is_read_and_not_changed() {
    let process = Process::start(&[]);
    let (status, list) = process.get("/api/policies").await;
    assert_eq!(status, 200);
    let names: Vec<_> = list["rows"].as_array().unwrap().iter().map(|row| &row["name"]).collect();
    assert!(
        names.contains(&&json!("admin.client")) && names.contains(&&json!(HOSTILE)),
        "{names:?}"
    );
    let (_, found) = process.get("/api/policies?search=CLIENT").await;
    assert_eq!((&found["total"], &found["rows"][0]["name"]), (&json!(1), &json!("admin.client")));
    let (_, one) = process.get("/api/policies/admin.client").await;
    let timeout = one["values"].as_array().unwrap().iter().find(|value| value["key"] == "timeout");
    assert_eq!(timeout.unwrap()["value"], "\"2s\"");
    let values = one["values"].as_array().unwrap();
    assert!(values.iter().all(|value| value["policy"] == "admin.client"), "{values:?}");
    let (_, health) = process.get("/api/health").await;
    assert_eq!((&health["can_change"], &health["level"]), (&json!(false), &json!("none")));
    for token in [None, Some("anything")] {
        let (status, told) = process.post(BREAKER, token, &json!({ "to": "isolated" })).await;
        assert_eq!(status, 403);
        assert!(told["detail"].as_str().unwrap().contains("MMF_ADMIN_TOKEN"), "{told}");
    }
}

async fn with_the_token_it_is_changed_and_that_is_told() {
    let process = Process::start(&[("MMF_ADMIN_TOKEN", "secret")]);
    let isolated = json!({ "to": "isolated" });
    for token in [None, Some("wrong"), Some("secre"), Some("secrets")] {
        assert_eq!(process.post(BREAKER, token, &isolated).await.0, 401, "{token:?}");
    }
    let began = Instant::now();
    let (status, told) = process.post(BREAKER, Some("secret"), &isolated).await;
    assert!(began.elapsed() < Duration::from_secs(1), "a right one is not slow");
    assert_eq!(
        (status, &told["before"], &told["after"]),
        (200, &json!("closed"), &json!("forced_open"))
    );
    let refused = async || {
        let (_, one) = process.get("/api/policies/admin.client").await;
        one["snapshot"]["breaker"]["refused"].as_u64().unwrap()
    };
    let before = refused().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(refused().await > before, "calls are refused");
    let (_, list) = process.get("/api/policies").await;
    assert_eq!(
        (&list["rows"][0]["name"], &list["rows"][0]["state"]),
        (&json!("admin.client"), &json!("forced_open"))
    );
    let (_, events) = process.get("/api/events?policy=admin.client&most=3").await;
    let events = events.as_array().unwrap();
    let changed = events.iter().find(|event| event["kind"] == "breaker");
    let changed = changed.unwrap_or_else(|| panic!("{events:?}"))["at"].as_u64();
    assert!(list["rows"][0]["changed"].as_u64() >= changed, "{list}");
    let rows = list["rows"].as_array().unwrap();
    let quiet = rows.iter().find(|row| row["name"] == HOSTILE).unwrap();
    assert_eq!(quiet["changed"], Value::Null, "nothing happened to it");
    for (to, state) in [("half_open", "half_open"), ("disabled", "disabled"), ("closed", "closed")]
    {
        let (_, told) = process.post(BREAKER, Some("secret"), &json!({ "to": to })).await;
        assert_eq!(told["after"], state, "{told}");
    }
    let (_, told) =
        process.post("/api/features/tips", Some("secret"), &json!({ "to": "off" })).await;
    assert_eq!((&told["before"], &told["after"]), (&json!("on"), &json!("off")));
    let level = json!({ "level": "severe", "reason": "a test" });
    let (_, told) = process.post("/api/level", Some("secret"), &level).await;
    assert_eq!((&told["before"], &told["after"]), (&json!("none"), &json!("severe")));
    let text = json!({ "text": "[policies.\"admin.client\"]\ntimeout = \"3s\"" });
    let (_, told) = process.post("/api/configuration", Some("secret"), &text).await;
    assert_eq!(told["changes"], json!(["admin.client: timeout \"2s\" → \"3s\""]));
    let began = Instant::now();
    loop {
        let log = process.log.lock().unwrap().clone();
        let told: Vec<Value> = log
            .lines()
            .filter(|line| line.contains("admin_change"))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        if told.len() == 7 {
            assert_eq!(told[0]["event_category"], "security");
            assert_eq!(
                (&told[0]["severity"], &told[0]["level"]),
                (&json!("medium"), &json!("WARN"))
            );
            assert_eq!(
                (&told[0]["who"], &told[0]["what"], &told[0]["name"]),
                (&json!("127.0.0.1"), &json!("breaker"), &json!("admin.client"))
            );
            assert_eq!(
                (&told[0]["before"], &told[0]["after"]),
                (&json!("closed"), &json!("forced_open"))
            );
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{log}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn from_elsewhere_reading_takes_a_token() {
    let process = Process::start(&[("STRANGER", "1")]);
    assert_eq!(process.get("/api/policies").await.0, 403, "nobody said who may read");
    let process = Process::start(&[
        ("STRANGER", "1"),
        ("MMF_ADMIN_READ_TOKEN", "reader"),
        ("MMF_ADMIN_TOKEN", "secret"),
    ]);
    assert_eq!(process.get("/api/policies").await.0, 401);
    for (token, reads, changes) in [("reader", 200, 401), ("secret", 200, 200), ("other", 401, 401)]
    {
        let request =
            process.client.get(format!("{}/api/policies", process.base)).bearer_auth(token);
        assert_eq!(request.send().await.unwrap().status().as_u16(), reads, "{token}");
        let (status, _) = process.post(BREAKER, Some(token), &json!({ "to": "closed" })).await;
        assert_eq!(status, changes, "{token}");
    }
}

async fn what_is_wrong_is_a_problem() {
    let process = Process::start(&[("MMF_ADMIN_TOKEN", "secret")]);
    let token = Some("secret");
    let closed = json!({ "to": "closed" });
    let origin = |origin| process.post_from(BREAKER, token, Some(origin), closed.to_string());
    assert_eq!(origin("http://evil.example").await.0, 403);
    assert_eq!(origin(&process.base).await.0, 200);
    assert_eq!(process.post("/api/policies/none/breaker", token, &closed).await.0, 404);
    assert_eq!(process.post("/api/features/none", token, &json!({ "to": "on" })).await.0, 404);
    assert_eq!(process.post("/api/level", token, &json!({ "level": "worse" })).await.0, 422);
    assert_eq!(process.post(BREAKER, token, &json!({ "to": "anything" })).await.0, 422);
    assert_eq!(process.post_from(BREAKER, token, None, "{".into()).await.0, 400);
    let large = json!({ "text": "#".repeat(70_000) });
    assert_eq!(process.post("/api/configuration", token, &large).await.0, 413);
    let wrong = json!({ "text": "[policies.\"admin.client\"]\ntimeout = 3\n[policies.none]", "check": true });
    let (status, told) = process.post("/api/configuration", token, &wrong).await;
    let detail = told["detail"].as_str().unwrap();
    assert!(
        status == 422 && detail.contains("text:2:1:") && detail.contains("text:3:11:"),
        "{told}"
    );
    let (status, _) = process.get("/api/policies?from=many").await;
    assert_eq!(status, 400);
    assert_eq!(process.get("/api/policies/none").await.0, 404);
}

/// Requests by chance, the same in each run: more of them by `MMF_FUZZ_REQUESTS`.
async fn whatever_is_asked_nothing_breaks() {
    let process = Process::start(&[("MMF_ADMIN_TOKEN", "secret")]);
    let many = std::env::var("MMF_FUZZ_REQUESTS").ok().and_then(|many| many.parse().ok());
    let mut seed = 7_u64;
    let mut dice = |sides: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % sides
    };
    const PIECES: [&str; 24] = [
        "admin.client",
        "%00",
        "%2F",
        "..",
        "\"",
        "{",
        "}",
        "[policies.",
        "]",
        "to",
        "isolated",
        "closed",
        ":",
        ",",
        "level",
        "null",
        "9999999999999999999999",
        "-1",
        "1e309",
        "\u{202e}",
        "%F0%9F%92%A9",
        "timeout = ",
        "true",
        "\n",
    ];
    const PATHS: [&str; 9] = [
        "/api/policies",
        "/api/policies/",
        "/api/events",
        "/api/health",
        "/api/features/",
        "/api/level",
        "/api/configuration",
        "/api/policies/admin.client/breaker",
        "/",
    ];
    for _ in 0..many.unwrap_or(400) {
        let mut text = |most: usize| -> String {
            (0..dice(most)).map(|_| PIECES[dice(PIECES.len())]).collect()
        };
        let (name, query, body) = (text(4), text(6), text(12));
        let url = format!(
            "{}{}{}?{}",
            process.base,
            PATHS[dice(PATHS.len())],
            name,
            query.replace(['"', '\n'], "=")
        );
        let request = match dice(3) {
            0 => process.client.get(url),
            _ => process
                .client
                .post(url)
                .header("content-type", "application/json")
                .body(body.clone()),
        };
        let answer = request.bearer_auth("secret").send().await;
        let Ok(answer) = answer.map_err(|error| assert!(error.is_builder(), "{error:?}")) else {
            continue;
        };
        assert!(answer.status().as_u16() < 500, "{:?} {body:?}", answer.url());
    }
    assert_eq!(process.get("/api/policies").await.0, 200, "it lives");
}

async fn the_page_asks_nobody_else_and_its_stream_goes_on() {
    let process = Process::start(&[]);
    for path in ["/", "/page.css", "/page.js"] {
        let answer = process.client.get(format!("{}{path}", process.base)).send().await.unwrap();
        let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let text = answer.text().await.unwrap();
        for elsewhere in ["http:", "https:", "//cdn", "innerHTML"] {
            assert!(!text.contains(elsewhere), "{path} has {elsewhere}");
        }
    }
    for _ in 0..2 {
        let request = process.client.get(format!("{}/api/stream", process.base));
        let mut stream = request.send().await.unwrap();
        let (mut text, began) = (String::new(), Instant::now());
        while text.matches("data:").count() < 2 {
            let next = tokio::time::timeout(Duration::from_secs(5), stream.chunk()).await;
            text += std::str::from_utf8(&next.expect("it goes on").unwrap().unwrap()).unwrap();
        }
        assert!(
            text.contains("admin.client") && began.elapsed() < Duration::from_secs(5),
            "{text}"
        );
    }
}
