"use strict";
// Shows one row after the other, asks one question after the other, and sends a grade with the last answer. The source of
// a row isn't known to this page before the server ends the reading.
{
  const { at, visible, element, words, part, turns, isTyping, ask, send } = recordView;
  const steps = [...at("steps").children].map((each) => each.dataset.name), sources = Number(at("title").dataset.sources);
  let items = [], place = 0, given = {}, note = "", outcome = null, ends = false;
  const made = []; // the digests of this page's grades, for undo

  const say = (text) => { at("state").textContent = text; };
  const isRead = () => ends || items.every((item) => item.grade);
  const current = () => steps.find((name) => given[name] === undefined);
  const worded = (value) => value === true ? "yes" : value === false ? "no" : value ?? "";
  const percent = (share) => `${(100 * share).toFixed(1)}%`;

  const record = (item) => {
    const [example] = item.content.examples;
    return [
      ...turns({ ...example, input: null }),
      ...part("Answer", words(example.answer)),
      ...(note ? part("Note", words(note)) : []),
      ...(outcome && sources > 1 ? part("Source", words(outcome.sources[item.digest].join(", "))) : []),
    ];
  };
  // The share of each source as a point in its interval, on one scale.
  const bar = ({ keep, low, high }) => {
    const found = element("div", "interval", element("i", "range"), element("i", "point"));
    found.firstChild.style.left = percent(low);
    found.firstChild.style.width = percent(high - low);
    found.lastChild.style.left = percent(keep);
    found.setAttribute("aria-hidden", "true");
    return found;
  };
  const COLUMNS = ["Source", "Kept", "95% interval", "", "Valid", "Correct", "Easy, medium, hard", "Read"];
  const row = (each) => {
    const figures = [
      words(each.source, "", "th"), percent(each.keep), `${percent(each.low)} to ${percent(each.high)}`, bar(each),
      percent(each.valid), percent(each.correct), Object.values(each.difficulty).join(", "), `${each.read}`,
    ];
    return element("tr", "", ...figures.map((figure, column) => {
      if (column === 0) return figure;
      const cell = element("td", COLUMNS[column] ? "" : "chart", figure);
      cell.dataset.of = COLUMNS[column];
      return cell;
    }));
  };
  const table = ({ results, lines }) => {
    const head = element("tr", "", ...COLUMNS.map((name) => element("th", "", name)));
    return [
      element("h2", "", "What you kept"),
      element("div", "wide", element("table", "outcome", element("thead", "", head), element("tbody", "", ...results.map(row)))),
      ...lines.map((line) => words(line, "note")),
    ];
  };
  const show = () => {
    const item = items[place], count = items.filter((each) => each.grade).length, now = isRead() ? undefined : current();
    at("record").replaceChildren(...record(item));
    at("progress").max = items.length;
    at("progress").value = count;
    for (const step of at("steps").children) {
      const said = worded(given[step.dataset.name]);
      step.lastElementChild.textContent = said;
      step.className = [step.dataset.name === now ? "now" : "", said ? `has ${said}` : ""].join(" ").trim();
    }
    const asked = outcome ? "" : isRead() ? "end" : now === "difficulty" ? now : now ? "question" : "";
    for (const each of document.querySelectorAll(".answers")) each.hidden = each.dataset.for !== asked;
    say(`${place + 1} of ${items.length}, ${count} read${ends ? ", which is enough" : ""}`);
  };
  const go = (to) => {
    place = Math.min(Math.max(to, 0), items.length - 1);
    given = { ...items[place].grade };
    note = items[place].grade?.note ?? "";
    at("noting").hidden = true;
    show();
    scrollTo({ top: 0 });
  };
  const following = () => {
    const left = [...items.keys()].filter((each) => !items[each].grade);
    return left.find((each) => each > place) ?? left[0] ?? place;
  };
  const store = (item, body, after) => {
    send({ digest: item.digest, ...body }).then((changed) => { Object.assign(item, changed); ({ ends } = changed); after(); }).catch((error) => {
      go(items.indexOf(item));
      say(`not stored: ${visible(error.message)}`);
    });
  };
  const answer = (value) => {
    const name = current();
    if (name === undefined || outcome || ends || (typeof value === "boolean") === (name === "difficulty")) return;
    given[name] = value;
    if (current() !== undefined) return show();
    const item = items[place];
    show();
    store(item, { ...given, note }, () => { made.push(item.digest); go(following()); });
  };
  const undo = () => {
    const started = steps.findLast((name) => given[name] !== undefined && !items[place].grade);
    if (started) { delete given[started]; return show(); }
    const last = made.pop() ?? (items[place].grade ? items[place].digest : null);
    const item = items.find((each) => each.digest === last);
    if (!item || outcome) return say(outcome ? "the result has been shown, so the grades stand" : "nothing to undo");
    store(item, { undo: true }, () => go(items.indexOf(item)));
  };
  const end = async () => {
    outcome = await ask("end");
    at("outcome").replaceChildren(...table(outcome));
    at("outcome").hidden = false;
    go(place);
  };
  const actions = {
    yes: () => answer(true), no: () => answer(false), difficulty: (value) => answer(value),
    next: () => go(place + 1), previous: () => go(place - 1), undo,
    end: () => end().catch((error) => say(visible(error.message))),
    note: () => { at("note").value = note; at("noting").hidden = false; at("note").focus(); },
    close: () => { at("noting").hidden = true; },
  };
  at("noting").addEventListener("submit", (event) => {
    event.preventDefault();
    note = at("note").value;
    const { grade } = items[place], item = items[place];
    at("noting").hidden = true;
    if (grade) store(item, { ...grade, note }, () => go(items.indexOf(item)));
    else show();
  });
  const KEYS = { y: "yes", n: "no", j: "next", k: "previous", u: "undo", t: "note" };
  document.addEventListener("click", (event) => {
    const { do: name, value } = event.target.closest("[data-do]")?.dataset ?? {};
    if (name && items.length) actions[name](value);
  });
  document.addEventListener("keydown", (event) => {
    if (!items.length) return;
    if (event.key === "Escape") return actions.close();
    if (isTyping(event)) {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); at("noting").requestSubmit(); }
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const level = document.querySelector(`[data-do=difficulty][aria-keyshortcuts="${CSS.escape(event.key)}"]`);
    if (KEYS[event.key]) { event.preventDefault(); actions[KEYS[event.key]](); }
    else if (event.key === "Enter" && isRead() && !outcome) { event.preventDefault(); actions.end(); }
    else if (level && current() === "difficulty") answer(level.dataset.value);
  });
  ask("items").then((found) => {
    items = found;
    ends = items[0].ends;
    at("title").textContent = `Blind reading: ${items.length} row${items.length > 1 ? "s" : ""}${sources > 1 ? `, ${sources} sources` : ""}`;
    const first = items.findIndex((each) => !each.grade);
    go(Math.max(0, first));
  }).catch((error) => say(`can't load the rows: ${visible(error.message)}`));
}
