// The list of episodes: filtered here, and each episode's turns unpacked when it is opened.
// Texts come from models and files: they become text nodes, never markup.
"use strict";
(() => {
  const PAGE = 50;
  const find = (id) => document.getElementById(id);
  const { runs, problems, episodes: rows } = JSON.parse(find("listing").textContent);
  const episodes = rows.map((row) => {
    const [run, problem, sample, outcome, answers, hit, preservation, tokens, actions, part, place, differ] = row;
    const [id, type, difficulty, names] = problems[problem];
    return { run, problem, sample, outcome, answers, hit, preservation, tokens, actions, part, place, differ, id, type, difficulty, names };
  });
  const form = find("filters"), list = find("list"), count = find("count"), more = find("more");
  let matching = episodes, only = null;

  const make = (tag, kind = "", ...children) => {
    const node = document.createElement(tag);
    if (kind) node.className = kind;
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
  };
  const marks = document.querySelectorAll("main > ul svg.mark");
  const mark = (run) => marks[run].cloneNode(true);
  const figure = (value, digits = 3) => {
    if (value === null) return "–";
    return Number.isInteger(value) ? String(value) : value.toFixed(digits);
  };
  const short = (value) => (value === null ? null : Number(value.toPrecision(7)));
  const level = (outcome) => ({ recovered: "sound", infra: "unknown", limit: "unknown" })[outcome] ?? "poor";

  // Parts -----------------------------------------------------------------------------------------------------------
  const opened = new Map();
  const unpack = (number) => {
    if (!opened.has(number)) {
      if (opened.size > 8) opened.delete(opened.keys().next().value);
      opened.set(number, inflate(find(`part-${number}`).textContent));
    }
    return opened.get(number);
  };
  const inflate = async (text) => {
    const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  };

  // One episode -----------------------------------------------------------------------------------------------------
  const nameList = (names, culprit, touched) => names.map((name) => {
    const node = make("code", "name", name);
    const told = [];
    if (culprit.includes(name)) { node.classList.add("culprit"); told.push("culprit"); }
    if (touched.includes(name)) { node.classList.add("touched"); told.push("touched by a repair"); }
    if (told.length) node.title = told.join(", ");
    return node;
  });
  const conflict = (iis, detail) => {
    if (iis === null) return [make("span", "soft", "none, or not known")];
    const nodes = nameList(iis.rows, detail.culprit, detail.touched);
    if (iis.bounds.length) nodes.push(" bounds of ", ...nameList(iis.bounds, detail.culprit, detail.touched));
    if (iis.others.length) nodes.push(" others ", ...nameList(iis.others, detail.culprit, detail.touched));
    return nodes;
  };
  const facts = (pairs) => {
    const node = make("dl");
    for (const [term, ...values] of pairs) if (values.length) node.append(make("dt", "", term), make("dd", "", ...values));
    return node;
  };
  const block = (heading, text, open) => {
    if (text === null) return null;
    const node = make("details", "", make("summary", "soft", heading));
    const pre = make("pre", "", text);
    pre.tabIndex = 0;
    node.append(pre);
    node.open = open;
    return node;
  };
  const turn = (record, number, texts, detail) => {
    const text = (key) => (record[key] === null ? null : texts[record[key]]);
    const repaired = record.status === "OPTIMAL" || record.status === "FEASIBLE";
    const node = make("div", `turn ${record.flaw !== null ? "wrong" : repaired ? "right" : ""}`);
    node.append(make("h4", "", `Turn ${number}: `, make("code", "", record.action ?? "no action")));
    if (record.flaw !== null) node.append(make("p", "poor", `✗ ${record.flaw}`));
    const status = record.objective === null ? record.status : `${record.status}, objective ${short(record.objective)}`;
    node.append(facts([
      ["changed", record.change], ["status", make("span", repaired ? "sound" : "", status), `; ${record.conflict}`],
      ...(record.iis === null ? [] : [["conflict now", ...conflict(record.iis, detail)]]),
      ["told the agent", record.note],
      ...(record.tokens === null ? [] : [["tokens", String(record.tokens)]]),
    ]));
    for (const part of [
      block("prompt", text("prompt"), false), block("reasoning", text("think"), true), block("answer", text("answer"), true),
    ]) if (part) node.append(part);
    return node;
  };
  const inside = (episode, detail, texts) => {
    const node = make("div", "inside");
    const wrong = detail.wrong_turn === null ? "" : ` It first went wrong in turn ${detail.wrong_turn}.`;
    node.append(make("p", "headline", make("strong", level(episode.outcome), episode.outcome), `: ${detail.headline}.${wrong}`));
    const sets = (names) => (names.length ? nameList(names, detail.culprit, detail.touched) : []);
    node.append(facts([
      [`conflict (IIS), of ${detail.rows} rows`, ...conflict(detail.iis, detail)],
      ["culprit", ...sets(detail.culprit)],
      ["added by the fault", ...sets(detail.added)],
      ["undoes the fault", ...detail.fix.map((action) => make("code", "name", action))],
      ["no longer enforced", ...sets(detail.lost)],
      ["objective", `${short(detail.original) ?? "unknown"} before the fault, ${short(detail.objective) ?? "none"} now`],
      ["scores", Object.entries(detail.scores).map(([name, value]) => `${name} ${figure(value)}`).join(", ")],
    ]));
    if (runs.length > 1 && only === null) {
      const button = make("button", "", "All runs on this problem");
      button.type = "button";
      button.addEventListener("click", () => { form.reset(); only = episode.problem; apply(); find("episodes").scrollIntoView(); });
      node.append(button);
    }
    detail.turns.forEach((record, place) => node.append(turn(record, place + 1, texts, detail)));
    return node;
  };
  const open = async (node, episode) => {
    if (!node.open || node.dataset.filled) return;
    node.dataset.filled = "yes";
    try {
      const part = await unpack(episode.part);
      node.append(inside(episode, part.episodes[episode.place], part.texts));
    } catch (error) {
      node.append(make("p", "note inside", `This episode cannot be opened: ${error}. The page needs a browser of 2023 or later.`));
    }
  };

  // The list --------------------------------------------------------------------------------------------------------
  const line = (episode) => {
    const node = make("details", "episode");
    const cell = (name, kind, ...children) => { const span = make("span", kind, ...children); span.dataset.cell = name; return span; };
    const hit = { 1: "yes", 0: "no" }[episode.hit] ?? "–";
    node.append(make("summary", "",
      cell("run", "", mark(episode.run), runs[episode.run]),
      cell("problem", "", episode.sample ? `${episode.id}, sample ${episode.sample}` : episode.id),
      cell("type", "", episode.type), cell("difficulty", "", episode.difficulty),
      cell("outcome", level(episode.outcome), episode.outcome),
      cell("turns", "number", String(episode.answers)), cell("hit", "number", hit),
      cell("preservation", "number", figure(episode.preservation)), cell("tokens", "number", figure(episode.tokens, 0)),
    ));
    node.addEventListener("toggle", () => open(node, episode));
    return node;
  };
  const show = () => {
    const from = list.childElementCount;
    list.append(...matching.slice(from, from + PAGE).map(line));
    const rest = matching.length - list.childElementCount;
    more.hidden = rest === 0;
    more.textContent = `Show ${Math.min(PAGE, rest)} more of ${rest}`;
  };
  const ORDERS = {
    problem: null,
    preservation: (one, two) => (one.preservation ?? 2) - (two.preservation ?? 2),
    answers: (one, two) => two.answers - one.answers,
    tokens: (one, two) => (two.tokens ?? -1) - (one.tokens ?? -1),
  };
  const apply = () => {
    const wanted = Object.fromEntries(new FormData(form));
    const words = wanted.text.toLowerCase().split(/\s+/).filter(Boolean);
    matching = episodes.filter((episode) => {
      if (only !== null && episode.problem !== only) return false;
      if (wanted.run && String(episode.run) !== wanted.run) return false;
      if (wanted.outcome && episode.outcome !== wanted.outcome) return false;
      if (wanted.type && episode.type !== wanted.type) return false;
      if (wanted.difficulty && episode.difficulty !== wanted.difficulty) return false;
      if (wanted.hit && String(episode.hit) !== wanted.hit) return false;
      if (wanted.differ && !episode.differ) return false;
      episode.text ??= `${episode.id} ${episode.names} ${episode.actions}`.toLowerCase();
      return words.every((word) => episode.text.includes(word));
    });
    if (ORDERS[wanted.order]) matching = [...matching].sort(ORDERS[wanted.order]);
    list.replaceChildren();
    const where = only === null ? "" : `, on problem ${problems[only][0]}`;
    count.textContent = `${matching.length} of ${episodes.length} episodes${where}`;
    show();
  };
  const options = (name, values, labels = values) => {
    const sorted = values.map((value, place) => [value, labels[place]]);
    form.elements[name].append(...sorted.map(([value, label]) => new Option(label, value)));
  };
  const unique = (key) => [...new Set(episodes.map((episode) => episode[key]))].sort();

  options("run", runs.map((_, number) => String(number)), runs);
  for (const key of ["outcome", "type", "difficulty"]) options(key, unique(key));
  form.addEventListener("input", () => { only = null; apply(); });
  form.addEventListener("reset", () => { only = null; setTimeout(apply); });
  form.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", show);
  list.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.target.tagName !== "SUMMARY" || !event.target.parentNode.matches(".episode")) return;
    const heads = [...list.querySelectorAll(".episode > summary")];
    heads[heads.indexOf(event.target) + step]?.focus();
    event.preventDefault();
  });
  form.hidden = find("columns").hidden = false;
  apply();
})();
