"""A warning before the first request if the seeds are clearly in another language than the configured one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from selfinstruct.config.run_config import RunConfig
from selfinstruct.generate.assembly import assemble
from selfinstruct.generate.expectation import check
from selfinstruct.generate.start import run

GERMAN = [
    "Überprüfe den Kaufvertrag auf fehlende Angaben.",
    "Erkläre einem Mieter, wann er die Kaution zurückbekommt.",
    "Fasse das Urteil in drei Sätzen zusammen.",
    "Nenne die Fristen für den Widerspruch gegen einen Bescheid.",
    "Schreibe eine höfliche Mahnung an einen säumigen Kunden.",
    "Ordne die Klauseln nach ihrer Bedeutung für den Käufer.",
]
ENGLISH = [
    "Check the contract of sale for missing details.",
    "Explain to a tenant when the deposit is paid back.",
    "Summarize the judgment in three short sentences.",
    "List the deadlines for objecting to a tax assessment.",
    "Write a polite reminder to a customer who is late.",
    "Sort the clauses by what they mean for the buyer.",
]


def config_of(folder: Path, instructions: Sequence[str], language: str) -> RunConfig:
    rows = [{"instruction": text, "input": "", "output": f"{number}."} for number, text in enumerate(instructions)]
    (folder / "seeds.jsonl").write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    values = {"seeds": str(folder / "seeds.jsonl"), "run_dir": str(folder / "run"), "language": language}
    return RunConfig.parse(values | {"target": 3, "teacher": {"kind": "fake"}})


@pytest.mark.parametrize(
    ("instructions", "language", "warned"),
    [
        (GERMAN, "en", True),
        (GERMAN, "zh", True),
        (GERMAN, "de", False),
        (GERMAN, "de-AT", False),
        (GERMAN, "any", False),
        (ENGLISH, "de", True),
        (ENGLISH, "en-GB", False),
        (GERMAN[:3] + ENGLISH[:3], "en", False),  # not clear
        (GERMAN[:4], "en", False),  # few
        (
            ["Prüfe es bitte.", "Fasse zusammen.", "Nenne Fristen.", "Schreibe ihm.", "Ordne sie.", "Zähle."],
            "en",
            False,
        ),
    ],
)
def test_a_clear_mismatch_is_one_line(tmp_path: Path, instructions: list[str], language: str, warned: bool) -> None:
    config = config_of(tmp_path, instructions, language)
    found = "German" if instructions is GERMAN else "English"
    code = found[:2].lower().replace("ge", "de")
    line = f"6 of 6 seeds seem to be in {found}, but the language is {language}; set language: {code}, or language: any"
    assert assemble(config).language_warnings == ([line] if warned else [])
    assert [note for note in check(config).notes if "language" in note] == ([f"warning: {line}"] if warned else [])


def test_a_run_warns_before_its_first_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(config_of(tmp_path, GERMAN, "en"))
    first, *_ = [message for message in caplog.messages if "warning" in message]
    assert first.startswith("selfinstruct: warning: 6 of 6 seeds seem to be in German, but the language is en;")


@pytest.mark.parametrize("seeds", ["demo", "en", "zh"])
def test_the_shipped_seeds_are_in_their_language(seeds: str) -> None:
    values = {"seeds": f"seeds/{seeds}.jsonl", "run_dir": "-", "language": "zh" if seeds == "zh" else "en"}
    assert assemble(RunConfig.parse(values)).language_warnings == []
