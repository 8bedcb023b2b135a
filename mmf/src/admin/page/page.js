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

// Calls at each look of the last minutes, by policy: lines without an axis, for the eye.
const seen = new Map();
const MOST_LOOKS = 180;

const line = (row) => {
  const calls = seen.get(row.name) ?? [];
  calls.push(row.calls);
  if (calls.length > MOST_LOOKS) calls.shift();
  seen.set(row.name, calls);
  const rates = calls.slice(1).map((count, place) => Math.max(0, count - calls[place]));
  const most = Math.max(1, ...rates);
  const points = rates.map((rate, place) => `${90 - ((rates.length - 1 - place) * 90) / MOST_LOOKS},${19 - (rate * 18) / most}`);
  const svg = find("line").content.firstElementChild.cloneNode();
  const shape = document.createElementNS(svg.namespaceURI, "polyline");
  svg.setAttribute("viewBox", "0 0 90 20");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${rates.at(-1) ?? 0} calls in the last second`);
  shape.setAttribute("points", points.join(" "));
  svg.append(shape);
  return svg;
};

const show = (list, isLook) => {
  find("count").textContent = `${list.total} policies, the worst first`;
  const focused = document.activeElement?.dataset?.name;
  find("rows").replaceChildren(...list.rows.map((row) => {
    const cells = document.createElement("tr");
    const [kind, word] = STATES[row.state];
    const name = made("button", row.name, "name");
    name.dataset.name = row.name;
    name.addEventListener("click", () => choose(row.name, true));
    const cell = document.createElement("td");
    cell.append(name);
    cells.append(made("td", word, `state ${kind}`), cell);
    const percent = `${(row.failure_rate * 100).toFixed(1)} %`;
    for (const text of [row.calls, percent, row.refusals, row.retries, ago(row.changed)]) {
      cells.append(made("td", text));
    }
    const drawn = document.createElement("td");
    if (isLook) drawn.append(line(row));
    cells.append(drawn);
    return cells;
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
    made("li", `${new Date(e.at).toLocaleTimeString()} ${e.times > 1 ? `${e.times} × ` : ""}${e.kind}: ${e.text}`)));
  if (focus) find("name").focus();
};

const change = async (name, to) => {
  await send(`api/policies/${encodeURIComponent(name)}/breaker`, { to }, "answer");
  await choose(name, false);
};

const refresh = async (list) => {
  const search = find("search").value;
  show(search ? await ask(`api/policies?search=${encodeURIComponent(search)}`) : list, true);
  const health = await ask("api/health");
  canChange = health.can_change;
  find("tokens").hidden = !canChange;
  const down = health.checks.filter((check) => check.is_up === false).map((check) => check.name);
  find("health").textContent = `score ${health.score.toFixed(2)} · level ${health.level}`
    + (down.length ? ` · down: ${down.join(", ")}` : "")
    + (canChange ? "" : " · changing is off: set MMF_ADMIN_TOKEN");
  for (const id of ["level", "release", "apply"]) find(id).disabled = !canChange;
  if (document.activeElement !== find("level")) find("level").value = health.level;
  if (!find("features").contains(document.activeElement)) {
    find("features").replaceChildren(...health.features.map((feature) => {
      const item = made("li", `${feature.name}: ${feature.is_enabled ? "on" : "off"} `);
      for (const [to, word] of [["on", "On"], ["off", "Off"], ["by_level", "By level"]]) {
        const button = made("button", word);
        button.disabled = !canChange;
        button.setAttribute("aria-label", `${word}: ${feature.name}`);
        button.addEventListener("click", () => send(`api/features/${encodeURIComponent(feature.name)}`, { to }, "levelAnswer"));
        item.append(button, " ");
      }
      return item;
    }));
  }
  if (chosen !== null) await choose(chosen, false);
};

const send = async (path, body, answerAt) => {
  const answer = await fetch(path, {
    method: "POST",
    headers: { ...headers(), "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const told = await answer.json();
  const changed = told.changes?.length ? told.changes.join("\n") : "nothing is wrong, nothing changes";
  find(answerAt).textContent = !answer.ok ? told.detail : told.changes ? changed : `${told.before} → ${told.after}`;
};
find("level").addEventListener("change", () => send("api/level", { level: find("level").value }, "levelAnswer"));
find("release").addEventListener("click", () => send("api/level", {}, "levelAnswer"));
const configure = (check) => send("api/configuration", { text: find("text").value, check }, "configured");
find("check").addEventListener("click", () => configure(true));
find("apply").addEventListener("click", () => configure(false));

const stream = new EventSource("api/stream");
stream.addEventListener("message", (event) => {
  find("stream").hidden = true;
  refresh(JSON.parse(event.data)).catch((error) => { find("health").textContent = error.message; });
});
stream.addEventListener("error", () => { find("stream").hidden = false; });
find("search").addEventListener("input", async () => {
  show(await ask(`api/policies?search=${encodeURIComponent(find("search").value)}`));
});
