"""`serve`: a run in progress, looked at over real HTTP and in real Chromium; read-only, and only by those who may."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from forked import start_python
from test_report import Scripted
from test_report_browser import CUT_OFF

import selfinstruct as si
from conftest import Loopback, cli
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.counted import dollars
from selfinstruct.core.errors import UsageError
from selfinstruct.report.live import check_place

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--no-first-run", "--disable-sync",
]  # fmt: skip
TOKEN = "a-token-that-nobody-guesses"
MakeConfig = Callable[..., RunConfig]


@contextlib.contextmanager
def served(run: Path, *options: str) -> Iterator[str]:
    """The command `serve`; yields the address that it prints."""
    command = ("-m", "selfinstruct", "serve", run, *options)
    process = start_python(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://"), process.stderr and process.stderr.read()
        yield address
    finally:
        process.terminate()
        process.wait(20)


def get(url: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), dict(error.headers)


@pytest.fixture
def finished(make_config: MakeConfig) -> si.Run:
    return si.run(make_config(target=12, max_similarity=0.6), export=False)


def test_the_figures_are_those_of_status(finished: si.Run) -> None:
    with served(finished.path) as address:
        code, text, headers = get(address + "live.json")
        assert (code, headers["Cache-Control"], headers["X-Frame-Options"]) == (200, "no-store", "DENY")
        live, now = json.loads(text), finished.status()
        assert (live["records"], live["target"], live["running"]) == (12, 12, False)
        assert (live["admitted"], live["proposed"], live["requests"]) == (now.admitted, now.proposed, now.requests)
        assert dict(live["reasons"]) == now.refused
        assert live["in_flight"] == 0
        assert (live["minutes_left"], live["cost"]) == (0, dollars(now.cost_usd))
        outputs = {each.output for record in finished.records() for each in record.examples}
        assert dict(live["last_admitted"][0]["texts"])["Output"] in outputs
        assert live["last_refused"][0]["reason"] in now.refused
        assert all(re.fullmatch(r"q\d+\.\d+", task["id"]) for task in live["last_admitted"])
        code, page, _ = get(address)
        assert code == 200
        assert "connect-src 'self'" in page
        assert get(address + "report")[1].count("<h2") > 5


def test_it_changes_nothing_and_knows_no_other_address(finished: si.Run) -> None:
    before = {path: path.read_bytes() for path in finished.path.rglob("*.sqlite")}
    with served(finished.path) as address:
        assert [get(address + path)[0] for path in ("../../etc/passwd", "journal.sqlite", "live.json/x")] == [404] * 3
        place = urlsplit(address)
        for method in ("POST", "PUT", "DELETE"):
            connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)
            connection.request(method, "/live.json", body=b"{}")
            assert connection.getresponse().status == 405
            connection.close()
    assert {path: path.read_bytes() for path in finished.path.rglob("*.sqlite")} == before


def test_a_page_elsewhere_can_not_read_it_under_a_name_of_its_own(finished: si.Run) -> None:
    with served(finished.path) as address:
        assert get(address + "live.json", Host="evil.example")[0] == 403
        assert get(address + "live.json", Host="evil.example:80")[0] == 403
        for host in ("localhost", "127.0.0.1:8080", "[::1]:99"):
            assert get(address + "live.json", Host=host)[0] == 200
        assert "Access-Control-Allow-Origin" not in get(address + "live.json", Origin="http://evil.example")[2]


NOISE = [
    b"GET /live.json HTTP/1.1\r\nHost: localhost\r\nCookie: selfinstruct_token=\xff\xfe\r\n\r\n",
    b"GET /live.json HTTP/1.1\r\nHost: localhost\r\nCookie: \xff=\xfe; a=\x80\r\n\r\n",
    b"GET /?token=\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /?token=%ff%00%ed%a0%80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /live.json HTTP/1.1\r\nHost: \xff\xff:80\r\n\r\n",
    b"GET /live.json HTTP/1.1\r\nHost: [::1\r\n\r\n",
    b"GET /live.json HTTP/1.1\r\nHost: localhost:" + b"9" * 5000 + b"\r\n\r\n",
    b"GET /live.json HTTP/1.1\r\nHost: localhost:\xc2\xb2\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /%ff/..%2f%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET //[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /live.json HTTP/1.1\r\nHost: localhost\r\nX: \xff\r\nAuthorization: \xfe\r\nRange: bytes=\xff\r\n\r\n",
    b"GET /live.json HTTP/1.1\r\nHost: localhost\r\nIf-Modified-Since: \xff\r\nAccept-Encoding: \xff\r\n\r\n",
    b"\xff\xfe /live.json HTTP/1.1\r\n\r\n",
    b"GET /live.json HTTP/1.1\r\n\r\n",
]


@pytest.mark.slow
@pytest.mark.parametrize("token", [None, TOKEN])
def test_no_request_is_a_defect(finished: si.Run, token: str | None) -> None:
    with served(finished.path, *(["--token", token] if token else [])) as address:
        place = urlsplit(address)
        assert place.hostname is not None
        for request in NOISE:
            with socket.create_connection((place.hostname, place.port or 0), timeout=30) as connection:
                connection.sendall(request)
                status = connection.makefile("rb").readline().split()
            assert status[1] in (b"200", b"400", b"403", b"404"), (request, status)
            if token:
                assert status[1] != b"200"
        assert get(address)[0] == 200


def test_with_a_token_only_who_brings_it_reads(finished: si.Run) -> None:
    with served(finished.path, "--host", "0.0.0.0", "--token", TOKEN) as address:
        bare = address.partition("?")[0].replace("0.0.0.0", "127.0.0.1")
        assert address.endswith(f"?token={TOKEN}")
        for url in (bare, bare + "live.json", bare + "report", bare + "?token=another-token-of-some-length"):
            code, text, headers = get(url)
            assert (code, "Set-Cookie" in headers) == (403, False)
            assert TOKEN not in text
        code, _, headers = get(f"{bare}?token={TOKEN}")
        cookie = headers["Set-Cookie"]
        assert code == 200
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert get(bare + "live.json", Cookie=cookie.partition(";")[0])[0] == 200


@pytest.mark.parametrize(
    ("host", "token"), [("0.0.0.0", None), ("192.168.1.5", None), ("::", None), ("127.0.0.1", "short")]
)
def test_a_place_that_others_could_read_needs_a_token_worth_the_name(host: str, token: str | None) -> None:
    with pytest.raises(UsageError, match="--token"):
        check_place(host, token)


def test_mistakes_are_one_line(finished: si.Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for options, said in ((["--host", "0.0.0.0"], "set a --token"), (["--port", port], "address already in use")):
            done = cli("serve", finished.path, *options)
            assert (done.returncode, done.stdout) == (2, "")
            assert len(done.stderr.strip().splitlines()) == 1
            assert said in done.stderr


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    done = cli("serve", tmp_path)
    assert done.returncode == 2
    assert "not a run's folder" in done.stderr


# --- in Chromium ----------------------------------------------------------------------------------

browser_needed = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (apt-get install chromium)")


@contextlib.contextmanager
def chromium(address: str) -> Iterator[tuple[Any, list[str]]]:
    """The page at `address`, and what it said or asked for elsewhere."""
    from playwright.sync_api import sync_playwright

    said: list[str] = []
    home = address.partition("?")[0]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: None if request.url.startswith(home) else said.append(request.url))
        page.goto(address)
        yield page, said
        browser.close()


def _records_above(page: Any, count: int) -> int:
    """The figure on the page, once it is above `count` (`wait_for_function` is against the page's policy)."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        shown = page.inner_text("#records").replace(",", "")
        if shown.isdigit() and int(shown) > count:
            return int(shown)
        page.wait_for_timeout(100)
    raise AssertionError(f"never more than {count} records")


@pytest.mark.browser
@browser_needed
def test_a_run_in_progress_is_seen_to_grow(make_config: MakeConfig, loopback: Callable[..., Loopback]) -> None:
    server = loopback(latency_s=0.4)
    teacher = {"kind": "openai", "model": "fake", "base_url": server.base_url, "api_key_env": None}
    config = make_config(target=400, teacher=teacher, concurrency=2, lookahead=4)
    program = "import sys, selfinstruct as si; si.run(si.RunConfig.parse(__import__('json').loads(sys.argv[1])))"
    command = ("-c", program, config.model_dump_json())
    run = start_python(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = Path(config.run_dir) / "journal.sqlite"
    try:
        deadline = time.monotonic() + 60
        while not journal.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        with served(Path(config.run_dir)) as address, chromium(address) as (page, said):
            first = _records_above(page, 0)
            assert _records_above(page, first) > first
            assert "running" in page.inner_text("#state")
            assert page.inner_text("#in-flight") in ("1", "2")
            assert page.inner_text("#share").endswith("%")
            assert re.fullmatch(r"[\d.]+ (s|min|h)", page.inner_text("#left"))
            assert len(page.get_attribute("#curve polyline", "points").split()) >= 5
            # A task opens on a click, and stays open and in the page although others come.
            page.locator("#admitted details:has(.text) summary").first.click()
            task = page.locator("#admitted details[open]")
            id, output = task.locator(".id").inner_text(), task.locator(".text").last.inner_text()
            assert "Output" in task.locator("h4").all_inner_texts()
            _records_above(page, first + 20)
            assert (task.locator(".id").inner_text(), task.locator(".text").last.inner_text()) == (id, output)
            assert output in {each.output for record in si.Run(config.run_dir).records() for each in record.examples}
            page.set_viewport_size({"width": 390, "height": 800})
            assert page.evaluate(CUT_OFF) == []
            page.click("text=Current report")
            page.wait_for_selector("#h-refusals")
            assert said == []
    finally:
        run.terminate()
        run.wait(30)


@pytest.mark.browser
@browser_needed
def test_what_a_model_wrote_is_text(make_config: MakeConfig) -> None:
    config = make_config(target=3, filters={"keywords": False}, max_requests=20, concurrency=1, lookahead=1)
    made = si.run(config, teacher=Scripted(), export=False)
    with served(made.path, "--token", TOKEN) as address, chromium(address) as (page, said):
        page.wait_for_selector("#admitted li bdi")
        shown = page.inner_text("#admitted") + page.inner_text("#refused")
        assert "<script>" in shown
        assert page.locator("main script, main img").count() == 0
        assert said == []
