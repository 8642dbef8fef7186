"use strict";
// Requests the run's figures every two seconds, and inserts them into the page as text, never as markup.
{
  const EVERY_MS = 2000;
  const at = (id) => document.getElementById(id);
  const number = new Intl.NumberFormat("en");
  const share = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });
  const say = (id, text) => { if (at(id).textContent !== text) at(id).textContent = text; };

  const make = (name, className, text) => Object.assign(document.createElement(name), { className, textContent: text ?? "" });
  const plain = (...parts) => {
    const item = make("li", "");
    for (const [className, text] of parts) item.append(make("span", className, text), " ");
    return item;
  };

  // A task opens on a click. Its element is kept while it is in the list, so that it stays open, and as long as it is open.
  const kept = new Map();
  const task = (of) => {
    const key = `${of.reason} ${of.id}`, before = kept.get(key);
    if (before && Number(before.dataset.texts) === of.texts.length) return before;
    const item = make("li", ""), details = make("details", "task"), summary = make("summary", "");
    summary.append(make("span", "id", of.id), " ");
    if (of.reason) summary.append(make("span", "reason", of.reason), " ");
    summary.append(make("bdi", "", of.texts.length ? of.texts[0][1] : of.detail));
    details.append(summary);
    for (const [name, text] of of.texts.slice(of.reason ? 0 : 1)) {
      const shown = make("div", "text", text);
      shown.dir = "auto";
      details.append(make("h4", "", name), shown);
    }
    if (of.texts.length < 2 && !of.reason) details.append(make("p", "note", "Admitted; its answer is still to come."));
    const near = of.score === null ? "" : `F ${of.score.toFixed(2)}${of.nearest ? ` to ${of.nearest}` : ""}`;
    details.append(make("p", "score", [near, of.reason ? of.detail : ""].filter(Boolean).join("; ")));
    details.open = Boolean(before?.querySelector("details[open]"));  // its answer has come while it was being read
    Object.assign(item.dataset, { task: key, texts: of.texts.length });
    item.append(details);
    kept.set(key, item);
    return item;
  };
  const list = (id, items, none) => {
    const now = [...at(id).children], fresh = items.length ? [...items] : [make("li", "none", none)];
    const shown = new Set(items.map((item) => item.dataset.task));
    fresh.push(...now.filter((item) => !shown.has(item.dataset.task) && item.querySelector("details[open]")));
    if (fresh.length !== now.length || fresh.some((item, place) => item !== now[place])) at(id).replaceChildren(...fresh);
  };

  const duration = (minutes) => minutes < 1.5 ? `${Math.round(60 * minutes)} s`
    : minutes < 120 ? `${Math.round(minutes)} min` : `${(minutes / 60).toFixed(1)} h`;

  const draw = (speeds, minutes) => {
    const most = Math.max(...speeds);
    at("curve").hidden = !(most > 0);
    if (at("curve").hidden) return;
    const points = speeds.map((speed, place) => `${(400 * place / (speeds.length - 1)).toFixed(1)},${(58 - 56 * speed / most).toFixed(1)}`);
    at("curve").querySelector("polyline").setAttribute("points", points.join(" "));
    at("curve").querySelector("polygon").setAttribute("points", ["0,60", ...points, "400,60"].join(" "));
    say("curve-title", `Tasks admitted per minute over ${duration(minutes)} of work; at most ${number.format(Math.round(most))}`);
  };

  const show = (run) => {
    const done = run.target ? Math.floor(100 * run.records / run.target) : 0;
    const quiet = run.running && run.minutes_since_answer > 1 ? `; the last answer came ${duration(run.minutes_since_answer)} ago` : "";
    say("state", `${run.strategy} · ${run.teacher} · ${run.running ? `running${quiet}` : run.outcome}`);
    say("share", `${done}%`);
    say("records", number.format(run.records));
    say("target", number.format(run.target));
    const open = run.records < run.target;
    say("left", !open ? "none" : !run.running ? "–" : run.minutes_left === null ? "not known" : duration(run.minutes_left));
    say("left-note", open && !run.running ? "the run has stopped" : "at the present speed");
    say("rate", run.records_per_minute === null ? "–" : number.format(+run.records_per_minute.toFixed(run.records_per_minute < 10 ? 1 : 0)));
    say("rate-note", `in ${duration(run.minutes_of_work)} of work: ${number.format(run.questions)} questions`);
    say("in-flight", number.format(run.in_flight));
    say("requests-note", `${number.format(run.requests)} requests, ${number.format(run.unanswered)} without an answer`);
    say("acceptance", share.format(run.acceptance));
    say("acceptance-note", `${number.format(run.admitted)} of ${number.format(run.proposed)} proposed`);
    say("cost", run.cost);
    say("cost-note", `${number.format(run.tokens)} tokens`);
    at("progress").max = Math.max(run.target, 1);
    at("progress").value = run.records;
    document.title = `${done}% of ${number.format(run.target)} – ${run.name}`;
    draw(run.tasks_per_minute, run.minutes_of_work);
    list("admitted", run.last_admitted.map(task), "Nothing yet.");
    list("refused", run.last_refused.map(task), "Nothing yet.");
    list("reasons", run.reasons.map(([name, count]) => plain(["reason", name], ["score", number.format(count)])), "None yet.");
    at("jobs-section").hidden = run.open_jobs.length === 0;
    list("jobs", run.open_jobs.map((job) => plain(["", job])), "");
    const shown = new Set(document.querySelectorAll(".lines > li"));
    for (const [key, item] of kept) if (!shown.has(item)) kept.delete(key);
  };

  const ask = async () => {
    try {
      const answer = await fetch("/live.json");
      if (!answer.ok) throw new Error((await answer.text()).trim() || answer.statusText);
      show(await answer.json());
    } catch (error) {
      say("state", `no connection: ${error.message}; retrying`);
    }
    setTimeout(ask, document.hidden ? 5 * EVERY_MS : EVERY_MS);
  };
  ask();
}
