"use strict";
// Requests the run's figures every two seconds, and inserts them into the page as text, never as markup.
{
  const EVERY_MS = 2000;
  const at = (id) => document.getElementById(id);
  const number = new Intl.NumberFormat("en");
  const share = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });
  const say = (id, text) => { if (at(id).textContent !== text) at(id).textContent = text; };

  const line = (...parts) => {
    const item = document.createElement("li");
    for (const [name, text] of parts) {
      const part = document.createElement(name === "bdi" ? "bdi" : "span");
      if (name !== "bdi") part.className = name;
      part.textContent = text;
      item.append(part, " ");
    }
    return item;
  };
  const list = (id, items, none) => {
    const made = items.length ? items : [Object.assign(document.createElement("li"), { className: "none", textContent: none })];
    at(id).replaceChildren(...made);
  };
  const score = (task) => task.score === null ? "" : `F ${task.score.toFixed(2)}${task.nearest ? ` to ${task.nearest}` : ""}`;

  const show = (run) => {
    const state = run.running ? "running" : run.outcome;
    say("state", `${run.strategy} · ${run.teacher} · ${state}`);
    say("records", number.format(run.records));
    say("records-note", `of ${number.format(run.target)}`);
    say("acceptance", share.format(run.acceptance));
    say("acceptance-note", `${number.format(run.admitted)} of ${number.format(run.proposed)} proposed`);
    say("rate", run.records_per_minute === null ? "–" : number.format(Math.round(run.records_per_minute)));
    say("in-flight", number.format(run.in_flight));
    say("requests-note", `${number.format(run.requests)} requests, ${number.format(run.unanswered)} without an answer`);
    say("cost", run.cost_usd === null ? "unknown" : `$${run.cost_usd.toFixed(2)}`);
    say("cost-note", `${number.format(run.tokens)} tokens`);
    at("progress").max = Math.max(run.target, 1);
    at("progress").value = run.records;
    document.title = `${number.format(run.records)} of ${number.format(run.target)} – ${run.name}`;
    list("admitted", run.last_admitted.map((t) => line(["id", t.id], ["bdi", t.instruction], ["score", score(t)])), "Nothing yet.");
    list("refused", run.last_refused.map((t) => line(
      ["id", t.id], ["reason", t.reason], ["bdi", t.instruction], ["score", [score(t), t.detail].filter(Boolean).join("; ")],
    )), "Nothing yet.");
    list("reasons", run.reasons.map(([name, count]) => line(["reason", name], ["score", number.format(count)])), "None yet.");
    at("jobs-section").hidden = run.open_jobs.length === 0;
    list("jobs", run.open_jobs.map((job) => line(["bdi", job])), "");
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
