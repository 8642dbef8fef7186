"""`dataset.select` by meaning: a server gives each instruction a vector, which the journal keeps for the selection."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forked import start_python
from hypothesis import given, strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

import selfinstruct as si
from conftest import ROOT, Loopback, cli
from selfinstruct.config.sections import SelectConfig
from selfinstruct.core.embeddings import vector_in, written_vector
from selfinstruct.core.errors import ConfigError, TeacherDown, TeacherRefused
from selfinstruct.dataset.select import select
from selfinstruct.journal.folder import Run, status
from selfinstruct.journal.snapshot import read
from selfinstruct.teachers.fake.fake_server import request_name
from selfinstruct.teachers.fake.teacher import count_tokens, fake_vector
from selfinstruct.worth.arms import arms_of

MakeConfig = Callable[..., si.RunConfig]
Body = Callable[[str], object]


class Embedder:
    """A server on loopback that answers POST /v1/embeddings with what `answer` returns: a vector, or a Response."""

    def __init__(self, server: HTTPServer) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: Body = fake_vector
        self.url = server.url_for("/v1")
        server.expect_request("/v1/embeddings").respond_with_handler(self._handle)

    @property
    def texts(self) -> list[str]:
        return [body["input"] for body in self.asked]

    def _handle(self, request: Request) -> Response:
        self.asked.append(request.get_json())
        given = self.answer(self.asked[-1]["input"])
        if isinstance(given, Response):
            return given
        used = count_tokens(self.asked[-1]["input"])
        usage = {"prompt_tokens": used, "total_tokens": used}
        body = {"object": "list", "data": [{"index": 0, "embedding": given}], "model": "vec-1", "usage": usage}
        return Response(json.dumps(body), content_type="application/json")


@pytest.fixture
def embedder(httpserver: HTTPServer) -> Embedder:
    return Embedder(httpserver)


def spread_at(url: str, count: int = 4, **changes: Any) -> dict[str, Any]:
    """Return the section `dataset` with a selection by the vectors of the server at `url`."""
    model = {"model": "vec", "base_url": url, "api_key_env": None, "max_retries": 0} | changes
    return {"select": {"count": count, "by": "spread", "embeddings": model}}


def instructions(run: Run) -> list[str]:
    with read(run) as snapshot:
        return [record.instruction for record in snapshot.records]


def selected(run: Run, *sets: str) -> list[str]:
    """Return the ids of the rows that an export writes."""
    output = run.path.parent / f"{len(list(run.path.parent.glob('*.jsonl')))}-out.jsonl"
    done = cli("export", run.path, *(part for each in sets for part in ("--set", each)), "--output", output)
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["id"] for line in output.read_text().splitlines()]


def farthest_first(vectors: Sequence[Sequence[float]], count: int) -> list[int]:
    """The definition, as slow as it is plain."""
    units = [np.array(vector, float) / np.linalg.norm(vector) for vector in vectors]
    chosen = [0]
    while len(chosen) < count:
        rest = [at for at in range(len(units)) if at not in chosen]
        chosen.append(min(rest, key=lambda at: (round(max(float(units[at] @ units[c]) for c in chosen), 9), at)))
    return sorted(chosen)


# --- vectors -------------------------------------------------------------------------------------------


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=9))
def test_a_vector_is_read_as_it_was_written(values: list[float]) -> None:
    text = written_vector(values)
    assert base64.b64decode(text) == struct.pack(f"<{len(values)}f", *values)
    vector = vector_in(text)
    assert (vector is None) == (not any(values))
    assert vector is None or vector.tolist() == values


@given(st.text())
def test_any_other_text_is_no_vector_and_no_error(text: str) -> None:
    vector = vector_in(text)
    assert vector is None or written_vector(vector) == text


@pytest.mark.parametrize("values", [[float("nan"), 1.0], [float("inf")], [0.0, 0.0], []])
def test_a_vector_without_a_direction_is_none(values: list[float]) -> None:
    assert vector_in(written_vector(values)) is None


# --- a run ---------------------------------------------------------------------------------------------


def test_spread_is_farthest_first_by_the_cosine_of_the_servers_vectors(
    make_config: MakeConfig, embedder: Embedder
) -> None:
    embedder.answer = lambda text: [len(text), text.count("e"), text.count("the") - 1, -text.count("n")]
    made = si.run(make_config(target=20, dataset=spread_at(embedder.url, 6)), progress=None)
    texts = instructions(made)
    assert len(texts) == 20
    assert set(texts) <= set(embedder.texts)
    assert len(embedder.texts) == len(set(embedder.texts)) <= 24
    assert {tuple(body) for body in embedder.asked} == {("model", "input", "encoding_format")}
    with read(made) as snapshot:
        ids = [record.id for record in snapshot.records]
        config = snapshot.run.config
        kept = select(snapshot.records, config.dataset.select, config.random_seed, snapshot.journal.recall)
    expected = farthest_first([embedder.answer(text) for text in texts], 6)  # type: ignore[misc]
    assert [ids.index(record.id) for record in kept] == expected
    assert selected(made) == [record.id for record in kept]
    assert len(si.to_dataset(made)) == 6
    spread, *baselines = arms_of([made.path])
    asked_for = [each["instruction"].partition("\n\n")[0] for each in spread.contents]
    assert asked_for == [record.instruction for record in kept]
    assert [arm.name for arm in baselines] == [f"{made.path} (random)", f"{made.path} (longest)"]

    # Tokens as the server states them; nothing was generated, and nothing is assumed.
    asked = made.status().by_purpose["embed"]
    assert (asked["requests"], asked["completion_tokens"]) == (len(embedder.asked), 0)
    assert asked["prompt_tokens"] == sum(map(count_tokens, embedder.texts))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_rehearsal_selects_and_every_later_export_gives_the_same_rows(
    language: str, make_config: MakeConfig, tmp_path: Path
) -> None:
    select = {"count": 5, "by": "spread", "embeddings": {"kind": "fake", "model": "vec"}}
    seeds = str(ROOT / "seeds" / f"{language}.jsonl")
    config = make_config(target=25, seeds=seeds, language=language, dataset={"select": select})
    made = si.run(config, progress=None)
    rows, requests = selected(made), made.status().requests
    assert len(rows) == 5
    assert selected(made) == rows
    again = si.run(config.model_copy(update={"concurrency": 1}), progress=None)  # a replay
    assert (again.status().requests, selected(again)) == (requests, rows)
    texts = instructions(made)
    vectors = [[float(number) for number in vector_in(fake_vector(text))] for text in texts]  # type: ignore[union-attr]
    with read(made) as snapshot:
        assert [record.id in rows for record in snapshot.records] == [
            at in farthest_first(vectors, 5) for at in range(25)
        ]

    # A refilter inherits the vectors, and asks for none; the next start asks for those of its new records.
    other = si.refilter(made.path, tmp_path / "other", ["max_similarity=0.6"])
    with read(other) as snapshot:
        new = sum(record.instruction not in texts for record in snapshot.records)
    assert other.status().requests == 0
    assert other.dataset_path.exists() == (not new)
    other = si.run(other.config, progress=None)
    assert new <= other.status().by_purpose["embed"]["requests"] < 25
    assert len(si.to_dataset(other)) == 5


def test_a_finished_run_asks_for_the_missing_vectors_only(make_config: MakeConfig, embedder: Embedder) -> None:
    made = si.run(make_config(target=12), progress=None)
    before, texts = made.status(), instructions(made)
    config = make_config(target=12, dataset=spread_at(embedder.url))
    after = si.run(config, progress=None).status()
    assert sorted(embedder.texts) == sorted(texts)
    assert after.requests == before.requests + 12
    assert after.records == before.records == 12
    assert after.by_purpose["propose"] == before.by_purpose["propose"]
    assert si.run(config, progress=None).idle
    assert len(embedder.asked) == 12

    # More records need more vectors, and no vector twice.
    si.run(make_config(target=15, dataset=spread_at(embedder.url)), progress=None)
    assert len(embedder.texts) == len(set(embedder.texts)) >= 15


def test_export_selects_by_either_map_and_says_which_vectors_are_missing(
    make_config: MakeConfig, embedder: Embedder, tmp_path: Path
) -> None:
    made = si.run(make_config(target=12, dataset=spread_at(embedder.url)), progress=None)
    by_meaning, asked = selected(made), len(embedder.asked)
    by_rouge = selected(made, "dataset.select={count: 4, by: spread}")
    assert len(by_rouge) == 4
    plain = si.run(make_config(target=12, run_dir=str(tmp_path / "plain")), progress=None)
    sets = "dataset.select={count: 4, by: spread, embeddings: {model: vec}}"
    assert selected(made, sets) == by_meaning
    done = cli("export", plain.path, "--set", sets, "--output", tmp_path / "x.jsonl")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "dataset.select.embeddings: vec: 12 of 12 records have no vector yet; put this setting into" in done.stderr
    assert selected(plain, "dataset.select={count: 12, by: spread, embeddings: {model: vec}}")  # nothing to select
    assert len(embedder.asked) == asked


def test_what_is_printed_of_a_run_has_no_vector(make_config: MakeConfig, embedder: Embedder, tmp_path: Path) -> None:
    made = si.run(make_config(target=12, dataset=spread_at(embedder.url, license="cc-by-nc-4.0")), progress=None)
    card = (made.dataset_path / "README.md").read_text()
    assert "| selection | 4 of the run's 12 records, by `spread` of the embeddings of `vec` |" in card
    assert "outputs of vec" not in card  # no row has anything of it
    assert "| embed | embeddings |" not in card  # it has no decoding parameters
    printed = card + cli("status", made.path).stdout + si.write_report(made.path).read_text()
    printed += cli("explain", made.path, made.records()[0].id, "--full").stdout
    assert not any(fake_vector(text)[:40] in printed for text in instructions(made))
    assert "for embed" in cli("status", made.path).stdout


# --- caps, kills, and servers that fail ---------------------------------------------------------------


@pytest.mark.parametrize("cap", [{"max_requests": 9}, {"max_tokens": 5000}, {"max_cost_usd": 0.0026}])
def test_a_cap_ends_the_run_while_it_asks_for_vectors(
    cap: dict[str, Any], make_config: MakeConfig, embedder: Embedder, caplog: pytest.LogCaptureFixture
) -> None:
    asked_before = si.run(make_config(target=12), progress=None).status()
    rows = si.to_dataset(asked_before and Run(make_config().run_dir))["id"]
    priced = spread_at(embedder.url, input_usd_per_mtok=10.0, output_usd_per_mtok=0.0)
    if "max_tokens" in cap:
        cap = {"max_tokens": asked_before.prompt_tokens + asked_before.completion_tokens + 260}
    ended = si.run(make_config(target=12, dataset=priced, **cap), progress=None)
    assert (ended.outcome.reason, ended.outcome.exit_code) == ("budget", 3)
    assert 0 < len(embedder.asked) < 12
    assert "the dataset isn't written" in caplog.text
    assert "records have no vector yet" in caplog.text
    assert ended.status().records == 12
    assert (ended.dataset_path / "README.md").exists()  # the earlier one, with all rows
    assert len(rows) == 12
    assert ended.status().cost_usd == pytest.approx(1e-5 * sum(map(count_tokens, embedder.texts)))
    done = si.run(make_config(target=12, dataset=priced), progress=None)
    assert len(embedder.texts) == len(set(embedder.texts)) == 12
    assert len(si.to_dataset(done)) == 4


def test_a_cap_in_dollars_needs_the_price_of_the_model(make_config: MakeConfig, embedder: Embedder) -> None:
    with pytest.raises(
        ConfigError, match=r"max_cost_usd: the price of 'vec' at .* is unknown; set dataset.select.embeddings.input_usd"
    ):
        si.check(make_config(max_cost_usd=1.0, dataset=spread_at(embedder.url)))


def test_sigkill_while_vectors_are_asked_for_and_resume(
    make_config: MakeConfig, loopback: Callable[..., Loopback], tmp_path: Path, seed_file: Path
) -> None:
    server, quick = loopback(latency_s=0.05), loopback()
    made = si.run(make_config(target=60), progress=None)
    path = tmp_path / "config.yaml"

    def write(url: str) -> None:
        values = {"seeds": str(seed_file), "run_dir": str(made.path), "target": 60, "concurrency": 4, "lookahead": 16}
        path.write_text(json.dumps(values | {"teacher": {"kind": "fake", "model": "fake"}, "dataset": spread_at(url)}))

    write(server.base_url)
    process = start_python("-m", "selfinstruct", "generate", path, stdout=-3, stderr=-3)
    while len(server.events("answered")) < 10 and process.poll() is None:
        pass
    process.kill()
    process.wait()
    texts = {request_name(text): text for text in instructions(made)}
    with read(made) as snapshot:
        found = snapshot.journal.query("SELECT prompt FROM answers WHERE key LIKE 'e:vec:%'")
        kept = {request_name(snapshot.journal.sent.read(prompt)[1][0][1]) for (prompt,) in found}
    assert 6 <= len(kept) < 60

    # The same run at another address: the address says nothing about the vectors.
    write(quick.base_url)
    done = cli("generate", path)
    assert done.returncode == 0, done.stderr
    assert set(quick.events("asked")) == texts.keys() - kept
    assert len(quick.events("asked")) == 60 - len(kept)
    unbroken = make_config(target=60, run_dir=str(tmp_path / "other"), dataset=spread_at(quick.base_url))
    rows, other = si.to_dataset(Run(made.path))["messages"], si.to_dataset(si.run(unbroken, progress=None))["messages"]
    assert rows == other


def answering(*answers: object) -> Body:
    """Answer each text with one of these, the last one for all others."""
    rest: Iterator[object] = iter(answers[:-1])
    return lambda text: next(rest, answers[-1])


GOOD = written_vector([1.0, 2.0])


def test_the_error_says_why_no_request_gave_a_vector(make_config: MakeConfig, embedder: Embedder) -> None:
    embedder.answer = lambda text: [0.0]
    with pytest.raises(ConfigError, match="every request failed, the last one with broken_answer: it has no vector;"):
        si.run(make_config(target=3, dataset=spread_at(embedder.url, 2)), progress=None)


@pytest.mark.parametrize(
    "bad",
    ["AAAA", "no base64!", "", None, 7, [], ["x"], [[1.0]] * 2, {"a": 1}, [1e300, 1.0], [0, 0], "AADAfwAAgD8="],
    ids=str,
)
def test_records_whose_vector_is_malformed_come_last(
    bad: object, make_config: MakeConfig, embedder: Embedder, caplog: pytest.LogCaptureFixture
) -> None:
    embedder.answer = answering(bad, bad, GOOD)
    config = make_config(target=12, concurrency=1, lookahead=1, dataset=spread_at(embedder.url))
    made = si.run(config, progress=None)
    assert f"{len(selected(made))} of 4" == "4 of 4"
    assert "dataset.select.embeddings: vec: 2 records without a vector come last" in caplog.text
    with read(made) as snapshot:
        assert len(rest := [record for record in snapshot.records if record.id not in selected(made)]) == 8
        assert {record.instruction for record in rest} >= set(embedder.texts[:2])
    assert si.run(config, progress=None).idle


def test_a_server_that_gives_no_vectors_ends_the_run(make_config: MakeConfig, embedder: Embedder) -> None:
    embedder.answer = answering("AAAA")
    config = make_config(target=12, dataset=spread_at(embedder.url), max_failures_in_a_row=3)
    si.run(make_config(target=12), progress=None)
    with pytest.raises(TeacherDown, match="3 questions in a row got no answer; the last error: broken_answer"):
        si.run(config, progress=None)
    assert Run(config.run_dir).status().records == 12
    embedder.answer = fake_vector
    assert len(si.to_dataset(si.run(config, progress=None))) == 4  # those that failed were forgotten


def test_vectors_of_two_lengths_are_an_error_that_another_name_resolves(
    make_config: MakeConfig, embedder: Embedder
) -> None:
    embedder.answer = answering(GOOD, GOOD, written_vector([1.0, 2.0, 3.0]))
    with pytest.raises(ConfigError, match=r"embeddings: vec: .*2 to 3 numbers; check the server, and set another name"):
        si.run(make_config(target=12, dataset=spread_at(embedder.url)), progress=None)
    embedder.answer = fake_vector
    made = si.run(make_config(target=12, dataset=spread_at(embedder.url, name="vec-b")), progress=None)
    assert len(si.to_dataset(made)) == 4


def test_a_server_without_base64_is_asked_without_it(make_config: MakeConfig, embedder: Embedder) -> None:
    said = {"error": {"message": "Unsupported parameter: encoding_format"}}
    vectors = {True: lambda text: Response(json.dumps(said), 400, content_type="application/json")}

    def answer(text: str) -> object:
        return vectors.get("encoding_format" in embedder.asked[-1], lambda text: [len(text), 1.5])(text)

    embedder.answer = answer
    made = si.run(make_config(target=12, dataset=spread_at(embedder.url)), progress=None)
    assert len(si.to_dataset(made)) == 4
    assert "encoding_format" not in embedder.asked[-1]


def test_429s_are_waited_out_and_a_wrong_key_ends_the_run(
    make_config: MakeConfig, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Response("{}", 429, {"retry-after": "0"}, content_type="application/json")
    embedder.answer = lambda text: slow if len(embedder.asked) in (2, 3) else fake_vector(text)
    config = make_config(target=12, dataset=spread_at(embedder.url, max_retries=2))
    assert len(si.to_dataset(si.run(config, progress=None))) == 4
    assert len(embedder.asked) > len(set(embedder.texts)) >= 12

    embedder.answer = lambda text: Response('{"error": "bad key"}', 401, content_type="application/json")
    monkeypatch.setenv("EMBED_KEY", "sk-embed-0123456789abcdef")
    wrong = spread_at(embedder.url, name="other", api_key_env="EMBED_KEY")
    with pytest.raises(TeacherRefused, match=r"401 .*EMBED_KEY"):
        si.run(make_config(target=12, dataset=wrong), progress=None)
    assert status(make_config().run_dir).records == 12


# --- configuration ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{count: 3, by: random, embeddings: {model: vec}}", "is for by: spread; remove this key, or change by"),
        ("{count: 3, by: spread, embeddings: {}}", "embeddings.model: is required"),
        (
            "{count: 3, by: spread, embeddings: {kind: local, model: vec}}",
            "embeddings.kind: embeddings come from a server",
        ),
        ("{count: 3, by: spread, embeddings: {model: vec, roles: [answer]}}", "embeddings.roles: is for teachers"),
        ("{count: 3, by: spread, embeddings: {model: vec, endpoint: chat}}", "embeddings.endpoint: is for teachers"),
        ("{count: 3, by: spread, embeddings: {model: fake}}", "a teacher is called 'fake', too; set another name"),
        ("{count: 3, by: spread, embeddings: {modl: vec}}", "dataset.select.embeddings.modl: unknown key"),
        ("{count: 3, by: spread, embeddings: {kind: nope}}", "'nope' is unknown"),
    ],
)
def test_a_wrong_model_of_embeddings_is_one_line(given: str, said: str, make_config: MakeConfig) -> None:
    made = si.run(make_config(target=3), progress=None)
    done = cli("export", made.path, "--set", f"dataset.select={given}", "--overwrite")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert said in done.stderr


def test_check_knows_the_model_its_cost_and_where_it_is(make_config: MakeConfig) -> None:
    select = spread_at("http://embed.example/v1", input_usd_per_mtok=1000.0, output_usd_per_mtok=0.0)
    expected = si.check(make_config(target=30, dataset=select))
    (share,) = (each for each in expected.estimate.shares if each.purpose == "embed")
    assert (share.requests, share.usage.completion_tokens) == (30, 0)
    assert share.cost_usd == pytest.approx(share.usage.prompt_tokens / 1000)
    assert expected.rows["embeddings vec"] == "openai: vec"
    assert any("embed.example is asked over http" in note for note in expected.notes)
    few = si.check(make_config(target=3, dataset=select))
    assert all(each.purpose != "embed" for each in few.estimate.shares)
    with pytest.raises(ConfigError, match=r"egress: .*embed\.example may not be asked"):
        si.check(make_config(egress="local-only", dataset=select))
    paid = {"select": {"count": 4, "by": "spread", "embeddings": {"model": "text-embedding-3-small"}}}
    assert any("$OPENAI_API_KEY is not set" in note for note in si.check(make_config(dataset=paid)).notes)


def test_a_teacher_of_the_callers_does_not_give_vectors(make_config: MakeConfig, embedder: Embedder) -> None:
    class Mine(si.FakeTeacher):
        async def complete(self, prompt: si.Prompt) -> si.Completion:
            assert prompt.purpose != "embed"
            return await super().complete(prompt)

    made = si.run(make_config(target=12, dataset=spread_at(embedder.url)), teacher=Mine(), progress=None)
    assert len(si.to_dataset(made)) == 4
    assert len(embedder.asked) >= 12


def test_without_the_answers_of_a_journal_vectors_are_missing(make_config: MakeConfig) -> None:
    made = si.run(make_config(target=6), progress=None)
    chosen = SelectConfig.model_validate({"count": 3, "by": "spread", "embeddings": {"model": "vec"}})
    with read(made) as snapshot, pytest.raises(ConfigError, match="6 of 6 records have no vector yet"):
        select(snapshot.records, chosen, 0)
