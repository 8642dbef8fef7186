"""What docs/inside/security.md promises: the key stays out of everything, hostile text stays text, no way out."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import os
import re
import sqlite3
import stat
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from typer.testing import CliRunner

from conftest import FULL, ROOT
from selfinstruct.cli.app import app
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import ConfigError, TeacherDown, TeacherRefused
from selfinstruct.core.prompts import Completion, Message, Prompt, Sampling
from selfinstruct.journal.folder import Run
from selfinstruct.teachers import build_teacher
from selfinstruct.teachers.egress import check_egress, in_clear, on_this_machine
from selfinstruct.teachers.fake.fake_server import FakeServer, serving
from selfinstruct.teachers.openai.options import OpenAIOptions
from selfinstruct.teachers.openai.teacher import OpenAITeacher

KEY = "sk-proj-RECOGNISABLE0123456789abcdefghij"
PART = b"RECOGNISABLE"
ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\x00\r"
PROMPT = Prompt("propose", (Message("user", "Go on."),), Sampling(max_tokens=50))


class Hostile(FakeServer):
    """A server that repeats the request's key, between terminal escapes, wherever it can; in turn, one place each."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._turn = 0

    def app(self) -> web.Application:
        served = super().app()
        served.middlewares.append(self._repeat_the_key)
        return served

    @web.middleware
    async def _repeat_the_key(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self._turn += 1
        said = f"{ESCAPES} {request.headers['authorization']} {ESCAPES}"
        good = await handler(request)
        match self._turn % 9:
            case 0:
                return web.json_response({"error": {"message": said, "code": said}}, status=400, reason="Bad")
            case 1:
                return web.Response(text="<html>" + " " * 1990 + said, content_type="text/html")
            case 2:
                return web.Response(text='{"choices": "' + said, content_type="application/json")
            case 3:
                return web.json_response({"choices": [], "error": said, "model": said})
            case 4:
                return web.json_response({"choices": [{"message": {"content": None, "refusal": said}}]})
            case 5:
                return web.json_response({"error": {"message": said}}, status=503, headers={"retry-after-ms": "1"})
            case _:  # a good answer, with the key in its text and in the model's name
                answer = json.loads(good.text) | {"model": said}
                message = answer["choices"][0]["message"]
                message["content"] = message["content"].replace("The ", f"The {said} ")
                return web.json_response(answer)


@contextlib.asynccontextmanager
async def answering(handler: Any) -> AsyncIterator[tuple[str, list[str]]]:
    """A server with one handler for everything: its base URL, and the lines of what came."""
    came: list[str] = []

    async def note(request: web.Request) -> web.StreamResponse:
        came.append(f"{request.method} {request.url} {request.headers.get('authorization', '')}")
        return await handler(request)

    served = web.Application()
    served.router.add_route("*", "/{anything:.*}", note)
    runner = web.AppRunner(served, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1", came
    finally:
        await runner.cleanup()


async def command(*arguments: str, shell: str = "") -> tuple[int, str]:
    """Run the command line as a process with the key in its environment: exit code and all that it printed."""
    whole = [sys.executable, "-m", "selfinstruct", *arguments]
    if shell:
        whole = ["bash", "-c", f'{shell}; exec "$@"', "-", *whole]
    process = await asyncio.create_subprocess_exec(
        *whole,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "SOME_KEY": KEY, "OPENAI_LOG": "debug"},
    )
    seen = b""
    assert process.stdout is not None
    while chunk := await process.stdout.read(65536):
        seen += chunk
        assert PART not in arguments_of(process.pid)
    return await process.wait(), seen.decode("utf-8", "backslashreplace")


def arguments_of(pid: int) -> bytes:
    """A process's arguments as every user of the machine can read them; nothing once it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def written(seed_file: Path, folder: Path, base_url: str, **changes: Any) -> str:
    teacher = {"kind": "openai", "model": "fake", "base_url": base_url, "api_key_env": "SOME_KEY", "max_retries": 1}
    values = {"seeds": str(seed_file), "run_dir": str(folder / "run"), "target": 30, "strategy": "self_instruct"}
    values |= {"teacher": teacher} | changes
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(values))
    return str(path)


def assert_no_key(folder: Path) -> None:
    """Neither in the bytes of any file, nor in what Parquet and SQLite pack away."""
    import pyarrow.parquet

    held = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert held
    for path, data in held.items():
        assert PART not in data, path
        if path.suffix == ".parquet":
            assert PART.decode() not in str(pyarrow.parquet.read_table(path).to_pylist())
        if path.suffix == ".sqlite":
            with contextlib.closing(sqlite3.connect(path)) as db:
                assert PART.decode() not in "".join(db.iterdump())


def assert_harmless(printed: str) -> None:
    assert [char for char in printed if not char.isprintable() and char not in "\n\t"] == []


# --- the key ------------------------------------------------------------------------------------

FAILURES: dict[str, dict[str, Any]] = {
    "it repeats the key everywhere": {},
    "it ends by failing": {"max_failures_in_a_row": 1},
    "the budget is spent": {"max_requests": 12},
    "the disk is full": {"target": 3000},
    "no such prompt file": {"prompts": "nonesuch.yaml"},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAILURES)
def test_the_key_is_in_no_file_no_output_and_no_argument(name: str, seed_file: Path, tmp_path: Path) -> None:
    async def course() -> None:
        async with serving(Hostile()) as base_url:
            config = written(seed_file, tmp_path, base_url, **FAILURES[name])
            full = "ulimit -f 150" if name == "the disk is full" else ""
            code, printed = await command("generate", config, "--debug", "--log-format", "json", shell=full)
            if "prompts" not in FAILURES[name]:
                for arguments in (("status", "--json"), ("status",))[: 2 if FULL else 1]:
                    said = (await command(*arguments, str(tmp_path / "run")))[1]
                    assert_harmless(said)
                    printed += said
        assert code in (0, 2, 3, 5), printed
        assert (code == 0) is (name == "it repeats the key everywhere"), printed
        assert PART.decode() not in printed
        assert_harmless(printed)

    asyncio.run(course())
    assert_no_key(tmp_path)
    for card in tmp_path.rglob("README.md"):
        text = card.read_text(encoding="utf-8")
        assert_harmless(text)
        assert "<html>" not in text
    if name == "it repeats the key everywhere":
        texts = [str(record.examples) for record in Run(tmp_path / "run").records()]
        assert any("Bearer [key]" in text for text in texts), "what the server repeats is kept, without the key"


def test_a_server_that_refuses_the_key_and_repeats_it(seed_file: Path, tmp_path: Path) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        said = f"{ESCAPES}no such key: {request.headers['authorization']}"
        return web.json_response({"error": {"message": said}}, status=401)

    async def course() -> None:
        async with answering(refuse) as (base_url, came):
            code, printed = await command("generate", written(seed_file, tmp_path, base_url), "--debug")
        assert (code, len(came)) == (5, 1)
        assert KEY in came[0], "the test is about a key that was sent"
        assert "no such key: Bearer [key]" in printed
        assert "Traceback" in printed, "--debug shows it"
        assert PART.decode() not in printed
        assert_harmless(printed)

    asyncio.run(course())
    assert_no_key(tmp_path)


# --- files --------------------------------------------------------------------------------------


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_runs_folder_is_its_owners_alone(make_config: Callable[..., RunConfig], tmp_path: Path) -> None:
    from selfinstruct.generate.start import run

    seen: dict[str, int] = {}

    def look(_: object) -> None:
        for path in (tmp_path / "run").glob("journal*"):
            seen[path.name] = mode(path)

    before = os.umask(0o022)
    try:
        done = run(make_config(), progress=look)
        forked = run(make_config(run_dir=str(tmp_path / "fork"), target=50), fork_of=done.path)
    finally:
        os.umask(before)
    assert seen.keys() >= {"journal.sqlite", "journal.sqlite-wal", "journal.sqlite-shm"}
    assert set(seen.values()) == {0o600}
    for opened in (done, forked):
        assert mode(opened.path) == 0o700
        assert mode(opened.path / "journal.sqlite") == 0o600
        assert mode(opened.dataset_path / "README.md") == 0o644, "what is meant to be given away is as usual"


def test_the_embedded_teachers_log_is_its_owners_alone(tmp_path: Path) -> None:
    from selfinstruct.teachers.local.llama_server import _spawn

    (tmp_path / "teacher.log").write_text("an earlier one")
    (tmp_path / "teacher.log").chmod(0o644)
    process = _spawn(["--nonsense"], tmp_path / "teacher.log")
    process.wait(60)
    assert mode(tmp_path / "teacher.log") == 0o600


# --- hostile bodies -----------------------------------------------------------------------------


def ask(base_url: str, **settings: Any) -> Any:
    config = OpenAIOptions(model="m", base_url=base_url, max_retries=0, timeout_s=5.0, api_key_env=None)

    async def once() -> Completion:
        async with asyncio.timeout(30), OpenAITeacher(config, api_key=KEY, **settings) as teacher:
            return await teacher.complete(PROMPT)

    return once()


def test_a_body_that_unpacks_to_a_gigabyte_is_given_up() -> None:
    bomb = gzip.compress(b'{"choices": "' + b"x" * 100_000_000)

    async def pack(request: web.Request) -> web.StreamResponse:
        return web.Response(body=bomb, content_type="application/json", headers={"content-encoding": "gzip"})

    async def course() -> None:
        async with answering(pack) as (base_url, _):
            completion = await ask(base_url)
        assert (completion.error, completion.failed) == ("too_large: more than 4.2 MB came back", True)

    asyncio.run(course())


@pytest.mark.parametrize(
    "noise", [b"\x00\xff\x16\x03\x01 no http\r\n\r\n", b"HTTP/1.1 2OO\r\n\r\n", b"SSH-2.0-x\r\n", b""]
)
def test_what_is_no_http_at_all_is_a_failure_not_a_defect(noise: bytes) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(noise)
        await writer.drain()
        writer.close()

    async def course() -> None:
        server = await asyncio.start_server(speak, "127.0.0.1", 0)
        async with server:
            completion = await ask(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        assert completion.error.startswith("connection: ")
        assert completion.failed

    asyncio.run(course())


def test_a_packed_answer_is_read() -> None:
    async def pack(request: web.Request) -> web.StreamResponse:
        response = web.json_response({"choices": [{"message": {"content": "Hello."}}]})
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async def course() -> None:
        async with answering(pack) as (base_url, _):
            assert (await ask(base_url)).text == "Hello."

    asyncio.run(course())


# --- ways out -----------------------------------------------------------------------------------

HERE = ["localhost", "LOCALHOST", "localhost.", "127.0.0.1", "127.8.9.10", "::1", "[::1]", "::ffff:127.0.0.1"]
ELSEWHERE = [
    "localhost.example.com", "127.0.0.1.example.com", "10.0.0.1", "0.0.0.0", "::", "example.com", "2130706433", "127.1",
    "0x7f.1", "192.168.0.1", "169.254.169.254", "::ffff:10.0.0.1", "",
]  # fmt: skip


@pytest.mark.parametrize("host", HERE)
def test_a_host_that_is_this_machine(host: str) -> None:
    assert on_this_machine(host)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_a_host_that_is_not_this_machine(host: str) -> None:
    assert not on_this_machine(host)


@pytest.mark.parametrize(
    ("egress", "address", "fits"),
    [
        ("any", "https://api.example.com/v1", True),
        ("local-only", "http://localhost:8000/v1", True),
        ("local-only", "http://[::1]:8000/v1", True),
        ("local-only", "https://api.example.com/v1", False),
        ("local-only", "http://127.0.0.1@api.example.com/v1", False),
        (("llm.intern",), "https://llm.intern/v1", True),
        (("LLM.intern.",), "https://llm.INTERN:8443/v1", True),
        (("llm.intern",), "https://llm.intern.example.com/v1", False),
        (("llm.intern",), "https://other.llm.intern/v1", False),
        (("10.0.0.5", "fd00::5"), "http://[fd00::5]/v1", True),
        (("llm.intern",), "http://127.0.0.1:1/v1", True),
    ],
)
def test_where_a_teacher_may_be(egress: Any, address: str, fits: bool) -> None:
    if fits:
        check_egress(egress, address)
    else:
        with pytest.raises(
            ConfigError, match=r"^egress: the teacher at [^\n]+ may not be asked; allowed: this machine"
        ):
            check_egress(egress, address)


@pytest.mark.parametrize("mode", ["live", "batch"])
@pytest.mark.parametrize("base_url", [None, "https://api.example.com/v1"])
def test_local_only_refuses_before_anything_is_asked(
    make_config: Callable[..., RunConfig],
    monkeypatch: pytest.MonkeyPatch,
    base_url: str | None,
    mode: str,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    teacher = {"kind": "openai", "base_url": base_url, "mode": mode}
    with pytest.raises(ConfigError, match=r"^egress: "):
        build_teacher(make_config(egress="local-only", teacher=teacher))
    build_teacher(make_config(teacher=teacher))
    config = written(tmp_path / "seeds.jsonl", tmp_path, "http://x/v1", teacher=teacher, egress="local-only")
    for name in ("check", "generate"):
        result = CliRunner().invoke(app, [name, config])
        assert (result.exit_code, "error: egress: the teacher at api." in result.stderr) == (2, True)
    assert not (tmp_path / "run").exists()


def test_the_address_in_the_environment_is_looked_at_too(
    make_config: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://gateway.example.com/v1")
    config = make_config(egress="local-only", teacher={"kind": "openai"})
    with pytest.raises(ConfigError, match=r"the teacher at gateway\.example\.com"):
        build_teacher(config)
    assert in_clear(config) == ["gateway.example.com"]
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    build_teacher(config)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_does_not_lead_out(status: int) -> None:
    async def fine(request: web.Request) -> web.StreamResponse:
        return web.json_response({"choices": [{"message": {"content": "Hello."}}]})

    async def course() -> None:
        async with answering(fine) as (elsewhere, came):

            async def onward(request: web.Request) -> web.StreamResponse:
                return web.Response(status=status, headers={"location": f"{elsewhere}/chat/completions"})

            async with answering(onward) as (base_url, _):
                with pytest.raises(
                    TeacherRefused, match=f"sends its requests on to {elsewhere[:-3]}; nothing was sent"
                ):
                    await ask(base_url)
        assert came == []

    asyncio.run(course())


def test_a_redirect_within_the_server_is_followed() -> None:
    async def onward(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/"):
            return web.json_response({"choices": [{"message": {"content": "Hello."}}]})
        return web.Response(status=308, headers={"location": request.path + "/"})

    async def course() -> None:
        async with answering(onward) as (base_url, came):
            for asked in (1, 2):
                assert (await ask(base_url)).text == "Hello."
                assert len(came) == 2 * asked, "once to each of the two places"

    asyncio.run(course())


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_no_proxy_of_the_environment_carries_it_out(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    for name in ("NO_PROXY", "no_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)

    async def fine(request: web.Request) -> web.StreamResponse:
        return web.json_response({"choices": [{"message": {"content": "Hello."}}]})

    async def course() -> None:
        async with answering(fine) as (proxy, came), answering(fine) as (base_url, asked):
            monkeypatch.setenv(variable, proxy.removesuffix("/v1"))
            assert (await ask(base_url)).text == "Hello."
            assert (len(asked), came) == (1, []), "this machine is never asked through a proxy"
            far = "http://teacher.invalid/v1"
            with pytest.raises(TeacherDown, match=r"teacher\.invalid"):
                await ask(far, direct=True)
            assert came == [], "with egress set nothing goes through a proxy"
            assert (await ask(far)).text == "Hello."
            assert len(came) == 1, "without it the environment's proxy is used, as usual"

    asyncio.run(course())


def test_weights_are_not_fetched_when_nothing_may_leave(
    make_config: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SELFINSTRUCT_CACHE", str(tmp_path / "cache"))

    async def enter() -> None:
        async with build_teacher(make_config(egress="local-only", teacher={"kind": "local", "model": "smollm2-135m"})):
            pass

    with pytest.raises(TeacherRefused, match="egress: the weights of smollm2-135m are not in the cache"):
        asyncio.run(enter())
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("egress", ["local", "LOCAL-ONLY", [], [""], [1], True, "llm.intern"])
def test_an_egress_that_cannot_be(make_config: Callable[..., RunConfig], egress: Any) -> None:
    with pytest.raises(ConfigError, match="egress"):
        make_config(egress=egress)


@pytest.mark.parametrize(
    ("base_url", "warns"),
    [
        ("http://198.51.100.7/v1", True),
        ("http://localhost.example.com/v1", True),
        ("https://198.51.100.7/v1", False),
        ("http://127.0.0.1:9/v1", False),
        ("http://localhost:9/v1", False),
    ],
)
def test_prompts_in_clear_are_warned_of_once(seed_file: Path, tmp_path: Path, base_url: str, warns: bool) -> None:
    teacher = {"kind": "openai", "base_url": base_url, "api_key_env": None, "max_retries": 0, "timeout_s": 0.2}
    config = written(seed_file, tmp_path, "", teacher=teacher, max_failures_in_a_row=1)
    for name in ("check", "generate"):
        said = CliRunner().invoke(app, [name, config]).stderr
        assert len(re.findall(r"^selfinstruct: warning: \S+ is asked over http", said, re.MULTILINE)) == warns


# --- files that want to run code ----------------------------------------------------------------


def test_yaml_that_wants_to_run_code_does_not(seed_file: Path, tmp_path: Path) -> None:
    code = f"!!python/object/apply:os.system ['touch {tmp_path}/owned']"
    config = tmp_path / "config.yaml"
    config.write_text(f"seeds: {seed_file}\nrun_dir: {tmp_path}/run\ntitle: {code}\n")
    prompts = tmp_path / "prompts.yaml"
    prompts.write_text(f"propose: {code}\n")
    assert CliRunner().invoke(app, ["check", str(config)]).exit_code == 2
    own = f"strategy: {{kind: alpaca, prompts: {prompts}}}\n"
    config.write_text(f"seeds: {seed_file}\nrun_dir: {tmp_path}/run\n{own}teacher: {{kind: fake}}\n")
    assert CliRunner().invoke(app, ["check", str(config)]).exit_code == 2
    result = CliRunner().invoke(app, ["check", str(config), "--set", f"dataset.title={code}"])
    assert result.exit_code == 2
    assert not (tmp_path / "owned").exists()
