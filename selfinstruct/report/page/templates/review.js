"use strict";
// Shows one record after the other and sends each decision; a decision counts once the server has answered.
{
  const { at, visible, element, words, part, turns, isDialogue, ask, send, save } = recordView;
  const panels = ["editor", "reasons", "noting", "like"].map(at).filter(Boolean);
  let items = [], place = 0, choosing = false, pendingNote = "", markedTurn = 0;
  const made = []; // the digests of this page's decisions, for undo

  // --- what is shown --------------------------------------------------------------------------

  const shownContent = (item) => item.decision?.edit ?? item.content;
  const badge = ({ verdict, reasons, edit }) => {
    const said = verdict === "reject" ? `rejected: ${reasons.join(", ") || "unwanted"}` : edit ? "accepted, edited" : "accepted";
    return element("span", `badge ${verdict}`, said);
  };
  // What a selection in a text becomes a filter of.
  const filtered = (node, filter) => { node.dataset.filter = filter; return node; };
  // Turns of a dialogue are counted from 1; the last one is the answer. A click on one marks it, or unmarks it.
  const numbered = (nodes) => {
    nodes.filter((node) => node.tagName === "P").forEach((node, index) => {
      node.classList.add("turn");
      if (index === 0) filtered(node, "keywords");
      node.classList.toggle("marked", markedTurn === index + 1);
      node.addEventListener("click", () => {
        if (getSelection().isCollapsed) mark(markedTurn === index + 1 ? 0 : index + 1);
      });
    });
    return nodes;
  };
  const mark = (turn) => { markedTurn = turn; show(); if (turn) say(`turn ${turn} is marked; a note or a rejection will name it`); };
  const noted = () => [markedTurn ? `turn ${markedTurn}` : "", pendingNote].filter(Boolean).join(": ");
  const record = (item) => {
    const content = shownContent(item), single = content.examples[0].input !== null;
    const texts = content.examples.flatMap((example) => [...turns(example), ...part("Answer", filtered(words(example.answer), "answer_keywords"))]);
    return [
      ...(item.decision ? [badge(item.decision)] : []),
      ...(single ? part(`Instruction ${item.id}`, filtered(words(content.instruction, "words first"), "keywords")) : []),
      ...(isDialogue(content.examples[0]) ? numbered(texts) : texts),
      ...(item.decision?.note || noted() ? part("Note", words(noted() || item.decision.note)) : []),
    ];
  };
  const list = (title, entries) => entries.length ? [element("section", "", ...part(title, element("ol", "", ...entries)))] : [];
  const beside = (item) => {
    const place = ({ document, headings = [], page }) =>
      element("p", "note", visible([document, ...headings, ...(page ? [`page ${page}`] : [])].join(" › ")));
    const passages = item.passages.map((passage) => {
      const entry = element("li", "passage", ...passage.parts.map(([text, isQuote]) =>
        isQuote ? element("mark", "", visible(text)) : visible(text)));
      entry.dir = "auto";
      entry.prepend(place(passage));
      return entry;
    });
    const quotes = item.quotes.map((quote) => {
      const entry = words(quote.text, "quote", "li");
      entry.append(place(quote));
      return entry;
    });
    const choices = item.alternatives.map((text, number) => {
      const entry = words(text, "choice", "li");
      if (choosing) entry.prepend(element("kbd", "", `${number + 1}`), " ");
      entry.addEventListener("click", () => { if (choosing) choose(number); });
      return entry;
    });
    // What checks, judges, and other reviewers found is in the answer of the server only after the decision.
    const { marks = {}, verdicts = {}, similarity, nearest, others = [] } = item.found;
    const found = [
      ...Object.entries(marks).map(([name, mark]) => `${name} ${mark}`),
      ...Object.entries(verdicts).map(([name, said]) => `${name}: ${said}`),
      ...(nearest ? [`ROUGE-L F ${similarity.toFixed(2)} to ${nearest}`] : []),
      ...others,
    ].map((text) => words(text, "mine", "li"));
    return [...list("Source", [...passages, ...quotes]), ...list("Alternatives", choices), ...list("Checks and other reviewers", found)];
  };
  const show = () => {
    const item = items[place], decided = items.filter((each) => each.decision).length;
    at("record").replaceChildren(...record(item));
    at("beside").replaceChildren(...beside(item));
    at("beside").classList.toggle("choosing", choosing);
    document.querySelector("[data-do=mark]").hidden = !isDialogue(shownContent(item).examples[0]);
    at("progress").max = items.length;
    at("progress").value = decided;
    say(`${place + 1} of ${items.length}, ${decided} decided`);
  };
  const say = (text) => { at("state").textContent = text; };
  const open = (panel) => {
    for (const each of panels) each.hidden = each !== panel;
    choosing = false;
    panel?.querySelector("textarea, input")?.focus();
    panel?.scrollIntoView({ block: "nearest" });
  };
  const close = () => { open(null); document.activeElement?.blur(); show(); };

  // --- decisions, one after the other -----------------------------------------------------------

  const decide = (item, decision, move = true) => {
    if (move && items[place] === item) place = following();
    const sent = send({ digest: item.digest, ...decision }).then((changed) => {
      Object.assign(item, changed);
      if (decision.verdict !== "undo") made.push(item.digest);
      show();
    }).catch((error) => {
      place = items.indexOf(item);
      show();
      say(`not stored: ${visible(error.message)}`);
    });
    [pendingNote, markedTurn] = ["", 0];
    open(null);
    show();
    return sent;
  };
  // The next record without a decision; else the next one.
  const following = () => {
    const after = [...items.keys()].slice(place + 1), left = after.find((each) => !items[each].decision);
    return left ?? after[0] ?? place;
  };
  const accept = (edit = null) => decide(items[place], { verdict: "accept", edit, note: noted() });
  const reject = (reasons) => decide(items[place], { verdict: "reject", reasons, note: noted() });
  const withAnswer = (item, text) => {
    const edit = structuredClone(shownContent(item));
    edit.examples[0].answer = text;
    return edit;
  };
  const choose = (number) => {
    const text = items[place].alternatives[number];
    if (text !== undefined) accept(withAnswer(items[place], text));
  };
  const undo = () => {
    const last = made.pop() ?? (items[place].decision ? items[place].digest : null);
    const item = items.find((each) => each.digest === last);
    if (!item) return say("nothing to undo");
    place = items.indexOf(item);
    decide(item, { verdict: "undo" }, false);
  };

  // --- forms ------------------------------------------------------------------------------------

  const editor = () => {
    const content = shownContent(items[place]), fields = [];
    const field = (title, text, put) => {
      const area = element("textarea");
      area.value = text;
      area.dir = "auto";
      area.rows = Math.min(14, Math.max(2, Math.ceil(text.length / 90) + text.split("\n").length - 1));
      fields.push([area, put]);
      return element("label", "", title, area);
    };
    const single = content.examples[0].input !== null;
    const labels = single ? [field("Instruction", content.instruction, (edit, text) => { edit.instruction = text; })] : [];
    content.examples.forEach((example, n) => {
      if (example.input !== null) labels.push(field("Input", example.input, (edit, text) => { edit.examples[n].input = text; }));
      else example.messages.forEach(([role, said], m) => labels.push(field(role, said, (edit, text) => { edit.examples[n].messages[m][1] = text; })));
      labels.push(field("Answer", example.answer, (edit, text) => { edit.examples[n].answer = text; }));
    });
    const save = element("button", "do", element("kbd", "", "Ctrl Enter"), " Save and accept");
    const back = element("button", "quiet", element("kbd", "", "Esc"), " Back");
    back.type = "button";
    back.addEventListener("click", close);
    at("editor").replaceChildren(...labels, element("p", "", save, " ", back));
    at("editor").onsubmit = (event) => {
      event.preventDefault();
      const edit = structuredClone(content);
      for (const [area, put] of fields) put(edit, area.value);
      accept(edit);
    };
    open(at("editor"));
  };
  const chosenReasons = () => [...at("reasons").querySelectorAll("input")].filter((box) => box.checked).map((box) => box.value);
  at("reasons").addEventListener("submit", (event) => { event.preventDefault(); reject(chosenReasons()); });
  at("noting").addEventListener("submit", (event) => {
    event.preventDefault();
    const { decision } = items[place];
    pendingNote = at("note").value;
    if (decision) decide(items[place], { ...decision, note: noted() }, false);
    else close();
  });

  const go = (to) => {
    place = Math.min(Math.max(to, 0), items.length - 1);
    [pendingNote, markedTurn] = ["", 0];
    close();
  };
  // --- like this: words become a filter ---------------------------------------------------------

  const likeThis = () => ({ filter: at("like-filter").value, words: at("like-words").value });
  let asked = 0;
  const preview = async () => {
    const number = ++asked;
    let found = { examples: [] }, said = "";
    if (at("like-words").value.trim()) {
      try {
        found = await ask("like", likeThis());
        said = `rejects ${found.count} of ${found.of} records, ${found.accepted} of which people accepted; `
          + (found.file ? `adds to ${found.option} in ${found.file}` : `start review with --config to write ${found.option}`);
      } catch (error) { said = error.message; }
    }
    if (number !== asked) return;
    at("like-count").textContent = visible(said);
    at("like-examples").replaceChildren(...found.examples.map((text) => words(text, "", "li")));
    at("like").scrollIntoView({ block: "nearest" });
  };
  // Selected words; else how the instruction begins.
  const openLike = () => {
    const selection = getSelection(), picked = selection.toString().trim();
    const where = selection.anchorNode?.parentElement?.closest("#record [data-filter]")?.dataset.filter;
    const content = items[place].content;
    at("like-filter").value = picked && where ? where : "prefixes";
    at("like-words").value = picked && where ? picked : content.instruction.split(/\s+/).slice(0, 3).join(" ");
    open(at("like"));
    at("like-words").select();
    preview();
  };
  if (at("like")) {
    at("like").addEventListener("input", preview);
    // A press on the button keeps the selection.
    document.querySelector("[data-do=like]").addEventListener("mousedown", (event) => event.preventDefault());
    at("like").addEventListener("submit", (event) => {
      event.preventDefault();
      ask("like", { ...likeThis(), write: true })
        .then(({ said }) => { close(); say(visible(said)); })
        .catch((error) => { at("like-count").textContent = visible(error.message); });
    });
  }

  const actions = {
    next: () => go(place + 1),
    previous: () => go(place - 1),
    mark: () => {
      const count = at("record").querySelectorAll(".turn").length;
      if (count) mark((markedTurn + 1) % (count + 1));
    },
    accept: () => accept(shownContent(items[place]) === items[place].content ? null : shownContent(items[place])),
    reject: () => { for (const box of at("reasons").querySelectorAll("input")) box.checked = false; open(at("reasons")); },
    edit: editor,
    choose: () => { choosing = items[place].alternatives.length > 0; show(); if (!choosing) say("no alternatives"); },
    note: () => { at("note").value = pendingNote || items[place].decision?.note || ""; open(at("noting")); },
    undo,
    close,
    like: () => { if (at("like")) openLike(); },
    save: () => { if (save) say(save()); },
  };
  const KEYS = { j: "next", k: "previous", a: "accept", r: "reject", e: "edit", c: "choose", l: "like", m: "mark", n: "note", u: "undo", ...(save ? { s: "save" } : {}) };
  document.addEventListener("click", (event) => {
    const name = event.target.closest("[data-do]")?.dataset.do;
    if (name && items.length) actions[name]();
  });
  document.addEventListener("keydown", (event) => {
    if (!items.length) return;
    const panel = panels.find((each) => !each.hidden);
    if (event.key === "Escape") { event.preventDefault(); return close(); }
    if (event.key === "Enter" && panel && (event.ctrlKey || event.metaKey || panel.id === "reasons")) {
      event.preventDefault();
      return panel.requestSubmit();
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const boxes = [...at("reasons").querySelectorAll("input")], number = Number(event.key) - 1;
    if (panel?.id === "reasons") {
      if (boxes[number]) { event.preventDefault(); boxes[number].checked = !boxes[number].checked; }
      return;
    }
    if (panel) return;
    if (KEYS[event.key]) { event.preventDefault(); actions[KEYS[event.key]](); }
    else if (choosing && number >= 0) choose(number);
    else if (boxes[number]) reject([boxes[number].value]);
  });

  ask("items").then((found) => {
    items = found;
    if (!items.length) return say("no record to review yet; load the page again once the run has some");
    place = Math.max(0, items.findIndex((each) => !each.decision));
    show();
  }).catch((error) => say(`can't load the records: ${visible(error.message)}`));
}
