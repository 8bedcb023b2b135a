//! A real browser, by ChromeDriver, for the tests of pages.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// A session of a browser, closed at its end.
pub(crate) struct Browser {
    driver: Child,
    /// Its address at the driver.
    pub(crate) session: String,
    profile: PathBuf,
}

impl Browser {
    pub(crate) fn start(folder: &Path) -> Self {
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

    pub(crate) fn ask(&self, what: &str, body: &Value) -> Value {
        post(&format!("{}/{what}", self.session), body)
    }

    #[allow(dead_code, reason = "one of the programs that have this file takes no pictures")]
    pub(crate) fn get(&self, what: &str) -> Value {
        let answer = ureq::get(format!("{}/{what}", self.session)).call();
        // A picture is larger than what is read unless one says so.
        let text = answer.unwrap().body_mut().with_config().limit(64 << 20).read_to_string();
        serde_json::from_str::<Value>(&text.unwrap()).unwrap()["value"].take()
    }

    pub(crate) fn run(&self, script: &str) -> Value {
        self.ask("execute/sync", &json!({ "script": script, "args": [] }))
    }

    pub(crate) fn log(&self, kind: &str) -> Vec<Value> {
        self.ask("se/log", &json!({ "type": kind })).as_array().cloned().unwrap_or_default()
    }

    /// Every address that was asked for.
    pub(crate) fn requests(&self) -> Vec<String> {
        let events = self.log("performance").into_iter().filter_map(|entry| {
            let event: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let message = &event["message"];
            let is_request = message["method"] == "Network.requestWillBeSent";
            is_request.then(|| message["params"]["request"]["url"].as_str().map(str::to_owned))?
        });
        events.collect()
    }

    pub(crate) fn size(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.cdp("Emulation.setDeviceMetricsOverride", &metrics);
    }

    pub(crate) fn cdp(&self, command: &str, parameters: &Value) -> Value {
        self.ask("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
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
