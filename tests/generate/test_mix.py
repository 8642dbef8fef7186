"""Several strategies in one run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import selfinstruct as si
from conftest import ROOT
from selfinstruct.core.records import Record
from selfinstruct.generate.start import run
from selfinstruct.journal.snapshot import read

SEEDS = str(ROOT / "seeds" / "en.jsonl")
HANDBOOK = {"documents": str(ROOT / "examples" / "handbuch"), "documents_license": "apache-2.0", "target": 1000}


def records_of(folder: Path, **values: Any) -> list[Record]:
    common = {"run_dir": folder, "teacher": {"kind": "fake", "model": "fake"}, "lookahead": 8, "seeds": SEEDS}
    config = si.RunConfig.parse({**common, "dataset": {"license": "apache-2.0"}, **values})
    with read(run(config)) as snapshot:
        return list(snapshot.records)


def mix_of(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "mix", "parts": list(parts)}


def test_questions_go_to_the_parts_by_weight_whatever_the_timing(tmp_path: Path) -> None:
    mix = mix_of({"strategy": "evolve"}, {"strategy": {"kind": "plan"}, "weight": 4})
    records = records_of(tmp_path / "one", strategy=mix, target=60, concurrency=1)
    parts = Counter(record.labels["part"] for record in records)
    assert 5 <= parts["evolve"] <= 20
    assert parts.total() == 60
    assert all(("operator" in record.facets) == (record.labels["part"] == "evolve") for record in records)
    again = records_of(tmp_path / "many", strategy=mix, target=60, concurrency=8)
    assert [each.examples for each in again] == [each.examples for each in records]


def test_a_part_asks_about_documents_without_gaps(tmp_path: Path) -> None:
    alone = records_of(tmp_path / "alone", **HANDBOOK, strategy="grounded")
    mixed = records_of(tmp_path / "mixed", **HANDBOOK, strategy=mix_of({"strategy": "grounded"}, {"strategy": "plan"}))
    asked = [record.origin.demos for record in mixed if record.labels["part"] == "grounded"]
    assert sorted(asked) == sorted(record.origin.demos for record in alone)


def test_a_wrong_part_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        si.ConfigError, match=r"strategy\.parts\.0\.strategy: 'evole' is unknown; did you mean 'evolve'"
    ):
        records_of(tmp_path, strategy=mix_of({"strategy": "evole"}))
