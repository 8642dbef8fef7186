"""The journal: committed means durable, whatever becomes of the process, the disk or the folder."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from selfinstruct.core.documents import Quote
from selfinstruct.core.errors import JournalDamaged, StorageError, UsageError
from selfinstruct.core.prompts import Completion, MadeOf, Message, Prompt, Sampling, Usage
from selfinstruct.core.records import Example, Neighbour, Novelty, Origin, Record, Response
from selfinstruct.core.tasks import Verdict
from selfinstruct.journal.answer_values import Answer, Receipt, Totals
from selfinstruct.journal.history import NewGeneration
from selfinstruct.journal.journal import FORMAT, Journal

PROMPT = Prompt(
    "propose",
    (Message("system", "The fixed part. 固定的部分。"), Message("user", "Go on. 😀")),
    Sampling(0.7, None, 2.0, None, 100, ("\n\n",)),
    made_of=MadeOf(("seed_task_1", "ab12-0-3"), {"topic": "税法", "level": "hard"}, ("a.md:0-9",), 2),
    version="0123456789ab",
    schema={"title": "tasks", "type": "object"},
)
RECORD = Record(
    id="ab12-3-1",
    question=3,
    index=1,
    instruction="写一首诗 😀",
    examples=(
        Example.of("写一首诗 😀", "", Response("好的\n。", "m-2", key="d:1")),
        Example(
            (Message("user", "写"), Message("assistant", ""), Message("user", 'a "b"')),
            (
                Response(
                    "c",
                    sample=2,
                    reasoning="想",
                    verdicts={"judge": Verdict(None, "好", 2 / 3, by="j")},
                    marks={"clarity": 0.1 + 0.2},
                    beats=(0, 1),
                ),
            ),
            evidence=(Quote("d", 0, 3, "a b", 1),),
            others=(Response("", sample=1, verdicts={"cut_off": Verdict("cut_off", "…")}),),
        ),
    ),
    origin=Origin(strategy="self_instruct", teacher="m-1", version="0123456789ab", demos=("s1", "s2")),
    novelty=Novelty(
        nearest=Neighbour("s1", 0.1 + 0.2),
        neighbours=(Neighbour("s1", 0.1 + 0.2), Neighbour("s2", 0.1)),
        mean_similarity=1 / 3,
    ),
    facets={"topic": "税法"},
    labels={"is_classification": False, "level": "hard", "share": 0.25},
)


def within(course: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await course()

    asyncio.run(bounded())


async def put(journal: Journal, key: str, completion: Completion | None = None, cost: float | None = 0.25) -> Answer:
    question = int(key[2:]) if key.startswith("p:") else None
    answer = completion or Completion(f"answer to {key}", usage=Usage(10, 5, 2), model="m")
    return await journal.commit(key, question, PROMPT, answer, Receipt("", 1.5, 0.25, cost))


# --- answers ------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"))
completions = st.builds(
    Completion,
    text=texts,
    finish_reason=texts,
    usage=st.builds(Usage, st.integers(0, 1 << 40), st.integers(0, 1 << 40), st.integers(0, 1 << 40)),
    model=texts,
    error=st.none() | texts,
    failed=st.booleans(),
    logprobs=st.none() | st.dictionaries(texts, st.floats(allow_nan=False), min_size=1),
    reasoning=texts,
)


@given(completions)
def test_every_field_comes_back_as_it_went_in(tmp_path_factory: pytest.TempPathFactory, completion: Completion) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.sqlite"

    async def course() -> None:
        journal = Journal(path)
        answer = await put(journal, "p:7", completion)
        expected = Answer(completion, PROMPT.made_of, PROMPT.version, 1)
        assert journal.recall("p:7") == answer == expected
        assert journal.recall("p:8") is None
        journal.close()
        again = Journal(path, read_only=True)
        assert again.recall("p:7") == answer
        again.close()

    within(course)
    shutil.rmtree(path.parent)


def test_an_answer_comes_back_without_its_reasoning_and_the_row_keeps_both(tmp_path: Path) -> None:
    async def course() -> None:
        journal = Journal(tmp_path / "j")
        for key, text in (
            ("p:1", "<think>a</think>\n1. Sing."),
            ("p:2", "a\n</think>\n\n1. Sing."),
            ("p:3", "<think>a"),
        ):
            answer = await put(journal, key, Completion(text, reasoning="before"))
            assert journal.recall(key) == answer
            assert answer.completion.reasoning == "before\na"
            assert answer.completion.text == ("" if key == "p:3" else "1. Sing.")
            assert answer.begins_inside is (key == "p:2")
            assert journal.query("SELECT text, reasoning FROM answers WHERE key = ?", (key,)) == [(text, "before")]
        journal.close()

    within(course)


def test_what_was_sent_can_be_read_the_fixed_part_stands_once(tmp_path: Path) -> None:
    async def course() -> None:
        journal = Journal(tmp_path / "j")
        await asyncio.gather(*(put(journal, f"p:{n}") for n in range(3)))
        ((name, text),) = journal.query("SELECT hash, text FROM texts")
        assert text == PROMPT.messages[0].content
        for (sent,) in journal.query("SELECT prompt FROM answers"):
            assert json.loads(sent) == {
                "endpoint": "chat",
                "messages": [["system", "", name], ["user", "Go on. 😀"]],
                "sampling": {"temperature": 0.7, "presence_penalty": 2.0, "max_tokens": 100, "stop": ["\n\n"]},
                "schema": "tasks",
            }
        journal.close()

    within(course)


def test_committed_is_durable_and_seen_by_others(tmp_path: Path) -> None:
    """A process commits, says so, and is killed at that instant."""
    code = """
        import asyncio, os, signal, sys
        sys.path[:0] = ["tests", "tests/journal"]
        from pathlib import Path
        from selfinstruct.journal.journal import Journal
        from test_journal import put

        async def go():
            journal = Journal(Path(sys.argv[1]))
            await asyncio.gather(*(put(journal, f"p:{n}") for n in range(50)))
            asyncio.get_running_loop().create_task(put(journal, "p:50"))
            os.kill(os.getpid(), signal.SIGKILL)

        asyncio.run(go())
    """
    path = tmp_path / "j"
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(path)], cwd=Path(__file__).parents[2])
    assert done.returncode == -signal.SIGKILL
    journal = Journal(path)
    assert all(journal.recall(f"p:{n}") for n in range(50))
    assert journal.totals() == Totals(50, 500, 250, 12.5)
    journal.close()


def test_answers_that_come_together_share_commits(tmp_path: Path) -> None:
    async def course() -> None:
        journal = Journal(tmp_path / "j")
        transactions: list[str] = []
        journal._store._writer.set_trace_callback(lambda sql: transactions.append(sql) if sql == "COMMIT" else None)
        await asyncio.gather(*(put(journal, f"p:{n}") for n in range(500)))
        assert journal.totals().requests == 500
        assert 1 <= len(transactions) <= 10
        journal.close()

    within(course)


def test_who_stops_waiting_does_not_take_the_answer_back(tmp_path: Path) -> None:
    async def course() -> None:
        journal = Journal(tmp_path / "j")
        commits = [asyncio.create_task(put(journal, f"p:{n}")) for n in range(20)]
        await asyncio.sleep(0)
        for commit in commits:
            commit.cancel()
        await asyncio.gather(*commits, return_exceptions=True)
        journal.close()
        journal = Journal(tmp_path / "j", read_only=True)
        assert journal.totals().requests == 20
        journal.close()

    within(course)


def test_readers_are_not_held_up_and_see_whole_commits(tmp_path: Path) -> None:
    async def course() -> None:
        journal = Journal(tmp_path / "j")
        readers = [Journal(tmp_path / "j", read_only=True) for _ in range(2)]
        for start in range(0, 400, 40):
            writing = asyncio.gather(*(put(journal, f"p:{n}") for n in range(start, start + 40)))
            for reader in readers:
                seen = reader.totals().requests
                assert start <= seen <= start + 40
            await writing
            assert [reader.totals().requests for reader in readers] == [start + 40] * 2
        for reader in readers:
            with pytest.raises(StorageError):
                reader.query("DELETE FROM answers")
            reader.close()
        journal.close()

    within(course)


def test_only_failures_are_forgotten_and_their_cost_stays(tmp_path: Path) -> None:
    async def course() -> None:
        journal = Journal(tmp_path / "j")
        await put(journal, "p:0")
        await put(journal, "p:1", Completion("", usage=Usage(7, 0), error="timeout", failed=True))
        await put(journal, "p:2", Completion("", error="refusal: no"))
        journal.forget(["p:0", "p:1", "p:2", "p:3"])
        journal.forget(["p:1"])
        assert [journal.recall(f"p:{n}") is None for n in range(3)] == [False, True, False]
        assert (journal.totals().requests, journal.totals().prompt_tokens) == (3, 17)
        await put(journal, "p:1")
        assert journal.totals().requests == 4
        journal.close()

    within(course)


def test_totals_tell_what_had_no_price(tmp_path: Path) -> None:
    async def course() -> None:
        journal = Journal(tmp_path / "j")
        await put(journal, "a", cost=None)
        await put(journal, "b")
        assert journal.totals() == Totals(2, 20, 10, 0.25, {"": Usage(10, 5)})
        journal.close()

    within(course)


# --- the ledger ---------------------------------------------------------------------------------


def test_records_and_verdicts_come_back_in_admission_order(tmp_path: Path) -> None:
    async def course() -> None:
        journal = Journal(tmp_path / "j")
        journal.begin_start("1.0")
        later = replace(RECORD, id="x", question=12, index=0, labels={"is_classification": True}, novelty=Novelty())
        journal.ledger.keep(later)
        journal.ledger.keep(RECORD)
        journal.ledger.note(3, 0, "novelty", 0, "写", Verdict("too_similar", "", 0.75, "s1"))
        journal.flush()
        assert list(journal.records()) == [RECORD, later]
        assert list(journal.records(1)) == [RECORD]
        assert journal.ledger.finished() == 2
        columns = "question, idx, stage, part, instruction, reason, detail, score, nearest, start"
        row = (3, 0, "novelty", 0, "写", "too_similar", "", 0.75, "s1", 1)
        assert journal.query(f"SELECT {columns} FROM verdicts") == [row]
        journal.close()

    within(course)


def test_a_start_sweeps_out_what_it_did_not_say_again(tmp_path: Path) -> None:
    async def course() -> None:
        other = replace(RECORD, question=4)
        for said in ([RECORD, other], [other]):
            journal = Journal(tmp_path / "j")
            journal.begin_start("1.0")
            for record in said:
                journal.ledger.keep(record)
                journal.ledger.note(record.question, 1, "admission", 0, "x", Verdict())
            journal.flush()
            if said == [other]:
                assert len(list(journal.records())) == 2, "until the sweep a reader sees what was known"
                journal.ledger.sweep()
            journal.close()
        journal = Journal(tmp_path / "j", read_only=True)
        assert list(journal.records()) == [other]
        assert journal.query("SELECT question FROM verdicts") == [(4,)]
        journal.close()

    within(course)


def test_what_is_noted_without_a_commit_is_written_at_the_end_or_by_the_thousand(tmp_path: Path) -> None:
    async def course() -> None:
        journal = Journal(tmp_path / "j")
        for n in range(4500):
            journal.ledger.note(n, 0, "filter", 0, "text", Verdict("too_short"))
            if n % 100 == 0:
                await asyncio.sleep(0.001)
        await asyncio.sleep(0.2)
        assert journal.query("SELECT count(*) FROM verdicts")[0][0] >= 2000
        journal.close()
        journal = Journal(tmp_path / "j", read_only=True)
        assert journal.query("SELECT count(*) FROM verdicts") == [(4500,)]
        journal.close()

    within(course)


# --- copies -------------------------------------------------------------------------------------


def test_a_copy_takes_answers_over_at_no_cost(tmp_path: Path) -> None:
    async def course() -> None:
        journal = Journal(tmp_path / "j")
        journal.begin_generation(NewGeneration("d1", {"a": 1}, {"b": 2}, "0.1"))
        journal.begin_start("1.0", outcome="x")
        await put(journal, "p:0")
        await put(journal, "p:9")
        journal.ledger.keep(RECORD)
        journal.flush()
        journal.copy_to(tmp_path / "copy", NewGeneration("d2", {"a": 2}, {"b": 3}, "0.2"))
        journal.close()
        copy = Journal(tmp_path / "copy")
        assert copy.recall("p:9") is not None
        assert (copy.totals(), list(copy.records()), copy.meta("outcome")) == (Totals(), [], None)
        generations = copy.history.generations()
        assert [(g.number, g.first_question, g.digest) for g in generations] == [(1, 0, "d1"), (2, 10, "d2")]
        assert (await put(copy, "p:10")).generation == 2
        assert copy.recall("p:9").generation == 1
        assert copy.totals().requests == 1
        copy.close()

    within(course)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy", "j"], "nothing half made is left"


# --- files that can't be used -------------------------------------------------------------------


def test_a_file_that_is_no_journal(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_text("this is a text, and it is long enough to have a header " * 50)
    for read_only in (True, False):
        with pytest.raises(UsageError, match="is not a journal"):
            Journal(path, read_only=read_only)
    assert path.read_text().startswith("this is a text")


def test_no_file_and_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no journal here"):
        Journal(tmp_path / "j", read_only=True)
    (tmp_path / "j").touch()
    with pytest.raises(UsageError, match="never started"):
        Journal(tmp_path / "j", read_only=True)
    with pytest.raises(JournalDamaged, match=r"damaged \(it is empty\); nothing was changed\. Restore it") as found:
        Journal(tmp_path / "j")
    assert found.value.exit_code == 2
    assert not (tmp_path / "j").read_bytes()


def test_another_format(tmp_path: Path) -> None:
    Journal(tmp_path / "j").close()
    with sqlite3.connect(tmp_path / "j") as other:
        other.execute("PRAGMA user_version=99")
    with pytest.raises(UsageError, match=f"journal format 99, this program reads {FORMAT}"):
        Journal(tmp_path / "j")


def test_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "j"

    async def course() -> None:
        journal = Journal(path)
        await asyncio.gather(*(put(journal, f"p:{n}", Completion("x" * 3000)) for n in range(200)))
        journal.close()

    within(course)
    data = bytearray(path.read_bytes())
    data[8192:] = os.urandom(len(data) - 8192)
    path.write_bytes(data)
    with pytest.raises(StorageError, match="damaged") as caught:
        Journal(path).totals()
    assert caught.value.exit_code == 2


def test_a_torn_wal_loses_nothing_before_the_tear(tmp_path: Path) -> None:
    async def course() -> None:
        journal = Journal(tmp_path / "j")
        for n in range(30):
            await put(journal, f"p:{n}")
        for name in ("j", "j-wal"):
            shutil.copy(tmp_path / name, tmp_path / f"torn{name[1:]}")
        with (tmp_path / "torn-wal").open("r+b") as wal:
            wal.truncate(wal.seek(0, os.SEEK_END) - 1000)
        journal.close()
        torn = Journal(tmp_path / "torn")
        assert all(torn.recall(f"p:{n}") for n in range(29))
        await put(torn, "p:29")
        torn.close()

    within(course)


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    head = "import sys; sys.path[:0] = ['tests', 'tests/journal']\n"
    return subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(code), *arguments],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )


FULL = """
    import asyncio, resource, sys
    from pathlib import Path
    from selfinstruct.core.errors import StorageError
    from selfinstruct.journal.journal import Journal
    from selfinstruct.core.prompts import Completion
    from selfinstruct.core.tasks import Verdict
    from test_journal import put

    async def go():
        journal = Journal(Path(sys.argv[1]))
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        kept = 0
        async with asyncio.timeout(30):
            try:
                while True:
                    {step}
                    kept += 1
            except StorageError as error:
                print(kept, error.exit_code, error)
        try:
            journal.close()
        except StorageError:
            print("and at the end")

    asyncio.run(go())
"""


def test_a_full_disk_stops_with_one_line_and_a_later_start_goes_on(tmp_path: Path) -> None:
    step = 'await put(journal, f"p:{kept}", Completion("x" * 5000))'
    done = run_python(FULL.format(step=step), str(tmp_path / "j"))
    assert not done.stderr, done.stderr
    kept, code, said = done.stdout.splitlines()[0].split(maxsplit=2)
    assert (int(kept) > 5, code) == (True, "3")
    assert "then start again: nothing committed is lost" in said

    async def course() -> None:
        journal = Journal(tmp_path / "j")
        assert all(journal.recall(f"p:{n}") for n in range(int(kept)))
        assert journal.recall(f"p:{kept}") is None
        await put(journal, f"p:{kept}")
        journal.close()

    within(course)


def test_a_full_disk_stops_a_replay_that_only_notes(tmp_path: Path) -> None:
    step = 'journal.ledger.note(kept, 0, "filter", 0, "x" * 100, Verdict("r")); await asyncio.sleep(0)'
    done = run_python(FULL.format(step=step), str(tmp_path / "j"))
    assert not done.stderr, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split()[1] == "3"
    assert lines[1] == "and at the end"


@pytest.fixture
def read_only_folder() -> Iterator[Path]:
    """A folder that this process, root or not, can't write to once the fixture's journal is in it."""
    folder = Path(tempfile.mkdtemp())

    async def course() -> None:
        journal = Journal(folder / "j")
        await put(journal, "p:0")
        journal.close()

    within(course)
    (folder / "j").chmod(0o444)
    folder.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield folder
    os.seteuid(user)
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_folder_that_can_only_be_read(read_only_folder: Path) -> None:
    journal = Journal(read_only_folder / "j", read_only=True)
    assert journal.totals().requests == 1
    journal.close()
    for name in ("j", "new"):
        with pytest.raises(UsageError, match=r"can't be written .* make .*writable") as caught:
            Journal(read_only_folder / name)
        assert caught.value.exit_code == 2


def test_a_strategys_own_stops_may_be_a_list(tmp_path: Path) -> None:
    prompt = replace(PROMPT, sampling=Sampling(stop=["\n"]))  # type: ignore[arg-type]

    async def course() -> None:
        with contextlib.closing(Journal(tmp_path / "journal.sqlite")) as journal:
            await journal.commit("p:0", 0, prompt, Completion("Yes."), Receipt("", 1.5, 0.25))
            sent = journal.query("SELECT prompt FROM answers")[0][0]
            assert json.loads(sent)["sampling"] == {"stop": ["\n"]}
            assert journal.sent.read(sent) == ("chat", tuple((m.role, m.content) for m in prompt.messages))

    asyncio.run(course())


@given(st.text(st.characters(exclude_categories=())), st.floats(allow_nan=False, allow_infinity=False))
def test_a_prompts_digest_is_that_of_its_canonical_json(text: str, temperature: float) -> None:
    """It names answers in journals that are there already."""
    schema = {"title": text, "b": [1.5], "a": None}
    sampling = Sampling(temperature, None, 0.1, -2.0, 300, (text, "\n"))
    prompt = Prompt("classify", (Message("user", text), Message("assistant", "ü")), sampling, "chat", schema=schema)
    sent = ["classify", "chat", [["user", text], ["assistant", "ü"]]]
    sent += [[temperature, None, 0.1, -2.0, 300, [text, "\n"]], schema, None]
    whole = json.dumps(sent, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert prompt.digest() == hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:32]
