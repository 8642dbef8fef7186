"""A run with German seeds and a teacher that answers in German, as docs/guide/languages.md shows it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import selfinstruct as si
from conftest import ROOT
from selfinstruct.core.language_tags import OWN
from selfinstruct.core.shipped import shipped_yaml

PAGE = (ROOT / "docs/guide/languages.md").read_text(encoding="utf-8")
VERBS = ["Überprüfe", "Erkläre", "Übersetze", "Ändere", "Ordne"]
THINGS = ["den Mietvertrag", "die Satzung", "das Gutachten", "die Vollmacht", "den Bescheid", "die Rechnung"]


class GermanTeacher:
    """Proposes German tasks; a third of them begin with a letter outside ASCII."""

    asking = si.Asking()
    model = "deutsch"

    def __init__(self) -> None:
        self.asked: list[si.Prompt] = []

    async def complete(self, prompt: si.Prompt) -> si.Completion:
        self.asked.append(prompt)
        at = len(self.asked)
        tasks = []
        for place, verb in enumerate(VERBS):
            what = f"{THINGS[(at + place) % 6]} Nummer {at * 7 + place}"
            answer = f"Abschnitt {at}: Die Angaben zu Nummer {at * 7 + place} sind vollständig und richtig."
            tasks.append({"instruction": f"{verb} {what} in Abschnitt {at}.", "input": "", "output": answer})
        return si.Completion(json.dumps({"tasks": tasks}, ensure_ascii=False), model=self.model)


def seeds_of_the_page(folder: Path) -> Path:
    rows = re.findall(r"^    (\{\"instruction\".*)$", PAGE, re.MULTILINE)
    assert len(rows) == 5
    (folder / "recht.jsonl").write_text("\n".join(rows), encoding="utf-8")
    return folder / "recht.jsonl"


def run_in(language: str, folder: Path) -> tuple[si.Run, GermanTeacher]:
    teacher = GermanTeacher()
    values: dict[str, Any] = {"seeds": str(seeds_of_the_page(folder)), "run_dir": str(folder / "run"), "target": 12}
    config = si.RunConfig.parse(values | {"language": language, "max_requests": 12, "max_similarity": 1.0})
    return si.run(config, teacher=teacher), teacher


@pytest.mark.parametrize("language", ["de", "de-AT"])
def test_german_tasks_are_kept(language: str, tmp_path: Path) -> None:
    run, teacher = run_in(language, tmp_path)
    records = list(run.records())
    assert len(records) == 12
    assert {"Überprüfe", "Übersetze", "Ändere"} <= {record.instruction.split()[0] for record in records}
    proposals = [prompt for prompt in teacher.asked if prompt.purpose == "propose"]
    named = "Deutsch" if language == "de" else r"Deutsch \(Österreich\)"
    assert all(re.search(rf"alle auf {named}:", prompt.messages[0].content) for prompt in proposals)


def test_the_page_shows_what_the_commands_print(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = si.RunConfig.parse({"seeds": str(seeds_of_the_page(tmp_path)), "run_dir": "r", "language": "de"})
    prompt = next(iter(si.preview(config, 1)))[1]
    lines = re.findall(r"^### Nummer(?:\n.+){3}", prompt.messages[0].content, re.MULTILINE)[0].splitlines()
    assert "\n".join(f"    {line}" for line in lines) in PAGE
    english = si.check(config.model_copy(update={"language": "en"}))
    assert next(note for note in english.notes if "German" in note) in PAGE


def test_the_page_names_the_languages_that_have_files_of_their_own() -> None:
    row = next(line for line in PAGE.splitlines() if "written by hand" in line)
    assert set(re.findall(r"`(\w+)`", row)) == set(OWN)
    words = shipped_yaml("selfinstruct.filters", "words.yaml")
    row = next(line for line in PAGE.splitlines() if line.startswith("| `keywords`"))
    assert re.findall(r"\w+", row.split("|")[2].partition(";")[0]) == sorted(words)
    fields = sorted(shipped_yaml("selfinstruct.strategies.reading", "words.yaml")["fields"])
    assert f"| {', '.join(fields)}, in every run; your own" in PAGE
