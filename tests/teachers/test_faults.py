"""Every kind of fault, alone, through a whole run: what docs/inside/faults.md promises happens, and no row is wrong."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner

from conftest import ROOT
from selfinstruct.cli.app import app
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import TeacherDown, TeacherRefused, UsageError
from selfinstruct.core.prompts import Message, Prompt, Sampling
from selfinstruct.generate.start import arun
from selfinstruct.journal.folder import Run
from selfinstruct.teachers.fake.fake_server import FakeServer, serving
from selfinstruct.teachers.fake.faults import KINDS, Faults
from selfinstruct.teachers.fake.teacher import fake_answer
from selfinstruct.teachers.openai.options import OpenAIOptions
from selfinstruct.teachers.openai.teacher import OpenAITeacher

WAITED = ("429", "429_after")
"""Asked again until there is an answer, or `teacher.patience_s` is over for the whole run: never a row."""
AGAIN = (*WAITED, "500", "502", "503", "timeout", "cut")
"""Asked again by the SDK; but for the first two, a question that still fails after its retries is a row."""
ROWS = {
    "500": "server_error",
    "502": "server_error",
    "503": "server_error",
    "timeout": "timeout",
    "cut": "connection",
    "html": "html_answer",
    "broken_json": "broken_json",
    "no_choices": "no_choices",
    "refusal": "refusal",
    "large": "too_large",
    "not_utf8": "broken_json",
    "garbage": "unparsable",
}
"""What the row of a question says whose last try met the fault. Kinds that aren't here are read like any answer."""


def prompts_of(folder: Path) -> Iterator[tuple[str, str, str, str | None]]:
    """(key, purpose, the prompt's text, the error) of every answer in a run's journal."""
    with closing(sqlite3.connect(folder / "journal.sqlite")) as db:
        texts = dict(db.execute("SELECT hash, text FROM texts"))
        for key, purpose, sent, error in db.execute("SELECT key, purpose, prompt, error FROM answers"):
            messages = json.loads(sent)["messages"]
            yield key, purpose, "".join(texts[m[2]] if len(m) > 2 else m[1] for m in messages), error


def assert_no_wrong_row(folder: Path) -> None:
    """Every record is, word for word, what the fake answers to the questions that it came from."""
    proposed, developed = {}, {}
    for key, purpose, prompt, _ in prompts_of(folder):
        if purpose == "propose":
            proposed[key] = fake_answer(prompt)
        elif purpose == "instances":
            developed[prompt] = fake_answer(prompt)  # a prompt may be in several rows, some of which failed
    for record in Run(folder).records():
        told = proposed[f"p:{record.question}"]
        assert record.instruction in told
        if record.origin.strategy == "self_instruct":
            task = " ".join(record.instruction.split()).rstrip(":")
            (told,) = (answer for prompt, answer in developed.items() if prompt.rstrip().endswith(task))
        for example in record.examples:
            assert example.given in told
            assert example.output.strip()
            assert re.search(rf"{re.escape(example.output)}\s*$", told, re.MULTILINE), "an output that was cut"


@pytest.fixture
def rehearse(tmp_path: Path, seed_file: Path) -> Callable[..., tuple[Run, Counter[str], Path]]:
    """A whole run against a server with faults: the run, the server's faults counted, and its log."""

    def run_it(shares: dict[str, float], patience_s: float = 600, **changes: Any) -> tuple[Run, Counter[str], Path]:
        log = tmp_path / "server.log"
        # The server shares the client's event loop. Ten 10 MB answers keep it busy for longer than a short timeout, and
        # the SDK then asks again: only where hanging is what is tested is the timeout short.
        timeout_s = 0.5 if "timeout" in shares else 60.0
        teacher: dict[str, Any] = {"kind": "openai", "model": "fake", "api_key_env": None, "structured": "text"}
        teacher |= {"timeout_s": timeout_s, "max_retries": 2, "patience_s": patience_s}
        values = {"seeds": str(seed_file), "run_dir": str(tmp_path / "run"), "target": 40} | changes

        async def course() -> Run:
            async with serving(FakeServer(log=log, faults=Faults(shares, 1))) as base_url:
                return await arun(RunConfig.parse(values | {"teacher": teacher | {"base_url": base_url}}))

        try:
            return asyncio.run(course()), Counter(events(log, "fault")), log
        finally:
            assert "Traceback" not in log.read_text()

    return run_it


def events(log: Path, name: str) -> list[str]:
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [line.get("fault", line["request"]) for line in lines if line["event"] == name]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "kind"),
    [("alpaca", kind) for kind in KINDS] + [("self_instruct", kind) for kind in KINDS if kind not in AGAIN],
)
def test_a_run_meets_one_kind_of_fault_and_reaches_its_target(
    rehearse: Callable[..., tuple[Run, Counter[str], Path]], strategy: str, kind: str
) -> None:
    run, faults, log = rehearse({kind: 0.3}, strategy=strategy)
    assert run.outcome.reason == "target"
    assert len(run.records()) == 40
    assert set(faults) == {kind}
    assert_no_wrong_row(run.path)
    errors = {(error or "").partition(":")[0] for *_, error in prompts_of(run.path)} - {"", "no_answer"}
    refused = set(run.status().refused)
    asked = Counter(events(log, "asked"))
    if kind in AGAIN:
        assert max(asked.values()) > 1
        assert errors <= {ROWS.get(kind)}
    else:
        assert max(asked.values()) == 1, "what can't be mended is not asked again"
        assert (errors or refused) if kind in ROWS else not errors
        assert errors <= {ROWS.get(kind)}
        assert kind != "garbage" or "unparsable" in refused
    assert (run.path / "journal.sqlite").stat().st_size < 4_000_000


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in ROWS if kind not in ("refusal", "garbage")])
def test_a_teacher_that_only_fails_ends_the_run_with_one_line(
    rehearse: Callable[..., tuple[Run, Counter[str], Path]], kind: str, tmp_path: Path
) -> None:
    retries = {} if kind not in AGAIN else {"max_failures_in_a_row": 2}
    with pytest.raises(TeacherDown, match=ROWS[kind]) as caught:
        rehearse({kind: 1.0}, **retries)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700
    assert Run(tmp_path / "run").status().records == 0


@pytest.mark.parametrize("kind", WAITED)
def test_a_teacher_that_only_refuses_is_down_when_patience_is_over(
    rehearse: Callable[..., tuple[Run, Counter[str], Path]], kind: str, tmp_path: Path
) -> None:
    with pytest.raises(TeacherDown, match=r"^nothing but rate-limit answers \(429\) for [^\n]+$"):
        rehearse({kind: 1.0}, patience_s=1)
    rows = list(prompts_of(tmp_path / "run"))
    assert all(key.startswith("failed:") for key, *_ in rows), "only what was sent: the next start asks all of them"


@pytest.mark.slow
def test_all_kinds_at_once(rehearse: Callable[..., tuple[Run, Counter[str], Path]]) -> None:
    run, faults, _ = rehearse(dict.fromkeys(KINDS, 0.6 / len(KINDS)), strategy="self_instruct", target=60)
    assert run.outcome.reason == "target"
    assert set(faults) == set(KINDS)
    assert_no_wrong_row(run.path)


# --- the turn under the limits -------------------------------------------------------------------

PROMPT = Prompt("propose", (Message("user", "Go on."),), Sampling(max_tokens=50))
OTHERS: dict[str, dict[str, Any]] = {
    "a redirect away": {"status": 307, "headers": {"location": "http://127.0.0.2:9/v1"}},
    "a used-up quota": {"status": 429, "text": '{"error": {"code": "insufficient_quota"}}'},
    "no such model": {"status": 404, "text": '{"error": {"message": "what?"}}'},
}
RAISES = dict.fromkeys([*WAITED, "no server"], TeacherDown) | dict.fromkeys(OTHERS, TeacherRefused)


@pytest.mark.parametrize("kind", [*KINDS, *OTHERS, "no server", "cancelled"])
def test_whatever_a_request_meets_its_turn_is_given_back(kind: str) -> None:
    """There is one place: the second question would wait for ever if the first kept it."""
    seen: list[int] = []

    async def course() -> None:
        came = asyncio.Event()

        @web.middleware
        async def noting(request: web.Request, handler: Any) -> web.StreamResponse:
            seen.append(teacher._limits.in_flight)
            came.set()
            return web.Response(**OTHERS[kind]) if kind in OTHERS else await handler(request)

        async def ask() -> None:
            asking = asyncio.create_task(teacher.complete(PROMPT))
            if kind == "cancelled":
                await came.wait()
                came.clear()
                asking.cancel()
            with pytest.raises(RAISES[kind]) if kind in RAISES else suppress(asyncio.CancelledError):
                await asking

        shares = {"timeout": 1.0} if kind == "cancelled" else {kind: 1.0} if kind in KINDS else {}
        async with serving(FakeServer(before=[noting], faults=Faults(shares))) as base_url:
            values: dict[str, Any] = {"api_key_env": None, "timeout_s": 0.3, "max_retries": 1, "patience_s": 0.2}
            values["base_url"] = "http://127.0.0.1:9/v1" if kind == "no server" else base_url
            async with OpenAITeacher(OpenAIOptions(**values), concurrency=1) as teacher:
                for _ in range(2):
                    await ask()
                    assert teacher._limits.in_flight == 0

    asyncio.run(asyncio.wait_for(course(), 60))
    assert set(seen) == (set() if kind == "no server" else {1})


# --- the draws ----------------------------------------------------------------------------------


def test_a_draw_depends_on_seed_body_and_attempt_alone() -> None:
    def drawn(seed: int, body: bytes) -> list[str | None]:
        return [Faults.parse("0.5", seed).draw(body, attempt) for attempt in range(200)]

    assert drawn(1, b"a") == drawn(1, b"a")
    assert len({tuple(drawn(*case)) for case in ((1, b"a"), (2, b"a"), (1, b"b"))}) == 3


def test_every_kind_gets_its_share() -> None:
    faults = Faults({"429": 0.1, "html": 0.3})
    drawn = Counter(faults.draw(str(n).encode(), 0) for n in range(10_000))
    assert set(drawn) == {None, "429", "html"}
    assert 900 < drawn["429"] < 1100
    assert 2800 < drawn["html"] < 3200
    assert {Faults.parse("1").draw(str(n).encode(), 0) for n in range(1000)} == set(KINDS)


@pytest.mark.parametrize("text", ["htm=0.1", "html=0.7,429=0.7", "html", "html=x", "1.5", "-1", "", "nan", "html=nan"])
def test_shares_that_cannot_be(text: str) -> None:
    with pytest.raises(UsageError, match=r"^faults: [^\n]+$"):
        Faults.parse(text)


def test_an_unknown_kind_is_one_line_that_names_the_kinds() -> None:
    result = CliRunner().invoke(app, ["serve-fake", "--faults", "htm=0.1"])
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert all(kind in line for kind in KINDS)
    assert "did you mean 'html'" in line


def test_the_kinds_are_documented() -> None:
    told = re.findall(
        r"^\| `(\w+)` \|", (ROOT / "docs" / "inside" / "faults.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert told == list(KINDS)
