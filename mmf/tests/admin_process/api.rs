//! What the page does, and what stands behind it, without a browser.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::{HOSTILE, Process};
use crate::streams;

const BREAKER: &str = "/api/policies/admin.client/breaker";

pub(crate) async fn without_a_token_it_is_read_and_not_changed() {
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

pub(crate) async fn with_the_token_it_is_changed_and_that_is_told() {
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
    for (to, state) in [
        ("half_open", "half_open"),
        ("isolated", "forced_open"),
        ("released", "half_open"),
        ("disabled", "disabled"),
        ("released", "closed"),
    ] {
        let (_, told) = process.post(BREAKER, Some("secret"), &json!({ "to": to })).await;
        assert_eq!(told["after"], state, "{told}");
    }
    let (_, told) =
        process.post("/api/features/tips", Some("secret"), &json!({ "to": "off" })).await;
    assert_eq!((&told["before"], &told["after"]), (&json!("on"), &json!("off")));
    let level = json!({ "level": "severe", "reason": "a test" });
    let (_, told) = process.post("/api/level", Some("secret"), &level).await;
    assert_eq!((&told["before"], &told["after"]), (&json!("none"), &json!("severe, by hand")));
    let text = "[policies.\"admin.client\"]\ntimeout = \"3s\"";
    let (given, checked) = (json!({ "text": text }), json!({ "text": text, "check": true }));
    let changed = json!(["admin.client: timeout \"2s\" → \"3s\""]);
    let (_, told) = process.post("/api/configuration", Some("secret"), &checked).await;
    assert_eq!(told["changes"], changed, "what would change");
    let (_, now) = process.get("/api/configuration").await;
    assert_eq!((&now["source"], &now["text"]), (&Value::Null, &json!("")));
    let (_, told) = process.post("/api/configuration", Some("secret"), &given).await;
    assert_eq!(told["changes"], changed);
    let (_, now) = process.get("/api/configuration").await;
    assert_eq!((&now["source"], &now["text"]), (&json!("text"), &json!(text)));
    let (_, told) = process.post("/api/configuration", Some("secret"), &checked).await;
    assert_eq!(told["changes"], json!([]));
    let nothing = json!({ "text": "", "check": true });
    let (_, told) = process.post("/api/configuration", Some("secret"), &nothing).await;
    assert_eq!(told["changes"], json!(["admin.client: timeout \"3s\" → as in the code"]));
    let began = Instant::now();
    loop {
        let log = process.log.lock().unwrap().clone();
        let told: Vec<Value> = log
            .lines()
            .filter(|line| line.contains("admin_change"))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        if told.len() == 9 {
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

pub(crate) async fn a_log_level_holds_for_a_while() {
    let process = Process::start(&[("MMF_ADMIN_TOKEN", "secret")]);
    let set = async |body: Value| process.post("/api/log-level", Some("secret"), &body).await;
    let log = async || process.get("/api/health").await.1["log"].clone();
    let lines = |level: &str| {
        let level = format!(r#""level":"{level}""#);
        process.log.lock().unwrap().lines().filter(|line| line.contains(&level)).count()
    };
    assert_eq!(log().await, json!({ "level": "info", "left": null }));
    for (wrong, part) in [
        (json!({ "level": "users=loud" }), "users=loud"),
        (json!({ "level": "[s{f=a*}]=debug" }), "levels of targets alone"),
        (json!({ "level": "a".repeat(1001) }), "levels of targets alone"),
        (json!({ "lvel": "debug" }), "unknown field `lvel`"),
        (json!({}), "missing field `level`"),
        (json!({ "level": "debug", "minutes": 0 }), "a minute at least"),
    ] {
        let (status, told) = set(wrong).await;
        assert!(status == 422 && told["detail"].as_str().unwrap().contains(part), "{told}");
    }
    assert_eq!(lines("DEBUG"), 0);
    let longest = format!("{}=debug", "a".repeat(994));
    assert_eq!(
        set(json!({ "level": longest })).await.0,
        200,
        "a thousand bytes are no more than that"
    );
    set(json!({ "level": null })).await;
    let (_, told) = set(json!({ "level": "debug" })).await;
    assert_eq!(told, json!({ "before": "info", "after": "debug" }));
    until(|| lines("DEBUG") > 3).await;
    let now = log().await;
    let left = now["left"].as_u64().unwrap();
    assert!(now["level"] == "debug" && (800_000..=900_000).contains(&left), "{now}");
    set(json!({ "level": "trace", "minutes": 1 })).await;
    assert!(log().await["left"].as_u64().unwrap() <= 60_000);
    let (_, told) = set(json!({ "level": null })).await;
    assert_eq!(told, json!({ "before": "trace", "after": "info" }));
    until(|| process.log.lock().unwrap().contains("the level that was set for a while is over"))
        .await;
    let before = lines("DEBUG");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(lines("DEBUG"), before, "it is over");
}

async fn until(mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(10), "it never holds");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) async fn a_fault_is_shown_and_disarmed() {
    let process = Process::start(&[("MMF_ADMIN_TOKEN", "secret")]);
    let faults = async || process.get("/api/health").await.1["faults"].clone();
    let now = faults().await;
    let [fault] = &now.as_array().unwrap()[..] else { panic!("{now}") };
    assert_eq!((&fault["what"], &fault["seed"]), (&json!("nobody.*: hang(p=0.25)"), &json!("42")));
    assert!((500_000..=600_000).contains(&fault["left"].as_u64().unwrap()), "{fault}");
    let disarmed = json!({ "to": "disarmed" });
    assert_eq!(process.post("/api/faults/99", Some("secret"), &disarmed).await.0, 404);
    let path = format!("/api/faults/{}", fault["number"]);
    assert_eq!(process.post(&path, Some("secret"), &json!({ "to": "armed" })).await.0, 422);
    assert_eq!(process.post(&path, None, &disarmed).await.0, 401);
    assert_eq!(faults().await[0]["number"], fault["number"], "nothing has changed by then");
    let (_, told) = process.post(&path, Some("secret"), &disarmed).await;
    assert_eq!(told, json!({ "before": "armed", "after": "disarmed" }));
    assert_eq!(faults().await, json!([]));
    assert_eq!(process.post(&path, Some("secret"), &disarmed).await.0, 404);
}

pub(crate) async fn what_a_call_fails_with_is_told() {
    let process = Process::start(&[("FAILS", "1")]);
    let began = Instant::now();
    loop {
        let (_, events) = process.get("/api/events?policy=admin.client").await;
        let kinds: Vec<_> = events.as_array().unwrap().iter().map(|event| &event["kind"]).collect();
        if kinds.contains(&&json!("breaker")) {
            let failed = &events[0];
            assert!(failed["since"].as_u64() <= failed["at"].as_u64());
            let (_, one) = process.get("/api/policies/admin.client").await;
            assert_eq!(one["row"]["since"], events[1]["at"], "{one}");
            assert_eq!(one["row"]["error"], failed["text"]);
            assert_eq!(one["row"]["error_at"], failed["at"]);
            let after =
                format!("/api/events?policy=admin.client&after={}&most=1", failed["number"]);
            let (_, next) = process.get(&after).await;
            assert_eq!(next[0]["number"], events[1]["number"], "those right after it");
            assert_eq!((&failed["kind"], &failed["times"]), (&json!("failed"), &json!(3)));
            assert_eq!(failed["text"], "<i>the dependency</i> says no");
            assert!(events[1]["text"].as_str().unwrap().starts_with("closed → open"), "{events}");
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{events}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Of a breaker with a name of its own as well.
    let (_, one) = process.get("/api/policies/admin.shared").await;
    let kinds: Vec<_> = one["events"].as_array().unwrap().iter().map(|e| &e["kind"]).collect();
    assert_eq!(kinds, ["breaker", "failed"], "{one}");
    assert_eq!(one["row"]["changed"], one["events"][0]["at"]);
    until(|| process.log.lock().unwrap().contains("1 × failed: <i>the dependency</i> says no"))
        .await;
}

pub(crate) async fn how_long_calls_take_is_measured_while_somebody_looks() {
    let process = Process::start(&[]);
    let p99 = async || process.get("/api/policies?search=client").await.1["rows"][0]["p99"].clone();
    assert_eq!(p99().await, Value::Null, "nobody looks");
    let stream = process.client.get(format!("{}/api/stream", process.base)).send().await.unwrap();
    let mut stream = Some(stream);
    let began = Instant::now();
    while p99().await != json!(0.001) {
        assert!(began.elapsed() < Duration::from_secs(10), "{}", p99().await);
        stream.as_mut().unwrap().chunk().await.unwrap();
    }
    stream = None;
    while p99().await != Value::Null {
        assert!(began.elapsed() < Duration::from_secs(20), "nobody looks any more");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(stream);
}

pub(crate) async fn those_beyond_a_thousand_are_refused_and_the_rest_go_on() {
    let process = Process::start(&[]);
    let look = || process.client.get(format!("{}/api/stream", process.base)).send();
    let mut streams = Vec::new();
    for _ in 0..1000 {
        streams.push(look().await.unwrap());
    }
    let refused = look().await.unwrap();
    assert_eq!(refused.status().as_u16(), 503);
    assert_eq!(refused.headers()["content-type"], "application/problem+json");
    assert_eq!(process.get("/api/policies").await.0, 200, "the rest goes on");
    for stream in &mut streams {
        let next = tokio::time::timeout(Duration::from_secs(10), stream.chunk()).await;
        assert!(next.expect("each is shown something").unwrap().is_some());
    }
    streams.clear();
    let began = Instant::now();
    while look().await.unwrap().status().as_u16() != 200 {
        assert!(began.elapsed() < Duration::from_secs(10), "their places are free");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) async fn from_elsewhere_reading_takes_a_token() {
    let process = Process::start(&[("STRANGER", "1")]);
    assert_eq!(process.get("/api/policies").await.0, 403, "nobody said who may read");
    let page = process.client.get(format!("{}/", process.base)).send().await.unwrap();
    assert_eq!(
        page.status().as_u16(),
        200,
        "the page itself has no secrets, and asks for the token"
    );
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

pub(crate) async fn what_is_wrong_is_a_problem() {
    let process = Process::start(&[("MMF_ADMIN_TOKEN", "secret")]);
    let token = Some("secret");
    let closed = json!({ "to": "closed" });
    let rebound = process.client.get(format!("{}/api/health", process.base));
    let rebound = rebound.header("host", "evil.example").send().await.unwrap();
    assert_eq!(rebound.status().as_u16(), 401, "a name that leads here is not this machine");
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
    // Whatever is mistyped does nothing.
    for (path, body) in [
        ("/api/level", json!({ "levl": "severe" })),
        ("/api/level", json!({})),
        ("/api/configuration", json!({ "text": "", "Check": true })),
        (BREAKER, json!({ "to": "closed", "now": true })),
        ("/api/features/tips", json!({ "to": "off", "by": "me" })),
        ("/api/faults/1", json!({ "to": "disarmed", "all": true })),
    ] {
        assert_eq!(process.post(path, token, &body).await.0, 422, "{path} {body}");
    }
    assert_eq!(process.post("/api/faults/one", token, &json!({ "to": "disarmed" })).await.0, 400);
    assert_eq!(process.post("/api/health", token, &json!({})).await.0, 405);
    assert_eq!(process.post("/api/none", token, &json!({})).await.0, 404);
    let (status, told) = process.get("/api/policies/%FF").await;
    assert!(status == 400 && told["status"] == 400, "{told}");
    let cross = process.client.get(format!("{}/api/health", process.base));
    let cross = cross.header("sec-fetch-site", "cross-site").send().await.unwrap();
    assert_eq!(cross.status().as_u16(), 403, "another site's page takes no place of a viewer");
}

/// Requests by chance, the same in each run: more of them by `MMF_FUZZ_REQUESTS`.
pub(crate) async fn whatever_is_asked_nothing_breaks() {
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

pub(crate) async fn the_page_asks_nobody_else_and_its_stream_goes_on() {
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
pub(crate) async fn a_service_has_it_beside_it() {
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
            half_a_request_ends(address).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// It holds no connection for longer than ten seconds.
async fn half_a_request_ends(address: &str) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let mut all = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut all)).await;
    assert!(ended.is_ok(), "it is held");
}

/// A policy whose values panic takes nothing along: neither the list, nor the stream, nor an answer.
pub(crate) async fn what_cannot_be_read_is_a_row_that_says_so() {
    let process = Process::start(&[("PANICS", "1"), ("MMF_ADMIN_TOKEN", "secret")]);
    let (_, list) = process.get("/api/policies").await;
    let row = &list["rows"][0];
    assert_eq!((&row["name"], &row["state"]), (&json!("admin.panics"), &json!("unreadable")));
    let names: Vec<_> = list["rows"].as_array().unwrap().iter().map(|row| &row["name"]).collect();
    assert!(names.contains(&&json!("admin.client")), "{list}");
    assert_eq!(process.get("/api/policies/admin.panics").await.0, 500);
    let (status, health) = process.get("/api/health").await;
    assert!(status == 200 && health["score"].is_f64(), "{health}");
    let stream = process.client.get(format!("{}/api/stream", process.base)).send().await;
    let view = stream.unwrap().chunk().await.unwrap().unwrap();
    assert!(view.starts_with(b"data: {"), "{view:?}");
}

/// What an operator turns off for a while is not what tells of operators.
pub(crate) async fn no_level_hides_a_change() {
    let process = Process::start(&[("MMF_ADMIN_TOKEN", "secret")]);
    let set = json!({ "level": "off", "minutes": 15 });
    assert_eq!(process.post("/api/log-level", Some("secret"), &set).await.0, 200);
    assert_eq!(process.post(BREAKER, Some("secret"), &json!({ "to": "isolated" })).await.0, 200);
    let told = || process.log.lock().unwrap().matches(r#""event_type":"admin_change""#).count();
    until(|| told() == 2).await;
}

/// The page is what is left to look at then.
pub(crate) async fn whatever_becomes_of_its_lines_it_answers() {
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
