"""No character of a task is lost without a verdict: hand-made answers in every style, and what is read of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.prompts import Asking, Completion
from selfinstruct.strategies import build_strategy
from selfinstruct.strategies.protocol import Strategy

FOLDER = Path(__file__).parent
ADVERSARIAL: list[dict[str, Any]] = yaml.safe_load((FOLDER / "adversarial.yaml").read_text(encoding="utf-8"))


def build(name: str, language: str = "en", endpoint: str = "chat") -> Strategy:
    config = RunConfig.parse({"seeds": "x", "run_dir": "y", "strategy": name, "language": language})
    return build_strategy(config, Asking.over(endpoint))  # type: ignore[arg-type]


@pytest.mark.parametrize("case", ADVERSARIAL, ids=[case["name"] for case in ADVERSARIAL])
def test_content_that_looks_like_structure(case: dict[str, Any]) -> None:
    language = "zh" if "指令" in case["answer"] else "en"
    strategy = build("self_instruct" if case.get("list") else "alpaca", language)
    found = strategy.parse(Completion(case["answer"], finish_reason="length" if case.get("truncated") else "stop"))
    tasks = [[c.instruction, c.input, c.output] for c in found if c.error is None]
    assert tasks == [[*task, None, None][:3] for task in case["tasks"]]
    lost = [c.error or "" for c in found if c.error is not None]
    assert len(lost) == len(case.get("lost", [])), lost
    for error, begins in zip(lost, case.get("lost", []), strict=True):
        assert error.startswith(begins)
