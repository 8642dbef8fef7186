"""Every parser that reads what others wrote, each as a function of bytes: for tests/test_fuzz.py and fuzz/.

A target returns whatever the bytes are. Only the project's own errors count as an answer; anything else gets out.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

from worked import keep

from selfinstruct.config.run_config import RunConfig, overridden
from selfinstruct.core.errors import SelfInstructError
from selfinstruct.core.prompts import Asking, Completion, MadeOf, Message, Prompt, Sampling
from selfinstruct.core.reasoning import split_reasoning
from selfinstruct.core.tasks import Arrival, Instance, Material, SeedTask, storable
from selfinstruct.filters import build_checks
from selfinstruct.generate.pool import Pool
from selfinstruct.journal.answer_values import Answer
from selfinstruct.journal.folder import OpenRun
from selfinstruct.journal.journal import Journal
from selfinstruct.seeds.load import load_seeds
from selfinstruct.strategies import build_strategy
from selfinstruct.strategies.reading import lines as reading
from selfinstruct.strategies.self_instruct import SelfInstruct
from selfinstruct.teachers.asking import speaks_schema
from selfinstruct.teachers.batch.batch_job import read_results
from selfinstruct.teachers.egress import check_teachers
from selfinstruct.teachers.fake.faults import Faults
from selfinstruct.teachers.local.catalog import resolve
from selfinstruct.teachers.openai.answer_body import decode, read_answer
from selfinstruct.teachers.openai.masking import SecretMask
from selfinstruct.teachers.openai.options import OpenAIOptions
from selfinstruct.teachers.openai.server_error import read_error
from selfinstruct.teachers.openai.teacher import OpenAITeacher

FOLDER = Path(tempfile.mkdtemp(prefix="parsers-"))
SEED = SeedTask("s", "Name a river in Europe, please.", (Instance("", "The Rhine."),))
VALUES: dict[str, Any] = {"seeds": "seeds.jsonl", "run_dir": "run", "teacher": {"kind": "fake"}}
A_POOL = 500
"""Answers that one pool reads before the next is made: it grows, and comparing takes longer."""


def _seeds(suffix: str) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        path = FOLDER / f"seeds{suffix}"
        path.write_bytes(data)
        with contextlib.suppress(SelfInstructError):
            load_seeds(path)

    return read


def read_config(data: bytes) -> None:
    path = FOLDER / "config.yaml"
    path.write_bytes(data)
    with contextlib.suppress(SelfInstructError):
        config = RunConfig.load(path)
        config.meaning("", "")
        check_teachers(config)
        build_checks(config)


def read_override(data: bytes) -> None:
    with contextlib.suppress(SelfInstructError):
        RunConfig.parse(overridden(VALUES, [_text(data)]))


def read_prompts(data: bytes) -> None:
    path = FOLDER / "prompts.yaml"
    path.write_bytes(data)
    for strategy in ("alpaca", "self_instruct"):
        with contextlib.suppress(SelfInstructError):
            build_strategy(RunConfig.parse(VALUES | {"strategy": {"kind": strategy, "prompts": str(path)}}), Asking())


def read_address(data: bytes) -> None:
    text = _text(data)
    with contextlib.suppress(SelfInstructError):
        resolve(f"hf://{text}")
    with contextlib.suppress(SelfInstructError):
        teacher = {"base_url": f"http://{text}", "api_key_env": None}
        config = RunConfig.parse(VALUES | {"egress": "local-only", "teacher": teacher})
        check_teachers(config)
        OpenAITeacher(OpenAIOptions.of(config.teacher))


def read_faults(data: bytes) -> None:
    with contextlib.suppress(SelfInstructError):
        Faults.parse(_text(data))


def read_body(data: bytes) -> None:
    """A response body, as JSON where it is, else as the text that the SDK hands over."""
    body = decode(SecretMask(["sk-live-Zq7RECOGNISABLE0123456789"]).body(data))
    for status in (200, 400, 429, 503):
        error = read_error(status, body)
        assert (error is not None) or status == 200
    for prompt in _prompts():
        completion = read_answer(body, prompt)
        assert completion.text == storable(completion.text)
        split_reasoning(completion.text)
        speaks_schema(completion)
        for strategy in _strategies():
            if isinstance(strategy, SelfInstruct):
                strategy.is_classification(completion)


def read_batch_file(data: bytes) -> None:
    """A result file as it stands, and as the body of a row that is found by its key."""
    prompts = {f"p:{number}": prompt for number, prompt in enumerate(_prompts())}
    row = b'{"custom_id": "p:0", "response": {"status_code": 200, "body": ' + data.replace(b"\n", b" ") + b"}}"
    found, useless = read_results([data, row], prompts)
    assert found.keys() <= prompts.keys()
    assert useless >= 0


def read_completion(data: bytes) -> None:
    """An answer's text through everything that reads it: strategies, filters, novelty, the ledger."""
    text = storable(_text(data))
    for strategy in _strategies():
        for finish in ("stop", "length"):
            completion = Completion(text, finish_reason=finish)
            pool = _Pools.next()
            pool.consume(pool.consumed, Answer(completion, MadeOf(), ""), strategy)
            if isinstance(strategy, SelfInstruct):
                strategy.is_classification(completion)
                for classification in (True, False):
                    found = strategy.read_instances(completion, "Go on.", classification)
                    pairs = [(storable(each.given), storable(each.output)) for each in found.examples]
                    kept, refused = keep(pairs, found.truncated)
                    assert len(kept) <= 5
                    assert all(verdict.reason for verdict in refused)
    _Pools.journal().flush()


LINES = (
    "{w}|{w}.|Instruction: {w}|Input: {w}|Output: {w}|**Output: {w}**|Answer: {w}|Label: {w}"
    "|指令：{w}|输出：{w}||### 4|### 5|### 6 {w}|#### 18|Example 1|Output: {w} ### 6|### {w}"
    "|**Task 3:** {w}|Output: ```python|```|```json|~~~|---|***|=====|Input: None|1. {w}"
    "|2. {w}|- {w}|   - {w}|**{w}**|iv) {w}|v) {w}|٣. {w}|② {w}|> {w}|I hope these tasks {w}."
    '|- instruction: {w}|- instruction: ¦|  output: ¦|  output: >-|    {w}|  input: ""|  output: "{w}"'
    '|"{w}"|"{w}",|["{w}", 3, "{w}"]|],|]}|{"tasks": ['
    '|{"instruction": "{w}", "output": "{w}"}|{"instruction": "{w}", "output": "{w}",},'
    '|{\'instruction\': \'{w}\'},|{"instruction": "{w} "{w}" x"}|{"instruction": "{w}"'
    '|{"instruction": "{w}", "instruction": "{w}"}|{"x": "{w}"}'
    '|{"items": ["{w}"], "more": ["{w}"]}'
).split("|")
"""Lines of every shape that an answer may have; {w} is a word that occurs once, ¦ the sign of a YAML block."""


def answer_of(data: bytes) -> tuple[list[str], list[str]]:
    """The lines that the bytes choose, with a word in each place, and the words."""
    number, lines = 0, []
    for byte in data[:40]:
        line = LINES[byte % len(LINES)].replace("¦", "|")
        while "{w}" in line:
            line = line.replace("{w}", f"word{number}x", 1)
            number += 1
        lines.append(line)
    return lines, [f"word{at}x" for at in range(number)]


def read_lines(data: bytes) -> None:
    """An answer of chosen lines: if it has a task, each word is in a task or in a verdict on what is in none."""
    lines, words = answer_of(data)
    with mock.patch.object(reading, "_SHOWN", 1_000_000):  # verdicts quote all of it
        for strategy in _strategies():
            for finish in ("stop", "length"):
                completion = Completion("\n".join(lines), finish_reason=finish)
                found = strategy.parse(completion, Material())
                if any(each.error is None for each in found):
                    said = [text for c in found for text in (c.instruction, c.input, c.output, c.error) if text]
                    assert not _unsaid(words, said), (lines, found)
                for classification in (True, False) if isinstance(strategy, SelfInstruct) else ():
                    made = strategy.read_instances(completion, "Go on.", classification)
                    # An instance may repeat the instruction, or the other kind's label.
                    asked = [w for w in words if not re.search(f"(?:nstruction|指令|Label).*{w}", "\n".join(lines))]
                    if made.examples and "too_many" not in "".join(made.lost):
                        said = [text for each in made.examples for text in (each.given, each.output)]
                        assert not _unsaid(asked, [*said, *made.lost]), (lines, made)


def _unsaid(words: list[str], said: list[str]) -> list[str]:
    text = "\n".join(said)
    return [word for word in words if word not in text]


TARGETS: dict[str, Callable[[bytes], None]] = {
    "seeds_jsonl": _seeds(".jsonl"),
    "seeds_json": _seeds(".json"),
    "seeds_csv": _seeds(".csv"),
    "seeds_parquet": _seeds(".parquet"),
    "config": read_config,
    "override": read_override,
    "prompts": read_prompts,
    "address": read_address,
    "faults": read_faults,
    "body": read_body,
    "batch_file": read_batch_file,
    "completion": read_completion,
    "lines": read_lines,
}


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


@cache
def _strategies() -> list[Any]:
    return [
        build_strategy(RunConfig.parse(VALUES | {"strategy": name, "language": language}), asking)
        for name in ("alpaca", "self_instruct")
        for language in ("en", "zh")
        for asking in (Asking(structured=True), Asking.over("completions"))
    ]


@cache
def _prompts() -> tuple[Prompt, ...]:
    parts = (Message("user", "Go on."),)
    return (
        Prompt("instances", parts, Sampling()),
        Prompt("classify", parts, Sampling(), endpoint="completions", top_logprobs=10),
    )


class _Pools:
    """Pools over one real journal, a fresh one after every `A_POOL` answers."""

    _pool: Pool | None = None

    @staticmethod
    @cache
    def journal() -> Journal:
        return Journal(FOLDER / "journal.sqlite")

    @classmethod
    def next(cls) -> Pool:
        if cls._pool is None or cls._pool.consumed >= A_POOL:
            config = RunConfig.parse(VALUES | {"max_similarity": 0.7, "refuse_equal": True, "neighbours": 3})
            opened = OpenRun(FOLDER, cls.journal(), "fuzz", [config], [Arrival(1, 0, (SEED,))])
            cls._pool = Pool(opened, build_checks(config))
        return cls._pool
