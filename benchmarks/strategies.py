"""What each strategy makes of the same seeds with the same small model on this machine.

    python benchmarks/strategies.py [--only evolve,magpie] [--records 20] [--minutes 3] [--folder data/strategies]
    python benchmarks/strategies.py --kept alpaca=12,evolve=4      # after you have read the records

Runs each strategy with the demo's teacher and writes its records to FOLDER/NAME.txt, to be read. A start ends after
--minutes; the same command goes on from there, and the seconds add up. The second command asks nothing, and prints the
tokens and seconds per record that you kept.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import yaml

import selfinstruct as si

ROOT = Path(__file__).parents[1]
OWN = ("law", "personas", "handbuch", "verifiable")  # these have a configuration of their own
SHARED = ("teacher", "concurrency", "lookahead")
WRITTEN = {"temperature": 0.8, "top_p": 0.95, "frequency_penalty": 0.3, "max_tokens": 320}
ANSWERED = {"temperature": 0.3, "frequency_penalty": 0.3, "max_tokens": 240}
CHAT = {"teacher.endpoint": "chat"}  # rules, which a model that continues a list doesn't need
ONE_TASK = {"strategy.propose": WRITTEN, "strategy.answer": ANSWERED}
EMBEDDED = yaml.safe_load((ROOT / "configs" / "local.yaml").read_text())
LOCAL = {**{key: EMBEDDED[key] for key in SHARED}, "max_cost_usd": None, "dataset": {"license": "apache-2.0"}}
LIST = {"kind": "alpaca", "seed_demos": 4, "tasks_per_question": 4, "propose": WRITTEN}
STRATEGIES: dict[str, dict[str, Any]] = {  # each is configs/NAME.yaml, or configs/local.yaml, with these values
    "alpaca": {},
    "law": {**LOCAL, "strategy": LIST},
    "personas": {**LOCAL, "strategy": {**LIST, "tasks_per_question": 1}},
    "handbuch": {},
    "verifiable": {**LOCAL, **CHAT, "answers": {"samples": 2, "until": "pass", "temperature": 0.7, "max_tokens": 400}},
    "evolve": {"strategy": {"kind": "evolve"}, **ONE_TASK, **CHAT, "max_similarity": 0.85},
    "plan": {"strategy": {"kind": "plan"}, **ONE_TASK, **CHAT},
    "magpie": {
        "strategy": {"kind": "magpie", "template": "qwen2.5", "propose": {"max_tokens": 128}, "answer": ANSWERED},
        "task": "everyday questions about cooking, travel, health, school and office work",
    },
}


def config_of(name: str, folder: Path, records: int) -> si.RunConfig:
    """The configuration of this name, or configs/local.yaml with another strategy."""
    path = ROOT / "configs" / f"{name if name in OWN else 'local'}.yaml"
    sets = [f"{key}={json.dumps(value)}" for key, value in STRATEGIES[name].items()]
    return si.RunConfig.load(path, sets, run_dir=folder / name, target=records, min_yield=0.0)


def extend(name: str, folder: Path, records: int, minutes: float) -> None:
    """Run a strategy for some minutes, and write its records to a file."""
    config, began = config_of(name, folder, records), time.perf_counter()
    done = si.run(config, max_runtime_s=60 * minutes)
    spent = folder / f"{name}.seconds"
    before = float(spent.read_text()) if spent.exists() else 0.0
    spent.write_text(f"{before + time.perf_counter() - began:.1f}")
    texts = [
        f"=== {name} {number} {dict(record.facets)}\n{example.messages[0].content}\n--- answer\n{example.output}\n"
        for number, record in enumerate(done.records(), 1)
        for example in record.examples[:1]
    ]
    (folder / f"{name}.txt").write_text("\n".join(texts), encoding="utf-8")


def figures(name: str, folder: Path, kept: int | None) -> str:
    """One line of the table. Requests that a start's end broke off are left out, but for their seconds."""
    with contextlib.closing(sqlite3.connect(folder / name / "journal.sqlite")) as journal:
        answers = "FROM answers WHERE error IS NULL"
        proposals, read = journal.execute(
            f"SELECT count(*), sum(prompt_tokens) {answers} AND key LIKE 'p:%'"
        ).fetchone()
        read = read or 0
        [written] = journal.execute(f"SELECT sum(completion_tokens) {answers}").fetchone()
        [admitted] = journal.execute("SELECT count(*) FROM verdicts WHERE stage = 'admission'").fetchone()
        [records] = journal.execute("SELECT count(*) FROM records").fetchone()
    seconds = float((folder / f"{name}.seconds").read_text())
    cells = [name, records, proposals, admitted, f"{read / max(admitted, 1):.0f}", f"{written / max(records, 1):.0f}"]
    if kept is not None:
        cells += [kept, *(f"{value / kept:.0f}" if kept else "-" for value in (written, seconds))]
    return " ".join(f"{cell!s:>10}" for cell in cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(STRATEGIES))
    parser.add_argument("--records", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--folder", type=Path, default=Path("data/strategies"))
    parser.add_argument("--kept", default="")
    options = parser.parse_args()
    kept = {name: int(count) for name, _, count in (item.partition("=") for item in options.kept.split(",")) if name}
    names = options.only.split(",")
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in names if not kept else ():
        extend(name, options.folder, options.records, options.minutes)
    heads = "strategy records proposals admitted prompt/adm tokens/rec kept tokens/kept s/kept".split()
    print(" ".join(f"{head:>10}" for head in heads[: 9 if kept else 6]))
    for name in kept or names:
        print(figures(name, options.folder, kept.get(name)))
    print(
        "prompt/adm: prompt tokens of proposals per admitted task; tokens: generated ones, per record and kept record"
    )


if __name__ == "__main__":
    main()
