"use strict";
// What the pages of reviews share: elements, and the texts of a record. Texts are inserted as text, never as markup, with
// their invisible characters spelled out.
const recordView = (() => {
  const at = (id) => document.getElementById(id);
  const visible = (text) => text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (char) =>
    "\n\t\u200c\u200d".includes(char) ? char : `⟨U+${char.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
  const element = (name, className, ...inner) => {
    const found = document.createElement(name);
    if (className) found.className = className;
    found.append(...inner);
    return found;
  };
  const words = (text, className = "words", name = "p") => {
    const found = element(name, className, visible(text));
    found.dir = "auto";
    return found;
  };
  const part = (title, ...inner) => [element("h2", "", title), ...inner];
  const SPEAKERS = { user: "User", assistant: "Assistant", system: "System" };
  const isDialogue = (example) => example.messages.length > 1;
  // The turns before the answer, each as a title and its words.
  const turns = (example) => example.input !== null && !isDialogue(example)
    ? (example.input ? part("Input", words(example.input)) : [])
    : example.messages.flatMap(([role, text]) => part(SPEAKERS[role] ?? visible(role), words(text)));
  // The text areas keep their own keys.
  const isTyping = (event) => event.target.closest?.("textarea, input, select") != null;

  // One request after the other, so that decisions arrive in the order in which they were made.
  const online = () => {
    let sending = Promise.resolve();
    const ask = async (path, body) => {
      const answer = await fetch(`${path}${location.search}`, body === undefined ? {} : {
        method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
      });
      if (!answer.ok) throw new Error(await answer.text());
      return answer.json();
    };
    const send = (body) => {
      const sent = sending.then(() => ask("decide", body));
      sending = sent.catch(() => {});
      return sent;
    };
    return { ask, send };
  };
  // A page that was opened from disk holds its records, keeps decisions in the browser, and saves them as a file.
  const offline = (data) => {
    const { name, reviewer, audit } = data.dataset;
    const items = JSON.parse(data.textContent), key = `selfinstruct-review ${name} ${reviewer} ${items[0].digest}`;
    let decisions = [];
    try { decisions = JSON.parse(localStorage.getItem(key)) ?? []; } catch { /* the browser keeps nothing for files */ }
    const decisionOn = (digest) => {
      const held = [];
      for (const each of decisions.filter((one) => one.digest === digest)) {
        if (each.verdict === "undo") held.pop();
        else held.push(each);
      }
      return held.at(-1) ?? null;
    };
    const ask = async () => items.map((item) => ({ ...item, decision: decisionOn(item.digest) }));
    const send = async (body) => {
      decisions.push({ digest: "", verdict: "", reasons: [], note: "", edit: null, ...body, at: Date.now() / 1000 });
      try { localStorage.setItem(key, JSON.stringify(decisions)); } catch { /* likewise */ }
      return { decision: decisionOn(body.digest) };
    };
    const save = () => {
      const link = element("a");
      link.href = URL.createObjectURL(new Blob([JSON.stringify({ review_of: name, reviewer, audit, decisions }, null, 1)]));
      link.download = "reviewed.json";
      link.click();
      return `saved ${decisions.length} decisions in reviewed.json; send that file back`;
    };
    return { ask, send, save };
  };
  const data = at("offline");
  const store = data ? offline(data) : online();
  return { at, visible, element, words, part, turns, isDialogue, isTyping, ...store };
})();
