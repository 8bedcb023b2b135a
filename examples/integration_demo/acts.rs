//! The acts, one after the other, each with its ticks.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::load::{Load, Sums};
use crate::network::Network;
use crate::operator::{Operator, TOKEN};
use crate::process::{Error, Process};
use crate::quality;
use crate::stage::Stage;

const REQUEST: &str = "req-of-the-demonstration";

#[tokio::main]
pub(crate) async fn all(stage: &mut Stage) -> Result<(), Error> {
    let accounts = Process::start("accounts", &[])?;
    let network = Network::to(accounts.port).await?;
    let token = ("MMF_ADMIN_TOKEN", TOKEN.to_owned());
    let users = Process::start("users", &[("ACCOUNTS", network.url()), token])?;
    let mut operator = Operator::new(format!("http://127.0.0.1:{}", users.port));
    stage
        .note(format_args!("load → users :{} → network → accounts :{}", users.port, accounts.port));
    let load = Load::begin(&operator.base);

    normal(stage, &operator, &load).await?;
    health(stage, &operator).await?;
    let report = quality(stage, &operator).await?;
    delay(stage, &mut operator, &load, &network).await?;
    outage(stage, &mut operator, &load, &network).await?;
    degradation(stage, &operator, &load).await?;
    configuration(stage, &operator, &network).await?;

    let sums = load.end().await;
    // Under load a log gathers what repeats itself; a second later it tells each line again.
    sleep(Duration::from_millis(1100)).await;
    operator.request(REQUEST).await?;
    // Users first: it has nobody who calls it any more.
    let mut lines = users.terminate()?;
    lines.extend(accounts.terminate()?);
    request(stage, &lines);
    end(stage, sums, &report)
}

async fn normal(stage: &mut Stage, operator: &Operator, load: &Load) -> Result<(), Error> {
    stage.act(1, "Normal operation");
    sleep(Duration::from_secs(2)).await;
    let (sums, (half, most)) = (load.sums(), load.times());
    let counted = operator.snapshot().await?;
    let answers = format!("{}, half in {half:.1} ms, 99 of 100 in {most:.1} ms", sums.answered);
    stage.value("answers", answers);
    stage.value("attempts, retries", format!("{}, {}", counted["attempts"], counted["retries"]));
    stage.tick("every customer was answered", sums.answered > 100 && sums.failed == 0);
    stage.tick(
        "every answer was of now, and had its tip",
        sums.stale == 0 && sums.with_tip == sums.answered,
    );
    stage.tick("nothing was tried twice", counted["retries"] == 0 && counted["failures"] == 0);
    Ok(())
}

async fn health(stage: &mut Stage, operator: &Operator) -> Result<(), Error> {
    stage.act(2, "Health and metrics");
    for probe in ["/livez", "/readyz", "/startupz"] {
        let (status, body) = operator.text(probe).await?;
        let body: Value = serde_json::from_str(&body)?;
        stage.value(probe, format!("{status} {}", body["status"].as_str().unwrap_or_default()));
        stage.tick(&format!("{probe} passes"), status == 200 && body["status"] == "pass");
    }
    let calls = r#"mmf_policy_calls_total{policy="users.account",outcome="success"}"#;
    let requests =
        r#"mmf_requests_total{protocol="http",method="GET",route="/users/{id}",status="200"}"#;
    let (before, calls) = (operator.metric(requests).await?, operator.metric(calls).await?);
    let after = operator.metric(requests).await?;
    stage.value("requests, calls of the policy", format!("{before}, {calls}, while they go on"));
    // A request is counted at its end, its call before: those in between may be as many as there are customers.
    stage.tick(
        "each request is one call, but for those that run",
        before <= calls && calls <= after + 8.0,
    );
    Ok(())
}

async fn quality(
    stage: &mut Stage,
    operator: &Operator,
) -> Result<mmf::testing::QualityReport, Error> {
    stage.act(3, "Contracts, an experiment, a measurement, and gates");
    let report = quality::report(&operator.base).await;
    for record in &report.records {
        let kind = record.outcome.kind();
        let what = format!("{kind}: {} ({:.0} ms)", record.test, record.duration_ms);
        stage.tick(&what, record.passed);
        for reason in &record.reasons {
            stage.note(format_args!("  {reason}"));
        }
    }
    for verdict in report.verdicts.iter().filter(|verdict| !verdict.no_data) {
        stage.value(
            &verdict.gate,
            format!("{} of {}  {}", verdict.measured, verdict.limit, verdict.verdict()),
        );
    }
    stage.tick("all gates pass", report.all_gates_passed);
    Ok(report)
}

async fn delay(
    stage: &mut Stage,
    operator: &mut Operator,
    load: &Load,
    network: &Network,
) -> Result<(), Error> {
    stage.act(4, "The network becomes slow: answers take 600 ms, attempts have 250");
    let before = load.sums();
    operator.events().await?;
    network.delay(Duration::from_millis(600));
    let timed_out = operator
        .until(async |seen| Ok(seen.snapshot().await?["timeouts"].as_u64() > Some(4)))
        .await?;
    sleep(Duration::from_secs(1)).await;
    network.mend().await?;
    let closed = operator.until(async |seen| Ok(is_closed(&seen.snapshot().await?))).await?;
    timeline(stage, operator).await?;
    let since = load.sums().since(before);
    stage.value("answers meanwhile", counts(since));
    stage.tick("attempts are cut short, and the breaker opens", timed_out);
    stage.tick("customers get the last good account", since.stale > 0);
    stage.tick("not one customer was turned away", since.failed == 0);
    stage.tick("it closes by itself when the network is well", closed);
    Ok(())
}

async fn outage(
    stage: &mut Stage,
    operator: &mut Operator,
    load: &Load,
    network: &Network,
) -> Result<(), Error> {
    stage.act(5, "The network is down");
    let (before, counted) = (load.sums(), operator.snapshot().await?);
    network.fail().await;
    let opened = operator
        .until(async |seen| Ok(seen.snapshot().await?["breaker"]["state"] == "open"))
        .await?;
    let warned = operator.until(async |seen| Ok(seen.readiness().await? == "warn")).await?;
    let degraded = operator.until(async |seen| Ok(seen.level().await? != "none")).await?;
    sleep(Duration::from_secs(1)).await;
    let now = operator.snapshot().await?;
    let (attempts, refused) =
        (grown(&counted, &now, "attempts"), grown(&counted["breaker"], &now["breaker"], "refused"));
    let since = load.sums().since(before);
    timeline(stage, operator).await?;
    stage.value("answers meanwhile", counts(since));
    stage.value("attempts, refused by the breaker", format!("{attempts}, {refused}"));
    stage.tick("the breaker opens", opened);
    stage.tick(
        "what cannot work is hardly tried: most calls are refused at once",
        refused > 3 * attempts,
    );
    stage.tick("the service is ready all the same, and warns", warned);
    stage.tick("the level of degradation rises by itself", degraded);
    stage.tick("not one customer was turned away", since.failed == 0);
    network.mend().await?;
    Ok(())
}

async fn degradation(stage: &mut Stage, operator: &Operator, load: &Load) -> Result<(), Error> {
    stage.act(6, "Degradation, and recovery");
    let recovered = operator.until(async |seen| Ok(seen.level().await? == "none")).await?;
    stage.tick("the level goes back when what failed is well", recovered);
    let told = operator
        .change("level", &json!({ "level": "severe", "reason": "a rush is expected" }))
        .await?;
    stage.value(
        "an operator sets the level",
        format!("{} → {}", text(&told["before"]), text(&told["after"])),
    );
    let since = for_a_while(load).await;
    stage.value("answers meanwhile", format!("{}, {} with a tip", since.answered, since.with_tip));
    stage.tick(
        "tips are left out, and the rest is served",
        since.answered > 20 && since.with_tip == 0,
    );
    operator.change("level", &json!({ "level": "none" })).await?;
    operator.change("level", &json!({ "level": null })).await?;
    let since = for_a_while(load).await;
    stage.tick("tips are back", since.answered > 20 && since.with_tip == since.answered);
    Ok(())
}

/// What customers see from now on, but for the answers that are on their way.
async fn for_a_while(load: &Load) -> Sums {
    sleep(Duration::from_millis(100)).await;
    let before = load.sums();
    sleep(Duration::from_millis(500)).await;
    load.sums().since(before)
}

async fn configuration(
    stage: &mut Stage,
    operator: &Operator,
    network: &Network,
) -> Result<(), Error> {
    stage.act(7, "The configuration is changed while it runs");
    let wrong = operator.configure("[policies.\"users.acount\"]\ntimeout = 2", true).await;
    let told = wrong.err().map(|wrong| wrong.to_string()).unwrap_or_default();
    told.lines().for_each(|line| stage.note(line));
    stage.tick(
        "what is wrong is told, all of it and where",
        told.contains("text:1:") && told.contains("text:2:"),
    );
    let text = "[policies.\"users.account\"]\ntimeout = \"2s\"";
    for change in operator.configure(text, true).await? {
        stage.note(format_args!("would change  {change}"));
    }
    operator.configure(text, false).await?;
    let before = operator.snapshot().await?;
    network.delay(Duration::from_millis(400));
    sleep(Duration::from_secs(1)).await;
    let now = operator.snapshot().await?;
    network.mend().await?;
    let (calls, timeouts) = (grown(&before, &now, "calls"), grown(&before, &now, "timeouts"));
    stage.value("with answers that take 400 ms", format!("{calls} calls, {timeouts} cut short"));
    stage.tick("attempts have the time that the network takes now", calls > 5 && timeouts == 0);
    operator.configure("", false).await?;
    Ok(())
}

/// The lines of one request, in two services, joined by its id.
fn request(stage: &mut Stage, lines: &[Value]) {
    stage.act(8, "One request through two services, by its id");
    let mut lines: Vec<_> = lines.iter().filter(|line| line["correlation_id"] == REQUEST).collect();
    lines.sort_by_key(|line| text(&line["timestamp"]));
    for line in &lines {
        let at = text(&line["timestamp"]);
        let at = at.split('T').nth(1).unwrap_or_default().trim_end_matches('Z').to_owned();
        stage.note(format_args!(
            "{at:<15}  {:5} {:9} {}",
            text(&line["level"]),
            text(&line["service"]),
            text(&line["message"]),
        ));
    }
    let all = |key: &str| -> BTreeSet<_> { lines.iter().map(|line| text(&line[key])).collect() };
    stage.tick("both services tell of it", all("service").len() == 2);
    stage.tick("in one trace", all("trace_id").len() == 1 && !all("trace_id").contains(""));
}

fn end(stage: &mut Stage, sums: Sums, report: &mmf::testing::QualityReport) -> Result<(), Error> {
    stage.act(9, "The end");
    stage.value("answers in all", counts(sums));
    stage.tick(
        "not one customer was turned away, from the begin to the end",
        sums.failed == 0 && sums.answered > 500,
    );
    let file = quality::write(report)?;
    stage.value("the report", file.display());
    stage.tick("the report is written", std::fs::metadata(&file)?.len() > 1000);
    Ok(())
}

async fn timeline(stage: &Stage, operator: &mut Operator) -> Result<(), Error> {
    let events = operator.events().await?;
    let first = events.first().map_or(0, |(at, _)| *at);
    stage.note("(several at once are one line, with the time of the last)");
    // What follows of these is left out: each retry of a failure, each answer for a refusal.
    let told = events
        .into_iter()
        .filter(|(_, event)| !event.starts_with("retry") && !event.starts_with("fallback"));
    for (at, event) in told {
        stage.note(format_args!("{:6.2} s  {event}", (at - first) as f64 / 1000.0));
    }
    Ok(())
}

fn is_closed(snapshot: &Value) -> bool {
    snapshot["breaker"]["state"] == "closed"
}

fn grown(before: &Value, now: &Value, key: &str) -> u64 {
    let of = |snapshot: &Value| snapshot[key].as_u64().unwrap_or_default();
    of(now).saturating_sub(of(before))
}

fn counts(sums: Sums) -> String {
    format!("{}, {} of them from memory; {} failed", sums.answered, sums.stale, sums.failed)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
