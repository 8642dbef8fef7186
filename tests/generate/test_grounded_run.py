"""A run over a folder of documents with the strategy `grounded`: rows, evidence, reasons, and growth."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

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
