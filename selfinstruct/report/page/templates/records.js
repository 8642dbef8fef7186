"use strict";
// The table of records. It is decompressed when it scrolls into view, only visible rows are in the document, and all
// texts are inserted as text, never as markup.
{
  const ROW = 64, AROUND = 6, PAGE = 8;
  const KINDS = ["record", "refused", "seed", "waiting"];
  const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/u;
  const $ = (id) => document.getElementById(id);
  const grid = $("grid"), body = $("body"), search = $("search"), filter = $("filter"), found = $("found");
  const detail = $("detail");
  const rows = [], places = new Map();
  let shown = [], active = 0, words = [], sorting = null, descending = false, loading = null, complete = false;

  // --- loading ------------------------------------------------------------------------------

  function rowOf([kind, id, question, instruction, instances, reason, detail, score, nearest, classification]) {
    const size = instances.reduce((sum, [input, output]) => sum + input.length + output.length, 0);
    const texts = [id, reason ?? "", detail, instruction, ...instances.flat()];
    return {
      kind: KINDS[kind], id, question, instruction, instances, reason, detail, score, nearest, classification, size,
      folded: texts.join("\n").toLowerCase(),
    };
  }

  async function unpack(text) {
    const raw = atob(text), bytes = new Uint8Array(raw.length);
    for (let at = 0; at < raw.length; at++) bytes[at] = raw.charCodeAt(at);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  async function load() {
    grid.hidden = false;
    if (typeof DecompressionStream === "undefined") {
      found.textContent = "This browser can't decompress the rows; use a newer one.";
      return;
    }
    for (const block of document.querySelectorAll("script.block-of-rows")) {
      for (const values of await unpack(block.textContent)) {
        const row = rowOf(values);
        if (!places.has(row.id)) places.set(row.id, rows.length);
        rows.push(row);
      }
      refresh();
      await new Promise((go) => setTimeout(go));  // handle input events between two blocks
    }
    complete = true;
    refresh();
  }

  const start = () => (loading ??= load());

  // --- filtering and sorting ----------------------------------------------------------------

  function matches(row) {
    const wanted = filter.value;
    if (wanted === "tasks" ? row.kind === "seed"
      : wanted.startsWith("kind:") ? row.kind !== wanted.slice(5)
      : row.kind !== "refused" || row.reason !== wanted.slice(7)) return false;
    return words.every((word) => row.folded.includes(word));
  }

  const KEYS = {
    status: (row) => row.reason ?? row.kind,
    instruction: (row) => row.instruction.toLowerCase(),
    score: (row) => row.score,
    size: (row) => row.size,
    question: (row) => row.question,
  };

  function compare(one, other) {
    if (one === other) return 0;
    if (one === null) return 2;
    if (other === null) return -2;
    return one < other ? -1 : 1;
  }

  function refresh() {
    shown = [];
    for (let place = 0; place < rows.length; place++) if (matches(rows[place])) shown.push(place);
    if (sorting !== null) {
      const keys = rows.map(KEYS[sorting]);
      shown.sort((a, b) => {
        const order = compare(keys[a], keys[b]);  // rows without a value come last in both directions
        return (Math.abs(order) === 2 ? order : descending ? -order : order) || a - b;
      });
    }
    active = Math.min(active, Math.max(shown.length - 1, 0));
    body.style.height = `${shown.length * ROW}px`;
    grid.setAttribute("aria-rowcount", String(shown.length + 1));
    found.textContent = `${shown.length.toLocaleString("en")} rows` + (complete ? "" : ", loading …");
    found.dataset.ready = String(complete);
    render();
  }

  function again() {
    active = 0;
    grid.scrollTop = 0;
    refresh();
  }

  function readWords() {
    const parts = search.value.toLowerCase().match(/"[^"]+"|\S+/g) ?? [];
    words = parts.map((part) => (/^".+"$/.test(part) ? part.slice(1, -1) : part));
  }

  function sortBy(key) {
    descending = sorting === key ? !descending : key === "score" || key === "size";
    sorting = key;
    for (const head of grid.querySelectorAll("[role=columnheader]")) {
      const own = head.querySelector(`[data-sort="${key}"]`) !== null;
      head.setAttribute("aria-sort", own ? (descending ? "descending" : "ascending") : "none");
    }
    again();
  }

  // --- inserting text -----------------------------------------------------------------------

  function make(name, className, parent) {
    const node = document.createElement(name);
    if (className) node.className = className;
    if (parent) parent.append(node);
    return node;
  }

  // Insert text: highlight the search words, and show invisible characters by their number.
  function put(node, text, most = Infinity) {
    const shownText = text.length > most ? `${text.slice(0, most)}…` : text;
    const folded = shownText.toLowerCase();
    const place = make("bdi", "", node);
    place.dir = "auto";
    let at = 0, plain = "";
    const flush = () => { if (plain) place.append(plain); plain = ""; };
    while (at < shownText.length) {
      const word = folded.length === shownText.length ? words.find((each) => folded.startsWith(each, at)) : undefined;
      const char = shownText[at];
      if (word) {
        flush();
        make("mark", "", place).textContent = shownText.slice(at, at + word.length);
        at += word.length;
      } else if (UNSEEN.test(char)) {
        flush();
        make("span", "unseen", place).textContent =
          `U+${char.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
        at += 1;
      } else {
        plain += char;
        at += 1;
      }
    }
    flush();
  }

  const status = (row) => (row.kind === "refused" ? row.reason : row.kind);
  const near = (row) => (row.nearest === null ? undefined : rows[places.get(row.nearest)]);

  // --- the table ----------------------------------------------------------------------------

  function line(position) {
    const row = rows[shown[position]], neighbor = near(row);
    const node = make("div", position === active ? "row active" : "row");
    node.setAttribute("role", "row");
    node.id = `row-${position}`;
    node.setAttribute("aria-rowindex", String(position + 2));
    node.setAttribute("aria-selected", String(position === active));
    node.style.transform = `translateY(${position * ROW}px)`;
    const cell = (name) => {
      const made = make("span", `c-${name}`, node);
      made.setAttribute("role", "gridcell");
      return made;
    };
    put(make("span", `badge ${row.kind}`, cell("status")), status(row));
    put(cell("instruction"), row.instruction || row.detail || "(no task)", 220);
    const beside = cell("nearest");
    if (neighbor) put(beside, neighbor.instruction, 220);
    else if (row.nearest !== null) put(beside, row.nearest);
    cell("score").textContent = row.score === null ? "" : row.score.toFixed(3);
    cell("size").textContent = row.size ? row.size.toLocaleString("en") : "";
    cell("question").textContent = row.question === null ? "" : String(row.question);
    node.addEventListener("click", () => { active = position; render(); open(); });
    return node;
  }

  function render() {
    const first = Math.max(0, Math.floor(grid.scrollTop / ROW) - AROUND);
    const last = Math.min(shown.length, Math.ceil((grid.scrollTop + grid.clientHeight) / ROW) + AROUND);
    const lines = [];
    for (let position = first; position < last; position++) lines.push(line(position));
    body.replaceChildren(...lines);
    const visible = active >= first && active < last;
    if (visible && shown.length) grid.setAttribute("aria-activedescendant", `row-${active}`);
    else grid.removeAttribute("aria-activedescendant");
  }

  function move(to) {
    active = Math.max(0, Math.min(to, shown.length - 1));
    const head = grid.querySelector(".head").offsetHeight, top = active * ROW;
    if (top < grid.scrollTop) grid.scrollTop = top;
    const room = grid.clientHeight - head - ROW;
    if (top > grid.scrollTop + room) grid.scrollTop = top - room;
    render();
  }

  // --- the dialog: a row and its nearest neighbor -------------------------------------------

  function side(parent, title, row, missing) {
    const node = make("section", "side", parent);
    make("h3", "", node).textContent = title;
    if (!row) {
      put(make("p", "note", node), missing);
      return;
    }
    put(make("p", "facts", node), [row.id, row.classification === true ? "classification" : ""].filter(Boolean).join(" · "));
    const texts = [["Instruction", row.instruction]];
    for (const [number, [input, output]] of row.instances.entries()) {
      const which = row.instances.length > 1 ? ` ${number + 1}` : "";
      texts.push([`Input${which}`, input], [`Output${which}`, output]);
    }
    for (const [name, text] of texts) {
      if (!text) continue;
      make("h4", "", node).textContent = name;
      put(make("div", "text", node), text);
    }
  }

  function open() {
    const row = rows[shown[active]];
    if (!row) return;
    const title = $("detail-title"), facts = $("detail-facts"), texts = $("detail-texts");
    title.replaceChildren();
    const what = row.kind === "refused" ? `refused: ${row.reason}` : row.kind === "waiting" ? "admitted, not a record" : row.kind;
    put(title, what);
    facts.replaceChildren();
    const where = row.question === null ? "" : `question ${row.question}`;
    put(facts, [where, row.detail].filter(Boolean).join(" · "));
    texts.replaceChildren();
    side(texts, "This task", row);
    const score = row.score === null ? "" : `, F ${row.score.toFixed(3)}`;
    side(texts, `Nearest neighbor${score}`, near(row),
      row.nearest === null ? "Not compared with other texts." : `${row.nearest}: not included in this page.`);
    $("previous").disabled = active === 0;
    $("next").disabled = active >= shown.length - 1;
    if (!detail.open) detail.showModal();
    detail.scrollTop = 0;
  }

  // --- events -------------------------------------------------------------------------------

  const MOVES = {
    ArrowDown: () => active + 1, ArrowUp: () => active - 1, PageDown: () => active + PAGE, PageUp: () => active - PAGE,
    Home: () => 0, End: () => shown.length - 1,
  };
  let waiting = 0, drawing = false;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    found.dataset.ready = "false";
    waiting = setTimeout(() => { readWords(); start(); again(); }, 80);
  });
  filter.addEventListener("change", () => { start(); again(); });
  $("tools").addEventListener("submit", (event) => event.preventDefault());
  grid.addEventListener("scroll", () => {
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(() => { drawing = false; render(); });
  }, { passive: true });
  grid.addEventListener("keydown", (event) => {
    if (event.target !== grid) return;
    if (event.key in MOVES) { event.preventDefault(); move(MOVES[event.key]()); }
    else if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(); }
  });
  for (const button of grid.querySelectorAll("[data-sort]")) {
    button.addEventListener("click", () => { sortBy(button.dataset.sort); });
  }
  $("close").addEventListener("click", () => detail.close());
  $("previous").addEventListener("click", () => { move(active - 1); open(); });
  $("next").addEventListener("click", () => { move(active + 1); open(); });
  detail.addEventListener("click", (event) => { if (event.target === detail) detail.close(); });
  detail.addEventListener("close", () => grid.focus({ preventScroll: true }));
  new IntersectionObserver((entries, observer) => {
    if (entries.some((entry) => entry.isIntersecting)) { observer.disconnect(); start(); }
  }, { rootMargin: "400px" }).observe($("records"));
}
