"""Any machine: no home folder, a random user, proxies, certificates, odd names of files, links in place of folders."""

from __future__ import annotations

import errno
import http.server
import json
import pwd
import re
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
import typer
import yaml

from conftest import cli
from selfinstruct.cli.console import plain_errors
from selfinstruct.core import paths
from selfinstruct.core.errors import UsageError
from selfinstruct.journal.folder import Run

VARIABLES = [
    f"{kind}_proxy" for kind in ("http", "https", "all", "no")
] + ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]  # fmt: skip


def config_in(folder: Path, seed_file: Path, **changes: Any) -> Path:
    """Write a configuration with the fake teacher into a folder."""
    values = {"seeds": str(seed_file), "run_dir": str(folder / "run"), "target": 10}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(values | {"teacher": {"kind": "fake", "model": "fake"}} | changes))
    return path


def one_error(done: subprocess.CompletedProcess[str]) -> str:
    """The only line of an error, without its beginning."""
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "error: " in line]
    return line.removeprefix("selfinstruct: error: ")


# --- memory ------------------------------------------------------------------------------------


def caused_by_memory() -> Exception:
    """An error of a library that hides why it failed."""
    error = ValueError("An error occurred while generating the dataset")
    error.__cause__ = MemoryError()
    return error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("malloc of size 128 failed"),
        ImportError("/lib/parsers.so: failed to map segment from shared object"),
        ImportError("libstdc++.so.6: cannot allocate memory in static TLS block"),
        RuntimeError("can't start new thread"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        OSError(errno.ENOMEM, "Cannot allocate memory", "journal.sqlite"),
        caused_by_memory(),
    ],
    ids=repr,
)
def test_too_little_memory_is_no_bug(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # code below the current folder is the user's own
    with pytest.raises(typer.Exit) as caught, plain_errors(debug=False):
        raise error
    assert caught.value.exit_code == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("selfinstruct: error: out of memory: the machine has too little, or `ulimit -v` is low; ")


@pytest.mark.parametrize("error", [RuntimeError("Event loop is closed"), ImportError("no such name"), ValueError("x")])
def test_other_errors_of_these_kinds_stay_bugs(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # code below the current folder is the user's own
    with pytest.raises(typer.Exit) as caught, plain_errors(debug=False):
        raise error
    assert caught.value.exit_code == 1
    assert "a bug in selfinstruct" in capsys.readouterr().err


# --- home folders -------------------------------------------------------------------------------


@pytest.mark.parametrize("home", ["/", "", "//", "relative"])
def test_a_home_folder_that_is_none_changes_no_text(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed_file: Path, home: str
) -> None:
    monkeypatch.setenv("HOME", home)
    assert paths.home_folder() is None
    teacher = {"kind": "fake", "model": "fake", "base_url": "https://llm.example.org/v1"}
    done = cli("generate", config_in(tmp_path, seed_file, teacher=teacher))
    assert done.returncode == 0, done.stderr
    card = (tmp_path / "run" / "dataset" / "README.md").read_text(encoding="utf-8")
    assert "base_url: https://llm.example.org/v1" in card
    assert "run_dir: .\n" in card, "as a file in the folder of the run would state it"


def test_the_home_folder_is_left_out_where_a_path_begins_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    text = "a: /home/ann/x\nb: ['/home/ann/y', /mnt/home/ann/z]\nc: https://h/home/ann/w\nd: /home/anna/v\n"
    assert paths.without_home(text) == (
        "a: ~/x\nb: ['~/y', /mnt/home/ann/z]\nc: https://h/home/ann/w\nd: /home/anna/v\n"
    )


def test_a_tilde_without_a_home_folder_is_an_error_not_a_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed_file: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert paths.expand("~root/x").endswith("/x")
    with pytest.raises(UsageError, match=r"^~nonesuch/run: there is no such home folder; write the whole path"):
        paths.expand("~nonesuch/run")
    done = cli("generate", config_in(tmp_path, seed_file), "--set", "run_dir=~nonesuch/run")
    assert (done.returncode, "no such home folder" in one_error(done)) == (2, True)


@pytest.mark.parametrize("home", [None, "/", "/proc/nonexistent"])
def test_a_user_without_an_entry_and_a_home_can_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed_file: Path, home: str | None
) -> None:
    def unknown(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    import datasets

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", "/proc/nonexistent/datasets")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME") if home is None else monkeypatch.setenv("HOME", home)
    monkeypatch.chdir(tmp_path)
    assert paths.cache_folder().is_absolute()
    config_in(tmp_path, seed_file)
    commands = ["generate config.yaml", "check config.yaml", f"dedup {seed_file} out", "report run", "teacher list"]
    for words in [*commands, "dedup run/dataset again", "merge run run/dataset merged", "validate out --for openai"]:
        done = cli(*words.split(), cwd=tmp_path)
        assert done.returncode == (2 if words.startswith("validate") else 0), done.stderr


# --- proxies and certificates -------------------------------------------------------------------


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in [*VARIABLES, *map(str.upper, VARIABLES)]:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def far(folder: Path, seed_file: Path, base_url: str = "https://teacher.invalid/v1") -> Path:
    teacher = {"model": "m", "api_key_env": None, "base_url": base_url, "max_retries": 0, "timeout_s": 2}
    return config_in(folder, seed_file, teacher=teacher, max_failures_in_a_row=1)


@pytest.mark.parametrize("variable", ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"])
@pytest.mark.parametrize("kind", ["socks5", "socks5h", "socks4", "socks", "ftp"])
def test_a_proxy_that_is_not_supported_is_reported_before_anything_is_asked(
    environment: pytest.MonkeyPatch, tmp_path: Path, seed_file: Path, variable: str, kind: str
) -> None:
    environment.setenv(variable, f"{kind}://ann:s3cret@127.0.0.1:1080")
    done = cli("generate", far(tmp_path, seed_file))
    assert done.returncode == 2
    assert one_error(done) == (
        f"${variable}: a proxy of kind '{kind}' is not supported; name an HTTP proxy, such as http://HOST:PORT, "
        "or add teacher.invalid to $NO_PROXY to connect directly"
    )
    assert not (tmp_path / "run").exists()
    environment.setenv("NO_PROXY", "teacher.invalid")
    assert cli("generate", far(tmp_path, seed_file)).returncode == 3, "asked directly, where nobody answers"


@pytest.mark.parametrize("value", ["http://", "http://[::1", "http://h:port", "http://u:s3cret@:80", "//"])
def test_a_proxy_that_is_no_address(
    environment: pytest.MonkeyPatch, tmp_path: Path, seed_file: Path, value: str
) -> None:
    environment.setenv("ALL_PROXY", value)
    done = cli("generate", far(tmp_path, seed_file))
    assert done.returncode == 2
    assert one_error(done) == "$ALL_PROXY: not the address of a proxy; write it as http://HOST:PORT"


@pytest.mark.parametrize(
    ("variable", "value"), [("ALL_PROXY", "socks5h://u:s3cret@127.0.0.1:1"), ("SSL_CERT_FILE", "/nonexistent.pem")]
)
@pytest.mark.parametrize(
    "words", ["push {run} owner/name --yes", "dedup owner/name {out}", "validate owner/name --for openai"]
)
def test_the_hub_is_asked_under_the_same_rules(
    environment: pytest.MonkeyPatch, tmp_path: Path, seed_file: Path, words: str, variable: str, value: str
) -> None:
    import huggingface_hub

    assert cli("generate", config_in(tmp_path, seed_file)).returncode == 0
    environment.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", words.startswith("push") is False)
    environment.setenv("HF_TOKEN", "hf_none")
    environment.setenv(variable, value)
    done = cli(*words.format(run=tmp_path / "run", out=tmp_path / "out.jsonl").split())
    assert done.returncode == 2
    assert one_error(done).startswith(f"${variable}: ")
    assert "s3cret" not in done.stderr


def test_a_password_of_a_proxy_is_never_printed(
    environment: pytest.MonkeyPatch, tmp_path: Path, seed_file: Path
) -> None:
    environment.setenv("ALL_PROXY", "http://ann:s3cret@127.0.0.1:9")
    done = cli("generate", far(tmp_path, seed_file), "--debug")
    assert done.returncode == 3
    assert "127.0.0.1:9" in done.stderr
    assert "s3cret" not in done.stdout + done.stderr
    written = b"".join(path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file())
    assert b"s3cret" not in written


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("state", ["missing", "empty", "text", "garbage"])
def test_certificates_that_cannot_be_used_are_reported_before_anything_is_asked(
    environment: pytest.MonkeyPatch, tmp_path: Path, seed_file: Path, variable: str, state: str
) -> None:
    place = tmp_path / "certificates"
    if state != "missing":
        file = place / "ca.pem" if variable == "SSL_CERT_DIR" else place
        file.parent.mkdir(exist_ok=True)
        broken = "-----BEGIN CERTIFICATE-----\nbm8=\n-----END CERTIFICATE-----\n"
        file.write_text({"empty": "", "text": "no certificate", "garbage": broken}[state])
    environment.setenv(variable, str(place))
    done = cli("generate", far(tmp_path, seed_file))
    assert done.returncode == 2
    assert re.match(rf"\${variable}: {place}.*; .*unset it$", one_error(done))
    assert not (tmp_path / "run").exists()
    assert cli("generate", far(tmp_path, seed_file, "http://127.0.0.1:9/v1")).returncode == 3, "needs no certificates"


class _Teacher(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        text = "\n###\n".join(f"{n}. Instruction: Name river {n}.\n{n}. Output:\nThe {n}th." for n in range(1, 21))
        answer = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}], "usage": {}}
        body = json.dumps(answer | {"usage": {"prompt_tokens": 1, "completion_tokens": 1}}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The base URL of a server with a certificate of its own, and the file of that certificate."""
    folder = tmp_path_factory.mktemp("tls")
    if shutil.which("openssl") is None:
        pytest.skip("needs the program openssl")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Teacher)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}/v1", folder / "cert.pem"
    server.shutdown()


def test_a_self_signed_server_is_named_with_the_remedy(
    environment: pytest.MonkeyPatch, tmp_path: Path, seed_file: Path, self_signed: tuple[str, Path]
) -> None:
    base_url, certificate = self_signed
    done = cli("generate", far(tmp_path, seed_file, base_url))
    assert done.returncode == 3
    assert "certificate: self-signed certificate; to trust it, name its file in $SSL_CERT_FILE" in one_error(done)
    for variable in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        environment.setenv(variable, str(certificate))
        done = cli("generate", far(tmp_path, seed_file, base_url), "--set", f"run_dir={tmp_path / variable}")
        assert "certificate" not in done.stderr
        assert Run(tmp_path / variable).status().requests > 1
        environment.delenv(variable)


# --- names of files -----------------------------------------------------------------------------

NAMES = ["a [1] {b} *?", "#1 50%41 ?x=y&z", "中文 é ñ", "-dash", "quote ' \" $HOME `x`", "a::b:c", " lead and trail "]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_a_folder_works_for_every_output(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed_file: Path, name: str
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    shutil.copy(seed_file, f"{name}.jsonl")
    config_in(folder, Path(f"{name}.jsonl"), run_dir=name)

    def do(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = cli(*words, cwd=folder)
        assert done.returncode == code, (words, done.stderr)
        return done

    done = do("generate", "config.yaml", "--set", "max_requests=1", code=3)
    (resume,) = re.findall(r"to resume, raise the cap, then: selfinstruct (.*)", done.stderr)
    shown = subprocess.run(["bash", "-c", f"printf '%s\\n' {resume}"], capture_output=True, text=True).stdout
    assert shown.splitlines() == ["generate", "config.yaml", "--set", "max_requests=1"]
    assert do("generate", "config.yaml").stdout == f"{name}/dataset\n"
    assert do("status", "--", name).stdout.splitlines()[2].split() == ["records", "10", "of", "10"]
    do("report", "--", name)
    do("export", "--output", f"./{name} out", "--", name)
    do("validate", "--for", "trl-sft", "--", f"{name}/dataset")
    do("dedup", "--", f"{name}/dataset", f"{name}.parquet")
    do("dedup", "--", f"{name}.parquet", f"{name} again.jsonl")
    do("merge", "--", name, f"{name} merged")
    do("generate", "config.yaml", "--fork", f"{name} fork", "--set", "target=20")
    (file,) = (folder / name / "dataset" / "messages").glob("*.parquet")
    assert pyarrow.parquet.read_table(file).num_rows == 10
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == []


def test_a_pattern_below_a_folder_with_the_characters_of_patterns(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed_file: Path
) -> None:
    folder = tmp_path / "runs [1]"
    folder.mkdir()
    shutil.copy(seed_file, folder / "seeds-a.jsonl")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    config = config_in(folder, Path("seeds-*.jsonl"))
    assert cli("generate", config, cwd=tmp_path / "elsewhere").returncode == 0


def test_a_command_to_paste_names_the_configuration_for_a_shell(tmp_path: Path, seed_file: Path) -> None:
    folder = tmp_path / "my runs"
    folder.mkdir()
    done = cli("generate", config_in(folder, seed_file), "--set", "max_requests=1")
    assert f"selfinstruct generate '{folder}/config.yaml' --set max_requests=1" in done.stderr
    assert paths.quoted("-x.yaml") == "./-x.yaml"
    assert f"selfinstruct check '{folder}/new/selfinstruct.yaml'" in cli("init", folder / "new").stderr


@pytest.mark.parametrize("link", ["run", "missing run", "dataset", "missing dataset"])
def test_links_in_place_of_folders_stay_links(tmp_path: Path, seed_file: Path, link: str) -> None:
    config, elsewhere = config_in(tmp_path, seed_file), tmp_path / "elsewhere"
    place = tmp_path / "run" if link.endswith("run") else tmp_path / "run" / "dataset"
    if "missing" not in link:
        assert cli("generate", config).returncode == 0
        place.rename(elsewhere)
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(elsewhere)
    done = cli("generate", config, "--set", "target=20")
    assert done.returncode == 0, done.stderr
    assert place.is_symlink()
    assert Run(tmp_path / "run").dataset_path.resolve() == elsewhere / ("dataset" if link.endswith("run") else "")
    (file,) = (tmp_path / "run" / "dataset" / "messages").glob("*.parquet")
    assert pyarrow.parquet.read_table(file).num_rows == 20
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []
