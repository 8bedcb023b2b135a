//! The page of `cargo mmf report` in a real browser, by ChromeDriver. Ignored where nobody asks for it:
//! `cargo test -p cargo-mmf --test it -- --ignored browser`, with `chromedriver` and `chromium` on the path.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mmf::testing::results::{Chaos, ChaosCase, Check, Contract, Outcome, Performance, Record};
use serde_json::{Value, json};

/// A session of a browser, closed at its end.
struct Browser {
    driver: Child,
    session: String,
    profile: PathBuf,
}

impl Browser {
    fn start(folder: &Path) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .spawn()
            .expect("chromedriver is on the path");
        let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines
            .map_while(Result::ok)
            .find_map(|line| {
                let port = line.split("successfully on port ").nth(1)?;
                port.trim_end_matches('.').parse::<u16>().ok()
            })
            .expect("chromedriver says its port");
        let profile = folder.join("profile");
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &format!("--user-data-dir={}", profile.display()),
        ];
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        } } });
        let root = format!("http://127.0.0.1:{port}/session");
        let answer = post(&root, &capabilities);
        let id = answer["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {answer}"));
        Self { driver, session: format!("{root}/{id}"), profile }
    }

    fn ask(&self, what: &str, body: &Value) -> Value {
        post(&format!("{}/{what}", self.session), body)
    }

    fn run(&self, script: &str) -> Value {
        self.ask("execute/sync", &json!({ "script": script, "args": [] }))
    }

    fn log(&self, kind: &str) -> Vec<Value> {
        self.ask("se/log", &json!({ "type": kind })).as_array().cloned().unwrap_or_default()
    }

    /// Every address that was asked for.
    fn requests(&self) -> Vec<String> {
        let events = self.log("performance").into_iter().filter_map(|entry| {
            let event: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let message = &event["message"];
            let is_request = message["method"] == "Network.requestWillBeSent";
            is_request.then(|| message["params"]["request"]["url"].as_str().map(str::to_owned))?
        });
        events.collect()
    }

    fn size(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.cdp("Emulation.setDeviceMetricsOverride", &metrics);
    }

    fn cdp(&self, command: &str, parameters: &Value) {
        self.ask("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = ureq::delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

fn post(url: &str, body: &Value) -> Value {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut answer =
        agent.post(url).content_type("application/json").send(body.to_string()).unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    assert!(answer.status().is_success(), "{url}: {text}");
    serde_json::from_str::<Value>(&text).unwrap()["value"].take()
}

/// A record of each kind, with a long name, and with text that would be markup if it were not escaped.
fn records() -> Vec<Record> {
    let check = |name: &str, passed| Check {
        name: name.into(),
        passed,
        detail: "<b>500</b>, expected 200".into(),
    };
    let contract = Contract {
        service: "user-service".into(),
        endpoint: "GET /users/{id}/a/path/that/is/rather/long/for/a/phone".into(),
        checks: vec![check("status", true), check("sla", false)],
        sla_ms: Some(100.0),
        measured_ms: Some(250.0),
        samples: 20,
        percentile: 95.0,
    };
    let performance = Performance {
        endpoint: "/users".into(),
        iterations: 1000,
        p50_ms: 10.0,
        p90_ms: 20.0,
        p95_ms: 25.0,
        p99_ms: 40.0,
        max_ms: 80.0,
        throughput: 480.0,
        limits: [("max_response_time_ms".into(), 50.0)].into(),
        ..Performance::default()
    };
    let case = ChaosCase {
        name: "network_delay and network_failure".into(),
        calls: 20,
        successes: 19,
        p99_ms: 500.0,
        injections: [("users.fetch".into(), [("network_failure".into(), 4)].into())].into(),
        policies: [("users.fetch".into(), [("retries".into(), 4)].into())].into(),
        ..ChaosCase::default()
    };
    let chaos = Chaos {
        scenario: "network".into(),
        target: "users.*".into(),
        cases: vec![case],
        ..Chaos::default()
    };
    let record = |name: &str, passed, outcome| {
        Record::new(name, passed, 25.0, outcome).because(&["<script>alert(1)</script>".into()])
    };
    vec![
        record("api::contracts::a_user", false, Outcome::Contract(contract)),
        record("api::list_users", true, Outcome::Performance(performance)),
        record("api::survives", true, Outcome::Chaos(chaos)),
        record("api::a_plain_test_with_a_name_that_goes_on_for_quite_a_while", true, Outcome::Test),
    ]
}

#[test]
#[ignore = "needs chromedriver and chromium"]
fn the_page_renders_and_asks_for_nothing() {
    let folder = std::env::temp_dir().join(format!("mmf-browser-{}", std::process::id()));
    let results = folder.join("results");
    std::fs::create_dir_all(&results).unwrap();
    let page = folder.join("report.html");
    // Twice, so that there is a history.
    for run in 0..2 {
        let lines: Vec<_> = records()
            .into_iter()
            .map(|mut record| {
                record.at_ms += run;
                serde_json::to_string(&record).unwrap()
            })
            .collect();
        std::fs::write(results.join("a-1.jsonl"), lines.join("\n")).unwrap();
        let status = Command::new(env!("CARGO_BIN_EXE_cargo-mmf"))
            .args(["report", "--results"])
            .arg(&results)
            .arg("--html")
            .arg(&page)
            .current_dir(&folder)
            .status()
            .unwrap();
        assert!(status.success());
    }
    let browser = Browser::start(&folder);
    // Away from the browser's own first page, and its requests forgotten.
    browser.ask("url", &json!({ "url": "about:blank" }));
    browser.requests();
    browser.size(1280, 900);
    let address = format!("file://{}", page.display());
    browser.ask("url", &json!({ "url": address }));

    assert_eq!(browser.run("return document.querySelector('h1').innerText"), "A gate failed");
    for (what, least) in [
        ("#gates tr", 6),
        ("#contracts tr", 2),
        ("svg.latency rect", 5),
        ("svg.latency line.limit", 1),
        ("svg.history rect", 2),
        ("#slowest tr", 4),
    ] {
        let script = format!(
            "return [...document.querySelectorAll('{what}')].filter(e => e.getClientRects().length).length"
        );
        let seen = browser.run(&script).as_u64().unwrap();
        assert!(seen >= least, "{seen} of {what} are seen, {least} expected");
    }
    // The bar of the 50th percentile is an eighth of the longest, and the limit lies between p99 and max.
    let plot = browser.run(
        "const box = s => document.querySelector(s).getBoundingClientRect();
         const bars = [...document.querySelectorAll('svg.latency rect')].map(e => e.getBoundingClientRect());
         return [bars[0].width / bars[4].width, bars[3].right < box('svg.latency line.limit').x,
                 box('svg.latency line.limit').x < bars[4].right]",
    );
    assert!((plot[0].as_f64().unwrap() - 0.125).abs() < 0.01, "{plot}");
    assert_eq!((&plot[1], &plot[2]), (&json!(true), &json!(true)), "{plot}");
    let text = browser.run("return document.body.innerText").as_str().unwrap().to_owned();
    for part in
        ["<script>alert(1)</script>", "<b>500</b>", "users.fetch", "4 retries", "network_failure"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }

    let colour = "return getComputedStyle(document.body).backgroundColor";
    let of_scheme = |scheme: &str| {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        browser.cdp("Emulation.setEmulatedMedia", &features);
        browser.run(colour)
    };
    assert_ne!(of_scheme("light"), of_scheme("dark"));

    browser.size(390, 844);
    let wide = browser.run("return [document.documentElement.scrollWidth, innerWidth]");
    assert!(wide[0].as_u64() <= wide[1].as_u64(), "the page is wider than a phone: {wide}");

    let told: Vec<_> = browser.log("browser");
    assert!(told.is_empty(), "{told:?}");
    let asked = browser.requests();
    assert_eq!(asked, [address], "the page itself and nothing else");
    drop(browser);
    std::fs::remove_dir_all(&folder).unwrap();
}
