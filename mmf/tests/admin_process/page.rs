//! The page in a real browser.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::process::{HOSTILE, Process};

const ENTER: &str = "\u{e007}";
const TAB: &str = "\u{e004}";
const ESCAPE: &str = "\u{e00c}";

/// How the page writes it.
const HOSTILE_SHOWN: &str = "<script>alert(1)</script>/\"\\u{a}";

/// What the tests see they write beside the binary, for whoever asks.
pub(crate) async fn in_a_browser() {
    let folder = std::env::current_exe().unwrap().with_file_name("admin");
    std::fs::create_dir_all(&folder).unwrap();
    let browser = Browser::start(&folder);
    browser.size(1400, 900);
    let shown = Page { browser, folder };
    shown.switches_by_keyboard().await;
    shown.changes_nothing_without_a_token().await;
    shown.says_within_a_second_what_has_changed().await;
    shown.has_a_thousand_policies().await;
    shown.stands_below_others().await;
    println!("pictures of the page are in {}", shown.folder.display());
}

struct Page {
    browser: Browser,
    folder: PathBuf,
}

impl Page {
    fn open(&self, process: &Process) {
        // What was told of pages before this one is theirs.
        self.browser.ask("url", &json!({ "url": "about:blank" }));
        let _ = (self.browser.requests(), self.browser.log("browser"));
        self.browser.ask("url", &json!({ "url": format!("{}/", process.base) }));
    }

    /// Waits for a script to say something that is not false.
    async fn shows(&self, script: &str) -> Value {
        let began = Instant::now();
        loop {
            let said = self.browser.run(script);
            if said != json!(false) && !said.is_null() {
                return said;
            }
            if began.elapsed() > Duration::from_secs(10) {
                let text = self.browser.run("return document.body.innerText");
                panic!("{script}: {}", text.as_str().unwrap_or_default());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for what has this id to have a text in it.
    async fn says(&self, id: &str, text: &str) {
        let text = json!(text);
        self.shows(&format!("return document.getElementById('{id}').textContent.includes({text})"))
            .await;
    }

    fn press(&self, key: &str) {
        let press = |kind| json!({ "type": kind, "value": key });
        let keys =
            json!({ "type": "key", "id": "keys", "actions": [press("keyDown"), press("keyUp")] });
        self.browser.ask("actions", &json!({ "actions": [keys] }));
    }

    fn write(&self, text: &str) {
        text.chars().for_each(|key| self.press(&key.to_string()));
    }

    /// What has the focus: its label, its text or its id.
    fn focused(&self) -> String {
        let script = "const e = document.activeElement; \
                      return e.getAttribute('aria-label') ?? (e.tagName === 'BUTTON' || e.tagName === 'SUMMARY' ? e.textContent : e.id)";
        self.browser.run(script).as_str().unwrap_or_default().to_owned()
    }

    /// Goes on by the tabulator until something has the focus, which has to be seen.
    async fn reach(&self, name: &str) {
        let began = Instant::now();
        while self.focused() != name {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "{name} has no way to it by keyboard"
            );
            self.press(TAB);
        }
        let ring = "const s = getComputedStyle(document.activeElement); \
                    return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2";
        assert_eq!(self.browser.run(ring), json!(true), "{name} shows no focus");
    }

    async fn push(&self, name: &str) {
        self.reach(name).await;
        self.press(ENTER);
    }

    async fn switches_by_keyboard(&self) {
        let Self { browser, .. } = self;
        let mut process = Process::start(&[("MMF_ADMIN_TOKEN", "secret")]);
        self.open(&process);
        self.shows("return document.querySelectorAll('#rows tr').length === 3").await;
        let texts = browser
            .run("return [...document.querySelectorAll('button.name')].map((b) => b.textContent)");
        assert!(texts.as_array().unwrap().contains(&json!(HOSTILE_SHOWN)), "{texts}");
        let titles =
            "return [...document.querySelectorAll('button.name')].map((b) => b.dataset.name)";
        assert!(browser.run(titles).as_array().unwrap().contains(&json!(HOSTILE)));
        let markup = "return document.querySelectorAll('script, main i, main b').length";
        assert_eq!(browser.run(markup), json!(1), "others' text is text");
        self.says("checks", "■ down  db (degrading)").await;
        self.says("checks", "ago: no route <b>to</b> it").await;
        // Nothing is where it was not: the layout holds while numbers change.
        browser.run(
            "window.shifts = 0; new PerformanceObserver((list) => { \
               for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value; \
             }).observe({ type: 'layout-shift', buffered: false })",
        );
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(browser.run("return window.shifts"), json!(0));

        self.reach("token").await;
        self.write("wrong");
        self.push("admin.client").await;
        self.shows("return !document.getElementById('details').hidden").await;
        self.push("Isolate: admin.client").await;
        self.says("answer", "the token is not the one that this takes").await;
        self.reach("token").await;
        browser.run("document.getElementById('token').value = ''");
        self.write("secret");
        self.push("Isolate: admin.client").await;
        self.says("rows", "■ isolated").await;
        self.says("answer", "closed → forced_open").await;
        self.says("said", "admin.client is isolated").await;
        assert_eq!(self.focused(), "Isolate: admin.client", "the focus stays");
        self.says("events", "closed → forced_open").await;
        let refused = async || {
            let (_, one) = process.get("/api/policies/admin.client").await;
            one["snapshot"]["breaker"]["refused"].as_u64().unwrap()
        };
        let before = refused().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(refused().await > before, "calls are refused");
        for (switch, answer) in [
            ("Half-open", "forced_open → half_open"),
            ("Disable", "→ disabled"),
            ("Release", "disabled → closed"),
            ("Close", "closed → closed"),
        ] {
            self.push(&format!("{switch}: admin.client")).await;
            self.says("answer", answer).await;
        }
        self.says("values", "timeout\"2s\"").await;
        self.push("Off: tips").await;
        self.says("features", "tips: off").await;
        self.reach("level").await;
        self.write("s");
        self.reach("reason").await;
        self.write("a rush");
        self.push("Set level").await;
        self.says("levelAnswer", "none → severe, by hand").await;
        self.says("summary", "level severe, by hand").await;
        // It stays until health says otherwise, and nobody holds it any more.
        self.push("Follow health").await;
        self.says("levelAnswer", "severe, by hand → severe").await;
        self.shows("return !document.getElementById('summary').textContent.includes('by hand')")
            .await;
        self.push("Set log level").await;
        self.says("logAnswer", "info → debug").await;
        self.says("logNow", "debug, for 15 min more").await;
        self.push("Take it back").await;
        self.says("logAnswer", "debug → info").await;
        self.says("summary", "faults are injected").await;
        self.push("Disarm: nobody.*: hang(p=0.25)").await;
        self.says("faultsAnswer", "armed → disarmed").await;
        self.says("faults", "none").await;
        self.push("Configuration").await;
        self.reach("text").await;
        self.write("[policies.none]");
        self.push("Check").await;
        self.says("configured", "unknown policy `none`").await;
        browser.run("document.getElementById('text').value = '[policies.\"admin.client\"]\\ntimeout = \"3s\"'");
        self.push("Check").await;
        self.says("configured", "admin.client: timeout \"2s\" → \"3s\"").await;
        self.says("values", "timeout\"2s\"").await;
        self.push("Apply").await;
        self.says("values", "timeout\"3s\"text:2").await;
        self.is_accessible("with a policy", &process);
        self.pictures();
        self.press(ESCAPE);
        self.shows("return document.getElementById('details').hidden").await;
        assert_eq!(self.focused(), "admin.client", "the focus goes back to where it came from");
        self.is_well(&process, &["401", "422"]);
        // One that there is not has no switches, least of all those of another.
        self.push("admin.client").await;
        self.shows("return document.querySelectorAll('#switches button').length === 5").await;
        browser.run("location.hash = 'no.such'");
        self.says("why", "no policy is called").await;
        assert_eq!(
            browser.run("return document.querySelectorAll('#switches button').length"),
            json!(0)
        );
        self.press(ESCAPE);

        // The stream is lost with the process, and the page says so; it comes back with the next one.
        let port = process.base.rsplit(':').next().unwrap().to_owned();
        drop(process);
        self.says("stream", "The stream is lost").await;
        process = Process::start(&[("PORT", &port)]);
        self.shows("return document.getElementById('stream').textContent === 'live'").await;
        // For longer than any silence that would end it.
        for _ in 0..60 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            self.says("stream", "live").await;
            assert_eq!(browser.run("return document.body.className"), json!(""));
        }
        let rates = "return [...document.querySelectorAll('#rows td:nth-child(3)')].every((td) => !td.textContent.startsWith('-'))";
        assert_eq!(browser.run(rates), json!(true), "no fewer calls than none");
        self.says("process", "admin on ").await;
        self.says("summary", "changing is off: set MMF_ADMIN_TOKEN").await;
        drop(process);
    }

    async fn changes_nothing_without_a_token(&self) {
        let process = Process::start(&[]);
        self.open(&process);
        self.push("admin.client").await;
        self.shows("return document.querySelectorAll('#switches button').length === 5").await;
        self.says("summary", "changing is off: set MMF_ADMIN_TOKEN").await;
        let open = "return [...document.querySelectorAll('#switches button, #operate button, #level')]\
                    .filter((one) => !one.disabled).map((one) => one.textContent)";
        assert_eq!(self.browser.run(open), json!(["Check"]));
        // Check is no change, and is refused all the same.
        self.push("Configuration").await;
        self.push("Check").await;
        self.says("configured", "changing is off: set MMF_ADMIN_TOKEN").await;
        // The view of a policy has an address.
        assert_eq!(self.browser.run("return location.hash"), json!("#admin.client"));
        self.is_well(&process, &["403"]);
    }

    async fn says_within_a_second_what_has_changed(&self) {
        let process = Process::start(&[("FAILS", "1"), ("MMF_ADMIN_TOKEN", "secret")]);
        self.open(&process);
        self.says("stream", "live").await;
        let opened = async || {
            let (_, events) = process.get("/api/events?policy=admin.client").await;
            let all = events.as_array().unwrap();
            all.iter().find(|event| event["kind"] == "breaker").map(|event| event["at"].as_u64())
        };
        let began = Instant::now();
        let at = loop {
            if let Some(Some(at)) = opened().await {
                break at;
            }
            assert!(began.elapsed() < Duration::from_secs(10));
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        self.says("rows", "■ open").await;
        self.picture("open");
        let now = self.browser.run("return Date.now()").as_u64().unwrap();
        assert!(now - at <= 1100, "{} ms after the breaker opened the page says it", now - at);
        self.push("admin.client").await;
        self.says("events", "3 × <i>the dependency</i> says no").await;
        self.says("why", "not closed since ").await;
        self.says("why", ": <i>the dependency</i> says no").await;
        self.is_well(&process, &[]);
    }

    async fn has_a_thousand_policies(&self) {
        let process = Process::start(&[("MANY", "1000"), ("MMF_ADMIN_TOKEN", "secret")]);
        self.open(&process);
        self.says("count", "1003 policies").await;
        self.shows("return document.querySelectorAll('#rows tr').length === 100").await;
        self.push("Next").await;
        self.says("place", "101–200 of 1003").await;
        self.says("rows", "many.0150").await;
        // It stays there while views come.
        tokio::time::sleep(Duration::from_millis(2500)).await;
        self.says("place", "101–200 of 1003").await;
        self.picture("many");
        self.push("Previous").await;
        self.says("place", "1–100 of 1003").await;
        self.reach("search").await;
        self.write("0999");
        self.says("count", "1 policy").await;
        self.says("rows", "many.0999").await;
        self.write("x");
        self.shows("return !document.getElementById('nothing').hidden").await;
        self.is_accessible("with a thousand policies", &process);
        self.is_well(&process, &[]);
    }

    /// In a router of the user's own, where it is asked for without a slash at the end.
    async fn stands_below_others(&self) {
        let process = Process::start(&[("NESTED", "1")]);
        self.browser.ask("url", &json!({ "url": "about:blank" }));
        let _ = (self.browser.requests(), self.browser.log("browser"));
        self.browser.ask("url", &json!({ "url": format!("{}/admin", process.base) }));
        self.says("stream", "live").await;
        self.push("admin.client").await;
        self.says("values", "timeout").await;
        self.is_well(&process, &[]);
    }

    /// Neither an error on its console, but for answers that the test itself asked for, nor a request elsewhere.
    fn is_well(&self, process: &Process, expected: &[&str]) {
        // What a new tab shows is the browser's own.
        let requests = self.browser.requests().into_iter().filter(|url| url.starts_with("http"));
        let elsewhere: Vec<_> = requests.filter(|url| !url.starts_with(&process.base)).collect();
        assert_eq!(elsewhere, [""; 0]);
        let told = self.browser.log("browser").into_iter().filter(|e| e["level"] == "SEVERE");
        let others: Vec<_> = told
            .filter(|entry| {
                let message = entry["message"].to_string();
                !expected.iter().any(|status| message.contains(&format!("status of {status}")))
            })
            .collect();
        assert!(others.is_empty(), "{others:?}");
    }

    /// By axe, where it is there, in both themes and on a small screen; and by what a screen reader is told.
    fn is_accessible(&self, state: &str, process: &Process) {
        let Self { browser, .. } = self;
        match std::env::var_os("MMF_AXE") {
            None => println!("MMF_AXE names no axe.min.js: left out"),
            Some(axe) => {
                let axe = std::fs::read_to_string(Path::new(&axe)).unwrap();
                for (theme, width) in [("dark", 1400), ("light", 1400), ("dark", 400)] {
                    self.theme(theme);
                    browser.size(width, 900);
                    // In the words of WebDriver the last argument is whom to tell.
                    let script = format!(
                        "{axe}; const tell = arguments[arguments.length - 1]; \
                         axe.run().then((found) => tell(found.violations.flatMap((one) => one.nodes.map((node) => \
                           one.id + ': ' + node.html + ' ' + node.failureSummary))), (wrong) => tell([String(wrong)]))"
                    );
                    let body = json!({ "script": script, "args": [] });
                    let found = browser.ask("execute/async", &body);
                    assert_eq!(found, json!([]), "{state}, {theme}, {width} px, {}", process.base);
                }
            }
        }
        browser.size(1400, 900);
        self.theme("dark");
        let tree = browser.cdp("Accessibility.getFullAXTree", &json!({}));
        let nodes = tree["nodes"].as_array().unwrap();
        let heard: Vec<String> = nodes
            .iter()
            .filter(|node| node["ignored"] != json!(true))
            .map(|node| {
                let word = |key: &str| node[key]["value"].as_str().unwrap_or_default().to_owned();
                format!("{} {}", word("role"), word("name"))
            })
            .collect();
        std::fs::write(self.folder.join(format!("{state}.txt")), heard.join("\n")).unwrap();
        let mut wanted = vec!["heading admin on ", "heading The whole process", "main "];
        if state == "with a policy" {
            wanted.extend([
                "table 3 policies, the worst first",
                "columnheader State",
                "columnheader p99",
                "cell well",
                "heading admin.client",
                "group Breaker by hand",
                "button Isolate: admin.client",
                "heading Last events",
                "textbox Token",
                "combobox Level",
            ]);
        }
        for wanted in wanted {
            assert!(heard.iter().any(|heard| heard.contains(wanted)), "{wanted}: {heard:#?}");
        }
        // A control that says nothing of itself is none to who cannot see it.
        let controls = ["button ", "textbox ", "combobox ", "searchbox ", "link "];
        let nameless = heard.iter().filter(|heard| controls.contains(&heard.as_str()));
        assert_eq!(nameless.count(), 0, "{heard:#?}");
    }

    fn theme(&self, theme: &str) {
        self.browser.run(&format!(
            "const t = document.getElementById('theme'); t.value = '{theme}'; t.dispatchEvent(new Event('change'))"
        ));
    }

    fn pictures(&self) {
        let Self { browser, .. } = self;
        browser.run("document.activeElement.blur(); document.getElementById('configuration').open = false; scrollTo(0, 0)");
        let still =
            json!({ "features": [{ "name": "prefers-reduced-motion", "value": "reduce" }] });
        browser.cdp("Emulation.setEmulatedMedia", &still);
        let moves = "return getComputedStyle(document.querySelector('button')).transitionDuration";
        assert_eq!(browser.run(moves), json!("0s"));
        for (name, width, theme) in
            [("dark", 1400, "dark"), ("light", 1400, "light"), ("phone", 400, "dark")]
        {
            self.theme(theme);
            browser.size(width, 900);
            let fits =
                browser.run("return document.documentElement.scrollWidth <= window.innerWidth");
            assert_eq!(fits, json!(true), "{name} is wider than its window");
            self.picture(name);
        }
        browser.size(1400, 900);
        self.theme("dark");
    }

    fn picture(&self, name: &str) {
        let picture = self.browser.get("screenshot");
        let bytes = base64::engine::general_purpose::STANDARD.decode(picture.as_str().unwrap());
        std::fs::write(self.folder.join(format!("{name}.png")), bytes.unwrap()).unwrap();
    }
}
