"""A run over a folder of documents with the strategy `grounded`: rows, evidence, reasons, and growth."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

import selfinstruct as si
from selfinstruct.core.prompts import Completion, Prompt

PARTS = {
    "boiler": "If the boiler gets too hot, the machine opens a valve and lets some steam escape.",
    "pump": "When no water arrives at the pump, a red lamp blinks for half a minute.",
    "filter": "If the paper filter tears, coffee grounds end up in the lower tray.",
    "hopper": "Unless the hopper is locked, grinding cannot begin at all.",
    "grinder": "When a stone blocks the grinder, the motor turns backwards once and then stops.",
    "heater": "If the heater draws more than nine amperes, a fuse in the base plate blows.",
}


class Reader:
    """Asks 'what happens?', and answers with what follows the condition in the text. Two parts confuse it."""

    def __init__(self) -> None:
        self.prompts: list[Prompt] = []

    async def complete(self, prompt: Prompt) -> Completion:
        if prompt.purpose == "probe":
            return Completion("red, blue")
        self.prompts.append(prompt)
        asked = prompt.messages[-1].content
        if prompt.purpose == "propose":
            opening = asked.rpartition("Begin it with: ")[2]
            return Completion(f"{opening} what does the {'passage say' if 'hopper' in opening else 'machine do'}?")
        [text, question] = re.findall(r"Text: (.*)\nQuestion: (.*)\n", asked)[-1]
        condition = question.partition(", what")[0].removeprefix("In Brewer, ").casefold()
        found = re.search(rf"{re.escape(condition)}, (.*?[.])", text, re.IGNORECASE)
        assert found
        return Completion("nothing at all" if "pump" in condition else found[1])


def write_manual(folder: Path, name: str, parts: list[str]) -> None:
    folder.mkdir(exist_ok=True)
    pages = [f"# About the {part}\n\n{PARTS[part]} This is rarely seen.\n" for part in parts]
    (folder / name).write_text("# Brewer manual\n\n" + "\n".join(pages), encoding="utf-8")


def test_a_folder_becomes_rows_with_evidence_and_grows(tmp_path: Path) -> None:
    manuals = tmp_path / "manuals"
    write_manual(manuals, "brewer.md", [*PARTS][:4])
    values = {"documents": str(manuals), "run_dir": str(tmp_path / "run"), "target": 100, "teacher": {"kind": "fake"}}
    values |= {
        "strategy": {"kind": "grounded", "subject": "Brewer", "kinds": {"closed_book": 1}},
        "max_similarity": 1.0,
    }
    config = si.RunConfig.parse(values | {"dataset": {"formats": ["messages"]}})
    teacher = Reader()
    run = si.run(config, teacher=teacher, progress=None)
    assert run.outcome.reason == "all_asked"
    assert Counter(run.status().refused) == {"answer_differs": 1, "mentions_source": 1}
    text = (manuals / "brewer.md").read_text(encoding="utf-8")
    rows = pq.read_table(run.dataset_path / "messages").to_pylist()
    before = run.records()
    assert len(rows) == len(before) == 2
    for row in rows:
        [quote] = row["evidence"]
        assert text[quote["start"] : quote["end"]] == quote["text"] == row["messages"][-1]["content"]
        assert quote["document"] == "brewer.md"

    # The same at another concurrency asks nothing again; a new document is the only new work.
    write_manual(manuals, "more.md", [*PARTS][4:])
    more = Reader()
    grown = si.run(config.model_copy(update={"concurrency": 1}), teacher=more, progress=None)
    assert grown.records()[:2] == before
    assert len(grown.records()) == 4
    assert all("grinder" in prompt.text or "heater" in prompt.text for prompt in more.prompts)


class Words:
    """Asks 'what happens?' in a wording of its own at each request, and answers from the text."""

    def __init__(self, *wordings: str) -> None:
        self.wordings = wordings

    async def complete(self, prompt: Prompt) -> Completion:
        part = next((part for part in PARTS if PARTS[part] in prompt.messages[-1].content), "")
        if prompt.purpose != "propose":
            return Completion(PARTS[part].partition(", ")[2] if part else "red, blue")
        return Completion(f"{PARTS[part].partition(', ')[0]}, {self.wordings[prompt.sample]}?")


def run_of(folder: Path, teacher: Any, facets: dict[str, Any] | None = None, **options: Any) -> si.Run:
    manuals = folder / "manuals"
    manuals.mkdir(parents=True)
    for part in ("boiler", "filter"):
        (manuals / f"{part}.md").write_text(f"# About the {part}\n\n{PARTS[part]} This is rarely seen.\n")
    values = {"documents": str(manuals), "run_dir": str(folder / "run"), "target": 100, "teacher": {"kind": "fake"}}
    values |= {"strategy": {"kind": "grounded", "subject": "Brewer", "kinds": {"closed_book": 1}, **options}}
    config = si.RunConfig.parse(values | {"facets": facets, "max_similarity": 0.75})
    return si.run(config, teacher=teacher, progress=None)


def test_wordings_of_a_fact_may_be_alike_but_not_equal(tmp_path: Path) -> None:
    alike = "what happens then", "what happens in Brewer then"
    run = run_of(tmp_path / "a", Words(*alike), wordings=2)
    assert len(run.records()) == 4
    assert len({record.examples[0].output for record in run.records()}) == 2
    run = run_of(tmp_path / "b", Words(alike[0], f"{alike[0]} "), wordings=2)
    assert (len(run.records()), run.status().refused) == (2, {"too_similar": 2})


def test_topics_are_the_headings_of_the_documents(tmp_path: Path) -> None:
    facets = {"topic": "headings", "register": ["formal", "casual"]}
    run = run_of(tmp_path, Words("what happens then"), facets)
    topics = {record.instruction.split()[4]: record.facets["topic"] for record in run.records()}
    assert topics == {"boiler": "About the boiler", "paper": "About the filter"}
    assert {record.facets["register"] for record in run.records()} == {"formal", "casual"}


class Joins:
    """Asks about what two passages say together, and answers with a sentence of each."""

    async def complete(self, prompt: Prompt) -> Completion:
        asked = prompt.messages[-1].content
        found = [sentence for sentence in TOGETHER if sentence in asked]
        if prompt.purpose == "propose":
            return Completion("Which parts of the Brewer have to do with the Talwind valve?")
        if prompt.purpose == "judge":
            return Completion("supported")
        return Completion("".join(f"{each}\nQuote: {each}\n" for each in found) if len(found) > 1 else "none")


TOGETHER = [
    "The Talwind valve is opened by the boiler when it gets too hot.",
    "The Talwind valve is closed by the pump when no water arrives.",
    "The Talwind valve is made from brass and lasts for ten years.",
]


def test_questions_over_two_passages_are_asked_once_and_grow(tmp_path: Path) -> None:
    manuals = tmp_path / "manuals"
    manuals.mkdir()
    for name, sentence in zip("abc", TOGETHER, strict=True):
        if name != "c":
            (manuals / f"{name}.md").write_text(sentence)
    values = {"documents": str(manuals), "run_dir": str(tmp_path / "run"), "target": 100, "teacher": {"kind": "fake"}}
    config = si.RunConfig.parse(values | {"strategy": {"kind": "grounded", "kinds": {"multi_hop": 1}}})
    found = si.check(config)
    assert found.rows["questions"].startswith("1 at most")
    run = si.run(config, teacher=Joins(), progress=None)
    [record] = run.records()
    assert record.origin.demos == ("a.md:0-63", "b.md:0-62")
    assert {quote.document for quote in record.examples[0].evidence} == {"a.md", "b.md"}
    (manuals / "c.md").write_text(TOGETHER[2])
    grown = si.run(config, teacher=Joins(), progress=None)
    assert grown.records()[:1] == [record]
    assert grown.status().questions == 2
