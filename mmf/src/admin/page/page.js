"use strict";
const find = (id) => document.getElementById(id);
// A state is told by its shape and its word as well as by its colour.
const STATES = {
  open: ["bad", "■", "open"],
  forced_open: ["bad", "■", "isolated"],
  half_open: ["warn", "◆", "half-open"],
  disabled: ["warn", "○", "disabled"],
  failing: ["warn", "▲", "failing"],
  full: ["warn", "▲", "full"],
  well: ["well", "●", "well"],
  unreadable: ["bad", "■", "unreadable"],
};
const SWITCHES = [
  ["isolated", "Isolate", "every call is refused"],
  ["closed", "Close", "calls go through and count, as if it were new"],
  ["half_open", "Half-open", "trials decide"],
  ["disabled", "Disable", "calls go through and do not count"],
  ["released", "Release", "takes back what was made of it by hand"],
];
const PAGE = 100;
let chosen = null;
let canChange = false;
let from = 0;

// Names and errors are others' text: only ever put in as text, and only where it is another.
const put = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
};
const made = (tag, text, kind) => {
  const node = document.createElement(tag);
  node.textContent = text;
  if (kind) node.className = kind;
  return node;
};
// Characters that nobody sees, or that turn the direction of what follows, would make a name another to the eye.
const plain = (text) => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u3164\u115f\u1160\uffa0]/gu,
  (char) => `\\u{${char.codePointAt(0).toString(16)}}`);
// Of several lines, each.
const lines = (text) => text.split("\n").map(plain).join("\n");
// The day is told where it is not this one.
const utc = (at) => {
  const [day, time] = new Date(at).toISOString().slice(0, 19).split("T");
  return new Date().toISOString().startsWith(day) ? time : `${day} ${time}`;
};

const headers = () => {
  const token = find("token").value;
  return token ? { authorization: `Bearer ${token}` } : {};
};
const detail = async (answer) => {
  const told = await answer.json().catch(() => ({}));
  return told.detail ?? `${answer.status} ${answer.statusText}`;
};
// What does not answer is given up, and what shows it says so.
const PATIENCE = 10_000;
const ask = async (path) => {
  const answer = await fetch(path, { headers: headers(), cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
  if (!answer.ok) throw new Error(await detail(answer));
  return answer.json();
};

const ago = (at) => {
  if (at === null) return "–";
  const seconds = Math.max(0, Math.round((Date.now() - at) / 1000));
  return seconds < 120 ? `${seconds} s ago` : seconds < 7200 ? `${Math.round(seconds / 60)} min ago` : `${Math.round(seconds / 3600)} h ago`;
};
const time = (seconds) => (seconds === null ? "–" : seconds < 1 ? `≤ ${seconds * 1000} ms` : `≤ ${seconds} s`);
const left = (millis) => (millis < 120_000 ? `${Math.ceil(millis / 1000)} s` : `${Math.ceil(millis / 60_000)} min`);

// What was seen of each policy at the looks of the last minutes: its calls, and its p99.
const MOST_LOOKS = 180;
const seen = new Map();
const look = (row, at) => {
  let looks = seen.get(row.name) ?? [];
  const before = looks.at(-1);
  if (before?.at === at) return;
  // Another process, or a pipeline that was built anew.
  if (before && before.calls > row.calls) looks = [];
  looks.push({ at, calls: row.calls, p99: row.p99 });
  if (looks.length > MOST_LOOKS) looks.shift();
  seen.set(row.name, looks);
};
const rate = (looks) => {
  const [last, before] = [looks?.at(-1), looks?.at(-Math.min(4, looks.length))];
  if (!last || last === before) return "–";
  return ((last.calls - before.calls) / ((last.at - before.at) / 1000)).toFixed(1);
};
const points = (looks) => {
  const most = Math.max(...looks.map((one) => one.p99 ?? 0), 0.001);
  return looks.flatMap((one, place) => {
    if (one.p99 === null) return [];
    const x = 100 - ((looks.length - 1 - place) * 100) / MOST_LOOKS;
    return [`${x.toFixed(1)},${(18 - (one.p99 / most) * 16).toFixed(1)}`];
  }).join(" ");
};

const cells = () => {
  const row = document.createElement("tr");
  const state = made("td", "", "state");
  const shape = made("span", "");
  shape.setAttribute("aria-hidden", "true");
  state.append(shape, made("span", ""));
  const name = made("button", "", "name");
  name.type = "button";
  name.addEventListener("click", () => choose(name.dataset.name));
  const cell = document.createElement("td");
  cell.append(name);
  row.append(state, cell);
  for (let place = 2; place < 10; place += 1) row.append(document.createElement("td"));
  row.children[6].append(find("line").content.cloneNode(true));
  return row;
};

// Those that are gone.
const forget = () => {
  const oldest = Date.now() - MOST_LOOKS * 1000;
  for (const [name, looks] of seen) {
    if (looks.at(-1).at < oldest) seen.delete(name);
  }
  for (const name of states.keys()) if (!seen.has(name)) states.delete(name);
};

// Rows stay where they are and get other texts: nothing jumps, and the focus is where it was.
const show = (list) => {
  const rows = find("rows");
  const focused = rows.contains(document.activeElement) ? document.activeElement.dataset.name : null;
  while (rows.children.length > list.rows.length) rows.lastChild.remove();
  while (rows.children.length < list.rows.length) rows.append(cells());
  list.rows.forEach((one, place) => {
    const row = rows.children[place];
    const [kind, shape, word] = STATES[one.state];
    const [state, name] = row.children;
    state.className = `state ${kind}`;
    put(state.children[0], `${shape} `);
    put(state.children[1], word);
    row.className = `${kind === "bad" ? "is-bad" : ""} ${one.name === chosen ? "is-chosen" : ""}`;
    name.firstChild.dataset.name = one.name;
    name.firstChild.title = plain(one.name);
    put(name.firstChild, plain(one.name));
    const looks = seen.get(one.name);
    put(row.children[2], rate(looks));
    put(row.children[3], `${(one.failure_rate * 100).toFixed(1)} %`);
    put(row.children[4], time(one.p50));
    put(row.children[5], time(one.p99));
    row.children[6].firstChild.firstChild.setAttribute("points", looks ? points(looks) : "");
    put(row.children[7], String(one.refusals));
    put(row.children[8], String(one.retries));
    put(row.children[9], ago(one.changed));
  });
  find("nothing").hidden = list.rows.length > 0;
  put(find("count"), `${list.total} ${list.total === 1 ? "policy" : "policies"}, the worst first`);
  find("paging").hidden = list.total <= PAGE;
  put(find("place"), `${from + 1}–${from + list.rows.length} of ${list.total}`);
  find("previous").disabled = from === 0;
  find("next").disabled = from + PAGE >= list.total;
  if (focused !== null && document.activeElement?.dataset?.name !== focused) {
    [...rows.querySelectorAll("button.name")].find((name) => name.dataset.name === focused)?.focus();
  }
};

// The stream has the first hundred of all policies; whoever looks at others asks for them.
const isSpecial = () => find("search").value !== "" || from > 0;
const asked = () => ask(`api/policies?search=${encodeURIComponent(find("search").value)}&from=${from}&most=${PAGE}`);
// An answer that comes after a later one is none.
let turns = 0;
const turn = async (place) => {
  from = place;
  turns += 1;
  const own = turns;
  const list = await asked();
  if (own !== turns) return;
  const at = Date.now();
  for (const row of list.rows) look(row, at);
  show(list);
};
const turned = (place) => turn(place).catch((error) => put(find("stream"), error.message));

// Who hears the page is told what changes its state, and not each number.
const states = new Map();
const announce = (rows) => {
  const changed = rows.filter((row) => states.has(row.name) && states.get(row.name) !== row.state);
  if (changed.length > 0) {
    put(find("said"), changed.map((row) => `${plain(row.name)} is ${STATES[row.state][2]}`).join(", "));
  }
  for (const row of rows) states.set(row.name, row.state);
};

// Lists whose items are only made anew where they are others, so that a focus within stays.
const items = (list, wanted, make) => {
  const key = JSON.stringify(wanted);
  if (list.dataset.shown === key) return;
  const focused = list.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
  list.dataset.shown = key;
  list.replaceChildren(...wanted.map(make));
  if (focused !== null) [...list.querySelectorAll("button")].find((one) => one.getAttribute("aria-label") === focused)?.focus();
};
const button = (word, label, act) => {
  const one = made("button", word);
  one.type = "button";
  one.setAttribute("aria-label", label);
  one.addEventListener("click", act);
  return one;
};

const showProcess = (process) => {
  const version = process.version ? ` ${process.version}` : "";
  put(find("process"), plain(`${process.service}${version} on ${process.host}, pid ${process.pid}, up ${left(Date.now() - process.since)}`));
  const title = plain(`${process.service} · ${process.host}:${process.pid}`);
  if (document.title !== title) document.title = title;
};

// A choice that was not sent yet stays until the level is another.
let shownLevel = null;
const showHealth = (health) => {
  canChange = health.can_change;
  find("tokens").hidden = !canChange && !find("stream").classList.contains("lost");
  const down = health.checks.filter((check) => check.is_up === false);
  items(find("summary"), [
    [health.ready ? "well" : "bad", health.ready ? "● ready" : "■ not ready"],
    ["", `score ${health.score.toFixed(2)}`],
    [health.level === "none" ? "" : "warn", `level ${health.level}${health.by_hand ? ", by hand" : ""}`],
    ...(down.length ? [["bad", `■ down: ${down.map((check) => plain(check.name)).join(", ")}`]] : []),
    ...(health.faults.length ? [["bad", "■ faults are injected"]] : []),
    ...(health.log?.left != null ? [["warn", `logging ${plain(health.log.level)}`]] : []),
    ...(canChange ? [] : [["quiet", "changing is off: set MMF_ADMIN_TOKEN"]]),
  ], ([kind, text]) => made("li", text, kind));
  for (const id of ["level", "levelSet", "release", "logSet", "logBack"]) find(id).disabled = !canChange;
  find("apply").disabled = !canChange || loaded === null;
  if (shownLevel !== health.level) {
    shownLevel = health.level;
    find("level").value = health.level;
  }
  const checks = health.checks.map((check) => [
    check.is_up === null ? "quiet" : check.is_up ? "well" : "bad",
    `${check.is_up === null ? "○ not asked yet" : check.is_up ? "● up" : "■ down"}  ${plain(check.name)} (${check.importance})`
      + `${check.age === null ? "" : `, ${left(check.age)} ago`}${check.error ? `: ${plain(check.error)}` : ""}`,
  ]);
  items(find("checks"), checks.length ? checks : [["quiet", "none is registered"]], ([kind, text]) => made("li", text, kind));
  items(find("features"), health.features.map((feature) => [feature.name, feature.is_enabled, canChange]), ([name, isOn]) => {
    const item = made("li", `${plain(name)}: ${isOn ? "on" : "off"} `);
    for (const [to, word] of [["on", "On"], ["off", "Off"], ["by_level", "By level"]]) {
      const one = button(word, `${word}: ${plain(name)}`, () => send(`api/features/${encodeURIComponent(name)}`, { to }, "levelAnswer"));
      one.disabled = !canChange;
      item.append(one, " ");
    }
    return item;
  });
  const faults = health.faults.map((fault) => [fault.number, fault.what, canChange]);
  items(find("faults"), faults.length ? faults : [null], (fault) => {
    if (fault === null) return made("li", "none", "quiet");
    const [number, what] = fault;
    const item = made("li", `${plain(what)} `, "bad");
    const one = button("Disarm", `Disarm: ${plain(what)}`, () => send(`api/faults/${number}`, { to: "disarmed" }, "faultsAnswer"));
    one.disabled = !canChange;
    const told = made("span", "");
    told.dataset.number = number;
    item.append(one, " ", told);
    return item;
  });
  for (const fault of health.faults) {
    const told = [...find("faults").querySelectorAll("span")].find((one) => one.dataset.number === String(fault.number));
    put(told, `${fault.injections} injected, seed ${fault.seed}, for ${left(fault.left)} more`);
  }
  put(find("logNow"), health.log === null
    ? "Set up by the program itself: not changed from here."
    : `${plain(health.log.level)}${health.log.left === null ? "" : `, for ${left(health.log.left)} more`}`);
};

const came = (origin) => origin === "default" ? "default"
  : origin.code ? origin.code.location : `${origin.configured.source}:${origin.configured.line}`;

// A cell whose text is broken where its parts end, and not in the midst of a word.
const parted = (text, kind) => {
  const cell = made("td", "", kind);
  for (const part of text.split(/(?<=[._/])/)) cell.append(part, document.createElement("wbr"));
  return cell;
};
// As of lists, an answer that comes after a later one is none.
let asks = 0;
const showDetails = async () => {
  const name = chosen;
  asks += 1;
  const own = asks;
  let one;
  try {
    one = await ask(`api/policies/${encodeURIComponent(name)}`);
  } catch (error) {
    // Switches of another policy, or of one that is gone, would do something else than they say.
    if (chosen === name) blank(name, error.message);
    return;
  }
  if (chosen !== name || own !== asks) return;
  const breaker = one.snapshot.breaker;
  put(find("name"), plain(name));
  const { since, error, error_at: errorAt } = one.row;
  find("why").hidden = since === null && error === null;
  put(find("why"), [since === null ? "" : `not closed since ${utc(since)}`, error === null ? "" : `last failure at ${utc(errorAt)}: ${plain(error)}`]
    .filter((part) => part).join("; "));
  put(find("location"), `${one.location}${breaker ? ` · breaker ${breaker.state.replace("_", "-")}, opened ${breaker.opened} times` : ""}`);
  items(find("switches"), (one.has_switch ? SWITCHES : []).map((own) => [...own, name]), ([to, word, hint]) => {
    const own = button(word, `${word}: ${plain(name)}`, () => send(`api/policies/${encodeURIComponent(name)}/breaker`, { to }, "answer"));
    own.title = hint;
    own.disabled = !canChange;
    return own;
  });
  for (const own of find("switches").children) own.disabled = !canChange;
  items(find("events"), one.events.length ? one.events : [null], (event) => {
    if (event === null) return made("li", "nothing went wrong yet", "quiet");
    const item = document.createElement("li");
    const at = made("time", utc(event.at));
    if (event.times > 1) at.title = `the first at ${utc(event.since)}`;
    at.dateTime = new Date(event.at).toISOString();
    const kind = event.kind === "breaker" ? "warn" : "quiet";
    item.append(at, made("span", event.kind, kind), made("span", `${event.times > 1 ? `${event.times} × ` : ""}${plain(event.text)}`));
    return item;
  });
  find("keysTitle").hidden = one.keys.length === 0;
  items(find("keys"), one.keys.map((key) => `${plain(key.key)}: ${[
    key.breaker ? `breaker ${key.breaker.state.replace("_", "-")}, ${(key.breaker.failure_rate * 100).toFixed(1)} % failing, ${key.breaker.refused} refused` : "",
    key.rate_limited ? `${key.rate_limited} rate limited` : "",
    key.bulkhead ? `${key.bulkhead.running} of ${key.bulkhead.limit} running, ${key.bulkhead.queued} waiting` : "",
  ].filter((part) => part).join("; ")}`), (text) => made("li", text));
  items(find("values"), one.values.map((value) => [value.key, value.value, came(value.origin)]), (texts) => {
    const row = document.createElement("tr");
    texts.forEach((text, place) => row.append(parted(plain(text), place === 2 ? "quiet" : "")));
    return row;
  });
};
// Of no policy, but for its name.
const blank = (name, why) => {
  put(find("name"), plain(name));
  find("why").hidden = false;
  put(find("why"), why);
  put(find("location"), "");
  for (const id of ["switches", "events", "keys", "values"]) items(find(id), [], () => null);
};
const choose = (name) => {
  location.hash = name === null ? "" : encodeURIComponent(name);
};
const follow = async () => {
  let name;
  try {
    name = decodeURIComponent(location.hash.slice(1)) || null;
  } catch {
    name = null;
  }
  const before = chosen;
  chosen = name;
  put(find("answer"), "");
  find("details").hidden = name === null;
  if (name === null) {
    [...document.querySelectorAll("button.name")].find((one) => one.dataset.name === before)?.focus();
    return;
  }
  blank(name, "…");
  find("name").focus();
  await showDetails();
};

// Of several changes the last one is what is told.
const sent = new Map();
const send = async (path, body, answerAt) => {
  const own = (sent.get(answerAt) ?? 0) + 1;
  sent.set(answerAt, own);
  const tell = (text) => {
    if (sent.get(answerAt) === own) put(find(answerAt), `${utc(Date.now())} ${lines(text)}`);
  };
  put(find(answerAt), "…");
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: { ...headers(), "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (!answer.ok) throw new Error(await detail(answer));
    const told = await answer.json();
    const changes = told.changes?.length ? told.changes.join("\n") : "nothing is wrong, and nothing is other than now";
    tell(told.changes ? changes : `${told.before} → ${told.after}`);
    if (chosen !== null) await showDetails();
    return true;
  } catch (error) {
    tell(error.message);
    return false;
  }
};

const view = async (live) => {
  const at = Date.now();
  for (const row of live.policies.rows) look(row, at);
  forget();
  announce(live.policies.rows);
  showProcess(live.process);
  showHealth(live.health);
  if (isSpecial()) await turn(from);
  else show(live.policies);
  if (chosen !== null) await showDetails();
};
// Views come whether one is shown or not; a view that is still being shown is not shown twice.
let isShowing = false;
const views = async (live) => {
  if (isShowing) return;
  isShowing = true;
  try {
    await view(live);
    put(find("stream"), "live");
  } catch (error) {
    put(find("stream"), error.message);
  } finally {
    isShowing = false;
  }
};

// By a request of its own and not as an `EventSource`, which can carry no token.
let current = null;
const listen = async () => {
  const SILENCE = 5000;
  const own = new AbortController();
  current = own;
  const abort = () => own.abort();
  let silence = setTimeout(abort, SILENCE);
  try {
    const answer = await fetch("api/stream", { headers: headers(), cache: "no-store", signal: own.signal });
    if (!answer.ok) throw new Error(await detail(answer));
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw new Error("the process has ended it");
      const events = (text + value).split("\n\n");
      text = events.pop();
      const last = events.findLast((event) => event.startsWith("data: "));
      if (last === undefined) {
        // That it says it has none is no view.
        if (events.length > 0) put(find("stream"), "the view could not be made");
        continue;
      }
      clearTimeout(silence);
      silence = setTimeout(abort, SILENCE);
      if (document.body.className === "is-lost") reload();
      document.body.className = "";
      find("stream").className = "";
      views(JSON.parse(last.slice(6)));
    }
  } finally {
    clearTimeout(silence);
  }
};
const stay = async () => {
  for (;;) {
    await listen().catch((error) => {
      find("stream").className = "lost";
      // What is shown is of before.
      document.body.className = "is-lost";
      find("tokens").hidden = false;
      const why = error.name === "AbortError" ? "it is silent" : error.message;
      put(find("stream"), `The stream is lost (${why}). Trying again…`);
    });
    await new Promise((go) => setTimeout(go, 1500));
  }
};

find("who").addEventListener("submit", (event) => event.preventDefault());
find("token").addEventListener("change", () => {
  if (find("stream").classList.contains("lost")) current?.abort();
});
find("theme").value = localStorage.getItem("theme") ?? "dark";
const theme = () => {
  document.documentElement.dataset.theme = find("theme").value;
  localStorage.setItem("theme", find("theme").value);
};
find("theme").addEventListener("change", theme);
theme();
find("search").addEventListener("input", () => turned(0));
find("previous").addEventListener("click", () => turned(Math.max(0, from - PAGE)));
find("next").addEventListener("click", () => turned(from + PAGE));
find("close").addEventListener("click", () => choose(null));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && chosen !== null) choose(null);
});
find("levelSet").addEventListener("click", () => send("api/level", { level: find("level").value, reason: find("reason").value }, "levelAnswer"));
find("release").addEventListener("click", () => send("api/level", { level: null, reason: "follows health" }, "levelAnswer"));
find("logSet").addEventListener("click", () => send("api/log-level", { level: find("log").value, minutes: 15 }, "logAnswer"));
find("logBack").addEventListener("click", () => send("api/log-level", { level: null }, "logAnswer"));
const configure = (check) => send("api/configuration", { text: find("text").value, check }, "configured");
find("check").addEventListener("click", () => configure(true));
find("apply").addEventListener("click", async () => {
  if (await configure(false)) await reload();
});
// Nothing is applied before what is in force was seen; what somebody has written meanwhile stays.
let loaded = null;
const reload = async () => {
  if (!find("configuration").open) return;
  try {
    const now = await ask("api/configuration");
    put(find("source"), now.source === null ? "In force: nothing but the code." : `In force: ${plain(now.source)}`);
    if (loaded === null || find("text").value === loaded) find("text").value = now.text;
    loaded = now.text;
    find("apply").disabled = !canChange;
  } catch (error) {
    put(find("source"), error.message);
  }
};
find("configuration").addEventListener("toggle", reload);
addEventListener("hashchange", follow);
if (location.hash) follow();
stay();
