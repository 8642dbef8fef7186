"""Personal data and secrets: found, redacted or refused, warned of in seeds, and never repeated by us."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from typer.testing import CliRunner
from worked import keep

import selfinstruct as si
from conftest import cli
from selfinstruct.cli.app import app
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.prompts import Asking, Completion, Prompt
from selfinstruct.core.tasks import Candidate, Instance, SeedTask
from selfinstruct.filters import build_checks, warnings_about
from selfinstruct.filters.personal import Redactor, find_personal

RANDOM = "q7Rt2Lm9Xv4Kp8Zn3Bc6Wd1Fh5Jg0Ys7Ua2T"
"""Made up, and put together here, so that no scanner of repositories mistakes it for somebody's."""
KEYS = [
    f"sk-proj-{RANDOM}",
    f"sk-ant-api03-{RANDOM}",
    f"AKIA{RANDOM.upper()[:16]}",
    f"ghp_{RANDOM}",
    f"github_pat_{RANDOM}{RANDOM}",
    f"glpat-{RANDOM[:20]}",
    f"xoxb-{RANDOM[:24]}",
    f"sk_live_{RANDOM[:24]}",
    f"AIza{RANDOM[:35]}",
    f"hf_{RANDOM[:34]}",
    f"npm_{RANDOM}",
    f"SG.{RANDOM[:22]}.{RANDOM}{RANDOM[:7]}",
    f"12345678:AA{RANDOM[:33]}",
    f"eyJ{RANDOM[:20]}.eyJ{RANDOM[:20]}.{RANDOM}",
    f"-----BEGIN RSA PRIVATE KEY-----\n{RANDOM}\n-----END RSA PRIVATE KEY-----",
]


def found(text: str, region: str | None = "US") -> list[tuple[str, str]]:
    return [(one.kind, text[one.start : one.end]) for one in find_personal(text, region)]


@pytest.mark.parametrize(
    ("text", "region", "expected"),
    [
        ("Write to jo.smith+news@mail.univ-lyon.fr, please.", None, [("email", "jo.smith+news@mail.univ-lyon.fr")]),
        ("联系邮箱：li.hua@qq.com。", "CN", [("email", "li.hua@qq.com")]),
        ("Call (415) 867-5309 now.", "US", [("phone", "(415) 867-5309")]),
        ("Call 415-867-5309 now.", None, []),  # national numbers need a region
        ("Call +49 30 901820 now.", None, [("phone", "+49 30 901820")]),
        ("我的手机号是13812345678。", "CN", [("phone", "13812345678")]),
        ("座机：010-62758888", "CN", [("phone", "010-62758888")]),
        ("Card 4539 1488 0343 6467, valid", "US", [("card", "4539 1488 0343 6467")]),
        ("5424180279791732", None, [("card", "5424180279791732")]),
        ("IBAN DE75512108001245126199.", None, [("iban", "DE75512108001245126199")]),
        ("GB94 BARC 1020 1530 0934 59 IS MINE", None, [("iban", "GB94 BARC 1020 1530 0934 59")]),
        ("postgres://admin:s3cretpw@db.shop.io/x", None, [("key", "admin:s3cretpw")]),
        *((f"The key is {key} here.", None, [("key", key)]) for key in KEYS),
    ],
)
def test_what_is_found(text: str, region: str | None, expected: list[tuple[str, str]]) -> None:
    assert found(text, region) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Write to jane@example.com or info@shop.example, see root@localhost.",
        "name@yourcompany.com",
        "a @ b.c, x@y, @handle, me@",
        "Call 555-1234 or (212) 555-0123, or in London 020 7946 0018.",
        "Call +1 212 555 0199 or +44 20 7946 0018.",
        "4158675309",  # ten digits alone are any number
        "3.14159265358979323846264338327950288",
        "On 2025-12-31 23:59, 1,234,567,890 of 10 000 000 000 were sold.",
        "4539 1488 0343 6468",  # the check digit is wrong
        "4111 1111 1111 1111 and 4242424242424242 are for tests",
        "DE75512108001245126198",  # the check digits are wrong
        "DE89 3704 0044 0532 0130 00 is the standard's own",
        "ISBN 978-3-16-148410-0",
        "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "AKIAIOSFODNN7EXAMPLE",
        "https://user:password@host.io/",
        "https://docs.python.org:8080/a@b",
        "task-oriented dialogue systems, risk-averse-but-hopeful-investors-of-our-time",
        "550e8400-e29b-41d4-a716-446655440000",
        "192.168.100.200 10.0.0.1:8080",
        "6 + 5 = 11, 12345678 * 87654321 = 1082152022374638",
    ],
)
def test_what_is_nobodys(text: str) -> None:
    assert found(text, "US") == []
    assert found(text, None) == []


def test_redacting_leaves_a_tag_and_nothing_to_redact() -> None:
    redactor = Redactor("en")
    text = f"Mail ann@shop.io, call (415) 867-5309, pay with 4539 1488 0343 6467 or DE75512108001245126199: {KEYS[0]}."
    clean = redactor.text(text)
    assert clean == "Mail [EMAIL], call [PHONE], pay with [CARD] or [IBAN]: [KEY]."
    assert redactor.text(clean) == clean
    assert redactor.text("Nothing here.") == "Nothing here."


parts = st.sampled_from(
    ["ann@shop.io", "(415) 867-5309", "4539 1488 0343 6467", KEYS[0], "DE75512108001245126199", "1"]
)


@given(st.lists(st.one_of(parts, st.text(max_size=8)), max_size=8).map("".join))
def test_what_is_redacted_holds_no_more(text: str) -> None:
    clean = Redactor("en").text(text)
    assert find_personal(clean, "US") == []
    assert all(one.end <= other.start for one, other in pairwise(find_personal(text, "US")))


def checks(**filters: Any) -> Any:
    return build_checks(RunConfig.parse({"seeds": "-", "run_dir": "-", "filters": filters}))


def test_refuse_says_where_and_what_kind_only() -> None:
    check = checks(personal_data="refuse").instructions[-1]
    assert check.check(Candidate("Write to ann@shop.io and ask.")).detail == "instruction: email"
    verdict = check.check(Candidate("Write a letter.", "", "Ann, ann@shop.io, (415) 867-5309"))
    assert (verdict.reason, verdict.detail) == ("personal_data", "output: email, phone")
    pairs = [("ann@shop.io", "Dear Ann.")]
    kept, refused = keep(pairs, instruction="Write.", checks=checks(personal_data="refuse"))
    assert (kept, refused[0].detail) == ([], "1: input: email")


def test_keep_is_the_default() -> None:
    pair = ("", "Write to ann@shop.io.")
    assert keep([pair], instruction="Write.", checks=checks())[0] == [pair]


class PersonalTeacher:
    """Proposes tasks with somebody's address in each part, and remembers what it was asked."""

    asking = Asking()
    model = "personal"

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def complete(self, prompt: Prompt) -> Completion:
        self.asked.append(prompt.text)
        number = len(self.asked)
        words = " ".join(f"word{number}x{place}" for place in range(12))
        tasks = [
            {
                "instruction": f"Tell ann@shop.io about {words} today.",
                "input": f"From bob{number}@mail.io.",
                "output": f"Dear Ann, {words}. Call (415) 867-5309.",
            }
        ]
        return Completion(json.dumps({"tasks": tasks}), model=self.model)


MakeConfig = Callable[..., RunConfig]


def test_redacted_tasks_enter_pool_prompts_and_records_so(make_config: MakeConfig) -> None:
    teacher = PersonalTeacher()
    config = make_config(
        target=30,
        strategy={"kind": "alpaca", "machine_demos": 2},
        concurrency=1,
        lookahead=4,
        filters={"personal_data": "redact"},
    )
    run = si.run(config, teacher=teacher)
    assert run.outcome.reason == "target"
    for record in run.records():
        assert record.instruction.startswith("Tell [EMAIL] about ")
        assert record.examples[0].given == "From [EMAIL]."
        assert record.examples[0].output.endswith("Call [PHONE].")
    shown = "".join(teacher.asked)
    assert "[EMAIL]" in shown  # the machine-made demonstrations
    assert "@" not in shown
    with sqlite3.connect(Path(config.run_dir) / "journal.sqlite") as journal:
        assert not journal.execute("SELECT count(*) FROM verdicts WHERE instruction LIKE '%@%'").fetchone()[0]


def test_a_refilter_redacts_what_is_there(make_config: MakeConfig, tmp_path: Path) -> None:
    before = si.run(make_config(target=10), teacher=PersonalTeacher())
    assert "ann@shop.io" in next(iter(before.records())).instruction
    config = make_config(target=10, run_dir=str(tmp_path / "clean"), filters={"personal_data": "redact"})
    after = si.run(config, fork_of=before.path, recall_only=True)
    assert after.outcome.reason == "target"
    assert all("@" not in f"{record.instruction}{record.examples}" for record in after.records())


# --- seeds -------------------------------------------------------------------------------------------


def seed(instruction: str, output: str = "Done.", id: str = "seed_7") -> SeedTask:
    return SeedTask(id, instruction, (Instance("", "Nothing."), Instance("", output)))


def test_a_seed_is_warned_of_by_name_and_kind() -> None:
    seeds = [seed("Write a poem."), seed("Write to ann@shop.io.", f"Call (415) 867-5309 with {KEYS[0]}", id="a\x1b[2J")]
    assert warnings_about(seeds, "en") == [
        "seed 'a\\x1b[2J': instruction holds an e-mail address; the teacher is shown it and may repeat it",
        "seed 'a\\x1b[2J': output 2 holds a key or password and a phone number; "
        "the teacher is shown it and may repeat it",
    ]
    assert warnings_about([seed("Write to ann@shop.io.")] * 25, "en")[-1] == "15 more seed texts with personal data"


@pytest.fixture
def personal_config(make_config: MakeConfig, tmp_path: Path) -> Path:
    rows = [json.loads(line) for line in Path(str(make_config().seeds)).read_text().splitlines()]
    rows[3]["instances"][0]["output"] = "Write to ann@shop.io."
    (tmp_path / "seeds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = tmp_path / "config.yaml"
    path.write_text(f"seeds: seeds.jsonl\nrun_dir: {tmp_path}/run\ntarget: 5\nteacher: {{kind: fake, model: fake}}\n")
    return path


def test_check_warns_before_anything_is_sent(personal_config: Path) -> None:
    done = CliRunner().invoke(app, ["check", str(personal_config)])
    assert done.exit_code == 0, done.output
    assert "warning: seed 'seed_task_3': output 1 holds an e-mail address" in done.stderr
    assert "ann@shop.io" not in done.output


def test_generate_warns_before_the_teacher_is_asked(personal_config: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Watching(si.FakeTeacher):
        async def complete(self, prompt: Prompt) -> Completion:
            assert any("seed_task_3" in record.getMessage() for record in caplog.records)
            return await super().complete(prompt)

    with caplog.at_level(logging.WARNING):
        si.run(si.RunConfig.load(personal_config), teacher=Watching())
    assert "ann@shop.io" not in caplog.text
    assert sum("seed_task_3" in record.getMessage() for record in caplog.records) == 1


def test_generate_prints_the_warning(personal_config: Path, tmp_path: Path) -> None:
    done = cli("generate", personal_config)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("selfinstruct: warning: seed 'seed_task_3': output 1 holds an e-mail address") == 1
    assert "ann@shop.io" not in done.stderr
