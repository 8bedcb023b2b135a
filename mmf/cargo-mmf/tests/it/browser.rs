//! The page of `cargo mmf report` in a real browser, by ChromeDriver. Ignored where nobody asks for it:
//! `cargo test -p cargo-mmf --test it -- --ignored browser`, with `chromedriver` and `chromium` on the path.

#[path = "../../../tests/browser/mod.rs"]
mod driver;

use std::process::Command;

use driver::Browser;
use mmf::testing::results::{Chaos, ChaosCase, Check, Contract, Outcome, Performance, Record};
use serde_json::json;

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
