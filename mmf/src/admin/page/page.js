"use strict";
const find = (id) => document.getElementById(id);
const STATES = {
  open: ["bad", "■ open"],
  forced_open: ["bad", "■ isolated"],
  half_open: ["warn", "◆ half-open"],
  failing: ["warn", "▲ failing"],
  full: ["warn", "▲ full"],
  well: ["well", "● well"],
};
const SWITCHES = [
  ["isolated", "Isolate"],
  ["closed", "Close"],
  ["half_open", "Half-open"],
  ["disabled", "Disable"],
];
let chosen = null;
let canChange = false;

const made = (tag, text, kind) => {
  const node = document.createElement(tag);
  // Names and errors are others' text: never markup.
  node.textContent = text;
  if (kind) node.className = kind;
  return node;
};

const headers = () => {
  const token = find("token").value;
  return token ? { authorization: `Bearer ${token}` } : {};
};

const ask = async (path) => {
  const answer = await fetch(path, { headers: headers() });
  if (!answer.ok) throw new Error((await answer.json()).detail);
  return answer.json();
};

const ago = (at) => {
  if (at === null) return "–";
  const seconds = Math.max(0, Math.round((Date.now() - at) / 1000));
  return seconds < 120 ? `${seconds} s ago` : `${Math.round(seconds / 60)} min ago`;
};

const show = (list) => {
  find("count").textContent = `${list.total} policies, the worst first`;
  const focused = document.activeElement?.dataset?.name;
  find("rows").replaceChildren(...list.rows.map((row) => {
    const line = document.createElement("tr");
    const [kind, word] = STATES[row.state];
    const name = made("button", row.name, "name");
    name.dataset.name = row.name;
    name.addEventListener("click", () => choose(row.name, true));
    const cell = document.createElement("td");
    cell.append(name);
    line.append(made("td", word, `state ${kind}`), cell);
    const percent = `${(row.failure_rate * 100).toFixed(1)} %`;
    for (const text of [row.calls, percent, row.refusals, row.retries, ago(row.changed)]) {
      line.append(made("td", text));
    }
    return line;
  }));
  if (focused !== undefined) {
    [...document.querySelectorAll("button.name")].find((b) => b.dataset.name === focused)?.focus();
  }
};

const choose = async (name, focus) => {
  chosen = name;
  const one = await ask(`api/policies/${encodeURIComponent(name)}`);
  if (chosen !== name) return;
  find("details").hidden = false;
  find("name").textContent = name;
  find("location").textContent = one.location;
  const breaker = one.snapshot.breaker;
  if (find("switches").dataset.of !== name) {
    find("switches").dataset.of = name;
    find("answer").textContent = "";
    find("switches").replaceChildren(...(one.has_switch ? SWITCHES : []).map(([to, word]) => {
      const button = made("button", word);
      button.addEventListener("click", () => change(name, to));
      return button;
    }));
  }
  for (const button of find("switches").children) button.disabled = !canChange;
  if (breaker) find("location").textContent += ` · breaker ${breaker.state}`;
  find("values").replaceChildren(...one.values.map((v) => {
    const from = v.origin.configured
      ? `${v.origin.configured.source}:${v.origin.configured.line}`
      : v.origin.code ? v.origin.code.location : "default";
    return made("li", `${v.key} = ${v.value}  (${from})`);
  }));
  find("keys").replaceChildren(...one.keys.map((key) => made("li", `${key.key}: ${key.breaker?.state ?? "no breaker"}`)));
  find("events").replaceChildren(...one.events.map((e) =>
    made("li", `${new Date(e.at).toLocaleTimeString()} ${e.kind}: ${e.text}`)));
  if (focus) find("name").focus();
};

const change = async (name, to) => {
  const answer = await fetch(`api/policies/${encodeURIComponent(name)}/breaker`, {
    method: "POST",
    headers: { ...headers(), "content-type": "application/json" },
    body: JSON.stringify({ to }),
  });
  const told = await answer.json();
  find("answer").textContent = answer.ok ? `${told.before} → ${told.after}` : told.detail;
  await choose(name, false);
};

const refresh = async (list) => {
  const search = find("search").value;
  show(search ? await ask(`api/policies?search=${encodeURIComponent(search)}`) : list);
  const health = await ask("api/health");
  canChange = health.can_change;
  find("tokens").hidden = !canChange;
  const down = health.checks.filter((check) => check.is_up === false).map((check) => check.name);
  find("health").textContent = `score ${health.score.toFixed(2)} · level ${health.level}`
    + (down.length ? ` · down: ${down.join(", ")}` : "")
    + (canChange ? "" : " · changing is off: set MMF_ADMIN_TOKEN");
  if (chosen !== null) await choose(chosen, false);
};

const stream = new EventSource("api/stream");
stream.addEventListener("message", (event) => {
  find("stream").hidden = true;
  refresh(JSON.parse(event.data)).catch((error) => { find("health").textContent = error.message; });
});
stream.addEventListener("error", () => { find("stream").hidden = false; });
find("search").addEventListener("input", async () => {
  show(await ask(`api/policies?search=${encodeURIComponent(find("search").value)}`));
});
