"""The command line as a user sees it: exit codes, standard output, and messages."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml
from forked import start_python

from conftest import ROOT, Loopback, cli, cli_process
from selfinstruct.journal.folder import Run
from selfinstruct.seeds.starter import STARTERS

HEAVY = {
    "aiohttp",
    "asyncio",
    "datasets",
    "numba",
    "numpy",
    "openai",
    "pyarrow",
    "pydantic",
    "rapidfuzz",
    "rich",
    "yaml",
}
COMMANDS = """init check preview generate status list explain report review serve worth export validate push
    refilter dedup merge serve-fake judge-eval teacher documents schema""".split()


@pytest.fixture
def config_file(tmp_path: Path, seed_file: Path) -> Path:
    """A configuration with the fake teacher; the run's folder is `tmp_path/run`."""
    values = {
        "seeds": str(seed_file),
        "run_dir": str(tmp_path / "run"),
        "target": 30,
        "strategy": "self_instruct",
        "teacher": {"kind": "fake", "model": "fake"},
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.mark.parametrize("arguments", [["--help"], ["generate", "--help"], ["teacher", "list", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "selfinstruct", *arguments], capture_output=True, text=True, cwd=ROOT
    )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert done.returncode == 0
    assert "typer" in imported
    assert not imported & HEAVY


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = cli(command, "--help")
    assert done.returncode == 0
    assert "Example" in done.stdout or command == "teacher"


def test_help_documents_the_exit_codes_and_every_command() -> None:
    text = cli("--help", COLUMNS="80").stdout
    listed = re.findall(r"^  ([a-z][a-z-]*)  +(.*)$", text, re.MULTILINE)
    assert [name for name, _ in listed] == COMMANDS, "in the order of the work"
    assert all(summary.endswith(".") for _, summary in listed), "each fits on its line"
    assert max(map(len, text.splitlines())) <= 80
    headings = re.findall(r"^(\w[\w ]+):$", text, re.MULTILINE)
    assert headings == ["Start a dataset", "Look at a run", "Use a dataset", "Teachers", "More", "Options"]
    assert all(f"{code} " in " ".join(text.split()) for code in range(6))


def test_the_options_of_generate_are_in_groups() -> None:
    text = cli("generate", "--help", COLUMNS="80").stdout
    headings = re.findall(r"^(\w[\w ]+):$", text, re.MULTILINE)
    assert headings == ["Arguments", "Options", "To change a run", "To run on a schedule", "To watch a run"]
    columns = {len(start) for start in re.findall(r"^  (--?\S+(?: \S+)?  +)(?=\S)", text, re.MULTILINE)}
    assert len(columns) == 1, "all texts begin in one column"


def in_terminal(*arguments: str | Path, **env: str) -> str:
    """Run `selfinstruct` in a terminal of 80 columns, and return what the terminal receives."""
    main, side = os.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    line = ["-m", "selfinstruct", *map(str, arguments)]
    process = start_python(*line, cwd=ROOT, stdin=side, stdout=side, stderr=side, **{"TERM": "xterm"} | env)
    os.close(side)
    parts = []
    with contextlib.suppress(OSError):  # the terminal is closed
        while part := os.read(main, 65536):
            parts.append(part)
    os.close(main)
    process.wait()
    return b"".join(parts).decode().replace("\r\n", "\n")


def test_color_where_a_terminal_shows_it() -> None:
    text = in_terminal("--help")
    assert "\x1b[1mStart a dataset\x1b[0m:\n  \x1b[36minit\x1b[0m        Write" in text
    plain = re.sub(r"\x1b\[[\d;]*m", "", text)
    assert plain == cli_process("--help", COLUMNS="80").stdout, "color changes nothing else"
    for bare in (
        in_terminal("--help", NO_COLOR="1"),
        in_terminal("--help", TERM="dumb"),
        in_terminal("--no-color", "--help"),
        in_terminal("status", "nowhere", "--no-color"),
    ):
        assert "\x1b" not in bare
    assert in_terminal("status", "nowhere").startswith("selfinstruct: \x1b[1;31merror:\x1b[0m nowhere: not a run")
    assert "\x1b" not in cli("--help").stdout + cli("status", "nowhere").stderr


def test_a_file_cannot_write_escapes_through_a_colored_message(tmp_path: Path) -> None:
    said = in_terminal("status", tmp_path / "\x1b[2J")
    assert said.count("\x1b") == 2, "those around 'error:'"
    assert "⟨U+001B⟩[2J" in said.replace("\n", "")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("gen\t", "generate"), ("teacher f\t", "teacher fetch"), ("generate con\t", "generate conf.yaml"),
     ("generate conf.yaml --max\t", "generate conf.yaml --max-runtime")],
)  # fmt: skip
def test_bash_completes_commands_options_and_files(tmp_path: Path, typed: str, expected: str) -> None:
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "selfinstruct").write_text(f"#!{sys.executable}\nfrom selfinstruct.cli.app import main\n\nmain()\n")
    (commands / "selfinstruct").chmod(0o755)
    (tmp_path / "conf.yaml").touch()
    env = os.environ | {"PATH": f"{commands}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "TERM": "dumb"}
    show = {**env, "_SELFINSTRUCT_COMPLETE": "source_bash"}
    script = subprocess.run(["selfinstruct"], env=show, capture_output=True, text=True, check=True).stdout
    (tmp_path / "complete.sh").write_text(f"{script}\nPS1='> '\nbind 'set enable-bracketed-paste off'\n")
    main, side = os.openpty()
    bash = subprocess.Popen(
        ["bash", "--rcfile", "complete.sh", "-i"], cwd=tmp_path, env=env, stdin=side, stdout=side, stderr=side,
        start_new_session=True,
    )  # fmt: skip
    os.close(side)
    seen = ""
    try:
        for keys, awaited in ((f"selfinstruct {typed}", f"selfinstruct {expected}"), ("\x15exit\n", "exit")):
            os.write(main, keys.encode())
            while awaited not in seen:
                seen += os.read(main, 4096).decode()
    finally:
        bash.kill()
        bash.wait()
        os.close(main)
    assert f"selfinstruct {expected}" in seen


def test_schema_prints_what_is_published() -> None:
    done = cli("schema")
    assert done.stdout == (ROOT / "configs" / "schema.json").read_text(encoding="utf-8")


def test_a_run_from_start_to_dataset(config_file: Path, tmp_path: Path) -> None:
    done = cli_process("generate", config_file)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "run" / "dataset"), "only the dataset's path goes to standard output"
    assert datasets.load_dataset(done.stdout.strip(), split="train").num_rows == 30
    run = tmp_path / "run"
    assert f"next: selfinstruct report {run} (one page about it), or selfinstruct review {run}" in done.stderr
    again = cli("generate", config_file)
    assert again.returncode == 0
    status = json.loads(cli("status", tmp_path / "run", "--json").stdout)
    assert status["records"] == status["target"] == 30
    assert status["requests"] == json.loads(cli("status", tmp_path / "run", "--json").stdout)["requests"]
    assert "30 of 30" in cli("status", tmp_path / "run").stdout


def test_what_was_spent_for_what_and_what_the_target_will_cost(config_file: Path, tmp_path: Path) -> None:
    prices = ("--set", "teacher.input_usd_per_mtok=100", "--set", "teacher.output_usd_per_mtok=200")
    done = cli("generate", config_file, *prices, "--set", "strategy=self_instruct", "--set", "max_requests=40")
    status = json.loads(cli("status", tmp_path / "run", "--json").stdout)
    spent = status["by_purpose"]
    assert {"propose", "classify", "instances"} <= spent.keys()
    assert status["requests"] == sum(used["requests"] for used in spent.values()) == 40
    assert status["cost_usd"] == pytest.approx(sum(used["cost_usd"] for used in spent.values()))
    assert status["cost_per_record_usd"] == pytest.approx(status["cost_usd"] / status["records"])
    assert status["target_cost_usd"] == pytest.approx(30 * status["cost_per_record_usd"])
    assert status["price_source"] == "config"
    for text in (done.stderr, cli("status", tmp_path / "run").stdout):
        assert all(word in text for word in ("(config)", "for classify", "per 1,000 records", "for the target of 30"))


def test_records_that_were_taken_over_are_no_rate(config_file: Path, tmp_path: Path) -> None:
    prices = ("--set", "teacher.input_usd_per_mtok=100", "--set", "teacher.output_usd_per_mtok=200")
    assert cli("generate", config_file, *prices, "--set", "target=60").returncode == 0
    strict = ("--set", "max_similarity=0.6", "--set", f"run_dir={tmp_path / 'strict'}", "--set", "target=60")
    assert cli("refilter", tmp_path / "run", tmp_path / "strict", "--set", "max_similarity=0.6").returncode == 3
    before = json.loads(cli("status", tmp_path / "strict", "--json").stdout)
    assert 0 < before["records"] < 60
    assert (before["records_asked"], before["cost_per_record_usd"], before["target_cost_usd"]) == (0, None, None)
    assert "per 1,000 records" not in cli("status", tmp_path / "strict").stdout
    checked = cli("check", config_file, *prices, *strict).stdout
    assert f"for {60 - before['records']} records" in checked
    assert "$0.00" not in checked, "what is missing isn't free"
    assert cli("generate", config_file, *prices, *strict).returncode in (0, 3)
    after = json.loads(cli("status", tmp_path / "strict", "--json").stdout)
    assert after["records_asked"] > 20
    assert after["cost_per_record_usd"] == pytest.approx(after["cost_usd"] / after["records_asked"])


def test_check_says_what_a_run_will_cost_without_asking(config_file: Path, tmp_path: Path) -> None:
    done = cli("check", config_file, "--set", "teacher.kind=openai", "--set", "teacher.model=gpt-4o-mini")
    assert done.returncode == 0, done.stderr
    assert "expected requests" in done.stdout
    assert "$" in done.stdout
    assert not (tmp_path / "run").exists()


def test_preview_prints_the_exact_prompts(config_file: Path, seed_file: Path) -> None:
    done = cli("preview", config_file, "-n", "1")
    seeds = [json.loads(line)["instruction"] for line in seed_file.read_text().splitlines()]
    assert done.returncode == 0, done.stderr
    assert sum(seed in done.stdout for seed in seeds) >= 6
    assert "classification" in done.stdout


def test_json_log_lines_are_json(config_file: Path) -> None:
    done = cli("generate", config_file, "--log-format", "json")
    events = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert events
    assert events[-1]["records"] == 30


def test_one_of_anything_is_in_the_singular(config_file: Path, tmp_path: Path) -> None:
    one = ("--set", "target=1", "--set", "max_requests=9", "--set", "strategy=alpaca")
    printed = [cli("check", config_file, *one), cli("generate", config_file, *one)]
    printed += [cli(name, tmp_path / "run") for name in ("status", "list", "report")]
    id = cli("list", tmp_path / "run").stdout.split()[0]
    printed += [cli("explain", tmp_path / "run", id), cli("explain", tmp_path / "run", "q0")]
    printed += [cli("refilter", tmp_path / "run", tmp_path / "other", "--set", "max_similarity=0.69")]
    printed += [cli("validate", tmp_path / "run", "--for", "trl-sft"), cli("status", tmp_path / "other")]
    whole = "\n".join(done.stdout + done.stderr for done in printed)
    assert all(done.returncode in (0, 3) for done in printed), whole
    assert re.findall(r".*(?<![\d.,])1 [a-z]+s\b(?! in )|\(s\).*", whole) == []
    assert "1 of 1 record" in whole


def test_export_in_another_format(config_file: Path, tmp_path: Path) -> None:
    cli("generate", config_file)
    done = cli("export", tmp_path / "run", "--format", "alpaca", "--output", tmp_path / "out", "--test-share", "0.3")
    assert done.returncode == 0, done.stderr
    rows = datasets.load_dataset(str(tmp_path / "out"), "alpaca")
    assert rows["train"].num_rows + rows["test"].num_rows == 30


def test_status_tells_requests_from_questions_and_own_answers_from_others(config_file: Path, tmp_path: Path) -> None:
    assert cli("generate", config_file, "--set", "teacher.model=gpt-4o-mini").returncode == 0
    shown = cli("status", tmp_path / "run").stdout
    now = json.loads(cli("status", tmp_path / "run", "--json").stdout)
    assert f"{now['requests']} for {now['asked']} questions (0 without an answer)" in shown
    assert "self_instruct, gpt-4o-mini (fake)" in shown, "the kind shows that the answers aren't the model's"
    assert "target met: 30 records" in shown
    assert "inherited" not in shown
    assert cli("refilter", tmp_path / "run", tmp_path / "strict", "--set", "max_similarity=0.6").returncode in (0, 3)
    shown = cli("status", tmp_path / "strict").stdout
    assert "0 for 0 questions" in shown
    assert f"{now['asked']} answers of another run" in shown
    assert "recall_only" not in shown


def test_refilter_asks_nothing_and_can_go_on(config_file: Path, tmp_path: Path) -> None:
    cli("generate", config_file)
    done = cli("refilter", tmp_path / "run", tmp_path / "strict", "--set", "max_similarity=0.6")
    assert done.returncode == 3, "fewer records than the target are left"
    status = json.loads(cli("status", tmp_path / "strict", "--json").stdout)
    assert status["requests"] == 0
    assert 0 < status["records"] <= 30
    assert cli("generate", tmp_path / "strict" / "config.yaml").returncode == 0


def test_fork_takes_the_answers_over(config_file: Path, tmp_path: Path) -> None:
    cli("generate", config_file)
    changed = ("--set", "strategy.max_instances=2", "--set", "target=45")
    refused = cli("generate", config_file, *changed)
    assert refused.returncode == 2
    assert "strategy.max_instances: was 5, now 2" in refused.stderr
    done = cli("generate", config_file, *changed, "--fork", tmp_path / "forked")
    assert done.returncode == 0, done.stderr
    assert json.loads(cli("status", tmp_path / "forked", "--json").stdout)["records"] == 45


def test_another_task_begins_a_new_generation(config_file: Path, tmp_path: Path) -> None:
    def records() -> list[Any]:
        return list(Run(tmp_path / "run").records())

    cli("generate", config_file)
    before = records()
    changed = ("--set", "task=Students before a law exam ask.", "--set", "target=45")
    refused = cli("generate", config_file, *changed)
    assert refused.returncode == 2
    assert 'task: was null, now "Students before a law exam ask."' in refused.stderr
    done = cli("generate", config_file, *changed, "--new-generation")
    assert done.returncode == 0, done.stderr
    after = records()
    assert after[:30] == before
    assert len(after) == 45


def test_init_into_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    refused = cli("init", tmp_path / "notes")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert (tmp_path / "notes").read_text() == "mine"


@pytest.mark.parametrize("start", STARTERS)
def test_init_writes_what_check_accepts(start: str, tmp_path: Path) -> None:
    done = cli("init", tmp_path / "new", "--teacher", start)
    assert done.returncode == 0, done.stderr
    assert cli("check", "selfinstruct.yaml", cwd=tmp_path / "new").returncode == 0
    written = (tmp_path / "new" / "selfinstruct.yaml").read_text()
    assert "run_dir: data/new" in written, "two of them, started in one place, are two runs"
    assert "# yaml-language-server: $schema=schema.json\n# An editor completes these keys" in written
    for paragraph in written.split("\n\n"):
        comments = {match.start(1) for line in paragraph.split("\n") if (match := re.match(r"\w.*\S +(# )", line))}
        assert len(comments) <= 1, "comments begin in one column"
    assert "configs/" not in written
    assert cli("init", tmp_path / "new").returncode == 2, "nothing is overwritten"


LAW = "instruction,output\nName the elements of a contract.,Offer and acceptance.\nDefine a tort.,A civil wrong.\n"


@pytest.mark.parametrize("start", STARTERS)
@pytest.mark.parametrize("prompts", [(), ("--prompts",)])
def test_init_for_a_domain_with_seeds_of_ones_own(start: str, prompts: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(LAW)
    domain = "law exams:  'hard' #1"
    given = ("--teacher", start, "--domain", domain, "--seeds", "mine.csv", "--target", "500", "--language", "zh")
    done = cli("init", "law", *given, *prompts, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["law/selfinstruct.yaml", *["law/prompts.yaml"] * len(prompts)]
    written = yaml.safe_load((tmp_path / "law" / "selfinstruct.yaml").read_text())
    assert (written["task"], written["target"], written["language"]) == ("law exams: 'hard' #1\n", 500, "zh")
    # The files are found from either folder.
    for folder, config in ((tmp_path, "law/selfinstruct.yaml"), (tmp_path / "law", "selfinstruct.yaml")):
        checked = cli("check", config, cwd=folder)
        assert checked.returncode == 0, checked.stderr
        assert checked.stdout.startswith("seeds                2 tasks")
        shown = cli("preview", config, "-n", "1", "--set", "teacher={kind: fake}", "--set", "teachers=null", cwd=folder)
        assert "law exams: 'hard' #1" in shown.stdout
    if prompts:
        assert written["strategy"]["prompts"] == "prompts.yaml"
        assert "中文提示词" in (tmp_path / "law" / "prompts.yaml").read_text()


@pytest.mark.parametrize("language", ["en", "de-AT", "no", "fr-CA", "zh", "zh-hant-tw"])
@pytest.mark.parametrize("strategy", ["alpaca", "self_instruct"])
def test_init_writes_prompts_that_ask_as_the_built_in_ones_do(language: str, strategy: str, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(LAW)
    given = ("--language", language, "--domain", "law exams", "--seeds", "mine.csv", "--prompts")
    assert cli("init", "law", *given, cwd=tmp_path).returncode == 0
    assert (tmp_path / "law" / "prompts.yaml").read_text().startswith("# ")

    def preview(endpoint: str, *changes: str) -> str:
        teacher = f"teacher={{kind: fake, endpoint: {endpoint}}}"
        set_ = ("--set", teacher, "--set", f"strategy.kind={strategy}", *changes)
        shown = cli("preview", "law/selfinstruct.yaml", "-n", "1", *set_, cwd=tmp_path)
        assert shown.returncode == 0, shown.stderr
        return shown.stdout

    for endpoint in ("chat", "completions"):
        assert preview(endpoint) == preview(endpoint, "--set", "strategy.prompts=null")


def test_init_that_is_given_something_wrong_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(LAW + "No output.,\n")
    for option, value, message in (
        ("--seeds", "nowhere.csv", "nowhere.csv: no such file"),
        ("--seeds", "bad.csv", "bad.csv:4: "),
        ("--domain", " ", "init: task: must not be empty"),
        ("--domain", "law\x1b[31m", "init: --domain: contains a character that can't be printed"),
        ("--language", "klingon!", "init: language: "),
    ):
        refused = cli("init", "law", option, value, cwd=tmp_path)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1), refused.stderr
        assert message in refused.stderr
        assert not (tmp_path / "law").exists()


def test_init_with_a_domain_and_shipped_seeds_says_so(tmp_path: Path) -> None:
    done = cli("init", tmp_path / "law", "--domain", "law exams")
    assert "the seeds are of all kinds; replace them with 10 to 20 tasks of your domain" in done.stderr


def _changed(path: Path, **changes: Any) -> Path:
    values = yaml.safe_load(path.read_text()) | changes
    path.write_text(yaml.safe_dump(values))
    return path


MISTAKES = {
    "no such config": (["generate", "nowhere.yaml"], 2, "nowhere.yaml: no such file"),
    "misspelt key": (["generate", "{config}", "--set", "targt=3"], 2, "did you mean 'target'?"),
    "not a number": (["generate", "{config}", "--set", "target=many"], 2, "target"),
    "set without a value": (["generate", "{config}", "--set", "target"], 2, "--set target: must be KEY=VALUE"),
    "no such seeds": (["generate", "{config}", "--set", "seeds=nowhere.jsonl"], 2, "nowhere.jsonl: no such file"),
    "unknown strategy": (["generate", "{config}", "--set", "strategy=alpacca"], 2, "did you mean 'alpaca'?"),
    "unknown teacher": (["generate", "{config}", "--set", "teacher.kind=opnai"], 2, "did you mean 'openai'?"),
    "unknown format": (["generate", "{config}", "--set", "dataset.formats=[alpca]"], 2, "did you mean 'alpaca'?"),
    "price not known": (
        ["generate", "{config}", "--set", "teacher={kind: openai, model: my-7b}", "--set", "max_cost_usd=1"],
        2,
        "the price of 'my-7b' at api.openai.com is unknown",
    ),
    "price of another server": (
        ["generate", "{config}", "--set", "teacher={base_url: 'https://gateway.example'}", "--set", "max_cost_usd=1"],
        2,
        "the price of 'gpt-4o-mini' at gateway.example is unknown; set teacher.input_usd_per_mtok",
    ),
    "no key": (["generate", "{config}", "--set", "teacher={kind: openai, api_key_env: NO_SUCH_KEY}"], 2, "NO_SUCH_KEY"),
    "server is down": (
        ["generate", "{config}", "--set", "teacher={kind: openai, base_url: 'http://127.0.0.1:9/v1', max_retries: 0}"],
        3,
        "start the server, or check teacher.base_url",
    ),
    "not a run": (["status", "{config}"], 2, "not a run's folder"),
    "a configuration that can't be read": (["status", "broken.yaml"], 2, "error: broken.yaml"),
    "no trainer": (["validate", "{begun}"], 2, "--for: is missing; name the trainer, one of trl-sft, "),
    "a run without a dataset": (
        ["validate", "{begun}", "--for", "trl-sft"],
        2,
        "this run has no dataset yet; `selfinstruct generate` writes it",
    ),
    "no such run": (["export", "nowhere"], 2, "not a run's folder"),
    "run_dir is a file": (["generate", "{config}", "--set", "run_dir={config}"], 2, "is a file"),
    "budget": (["generate", "{config}", "--set", "max_requests=5"], 3, "max_requests"),
    "refilter with another model": (
        ["refilter", "{run}", "nowhere", "--set", "teacher.model=x"],
        2,
        "the answers depend on teacher.model, so it can't be changed here",
    ),
    "unknown option": (["generate", "{config}", "--tarket", "3"], 2, "No such option"),
    "unknown choice": (["list", "{run}", "--format", "tabel"], 2, "not one of 'table', 'jsonl'; did you mean 'table'?"),
    "too large a number": (["serve", "{run}", "--port", "99999"], 2, "'--port': must be at most 65535"),
    "no number": (["serve", "{run}", "--port", "http"], 2, "'--port': must be a whole number\n"),
    "a file for a folder": (["export", "{run}", "--output", "broken.yaml/x"], 2, "broken.yaml is a file, not a folder"),
    "a file in a file": (["merge", "{run}", "{run}/dataset", "broken.yaml/x"], 2, "is a file, not a folder"),
    "a file that isn't data": (["export", "{run}", "--output", "x.txt"], 2, "x.txt: the name of a folder is expected"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_ends_in_a_clear_line_and_its_exit_code(mistake: str, config_file: Path, tmp_path: Path) -> None:
    arguments, code, expected = MISTAKES[mistake]
    if any("{run}" in each for each in arguments):
        cli("generate", config_file)
    (tmp_path / "broken.yaml").write_text("seeds: [")
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "journal.sqlite").touch()
    for name, path in (("{config}", config_file), ("{run}", tmp_path / "run"), ("{begun}", tmp_path / "begun")):
        arguments = [argument.replace(name, str(path)) for argument in arguments]
    done = cli(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_a_run_is_found_by_its_configuration_and_its_dataset_by_its_run(config_file: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert cli("generate", config_file).returncode == 0
    assert cli("status", config_file).stdout == cli("status", run).stdout
    assert cli("list", config_file).stdout == cli("list", run).stdout
    assert cli("worth", config_file).stdout == cli("worth", run).stdout != ""
    checked = cli("validate", run, "--for", "trl-sft")
    assert checked.stdout == cli("validate", run / "dataset", "--for", "trl-sft").stdout
    assert checked.returncode == 0, checked.stderr
    assert cli("validate", config_file, "--for", "trl-sft").stdout.replace(str(config_file), str(run)) == checked.stdout
    for command in ("dedup", "merge"):
        rows = [cli(command, each, "-").stdout for each in (config_file, run, run / "dataset")]
        assert rows[0].count("\n") == 30
        assert rows[0] == rows[1]
        assert command == "merge" or rows[1] == rows[2]
    assert "30 records" in cli("review", config_file, "--export", "html", tmp_path / "review.html").stderr
    assert cli("push", config_file, "me/x").stdout == cli("push", run, "me/x").stdout != ""


def test_rows_that_are_instances_are_counted_as_records_too(config_file: Path) -> None:
    assert cli("generate", config_file, "--set", "dataset.instances=all").returncode == 0
    found = dict(
        re.findall(r"^(rows|records) +\D*(\d+)", cli("validate", config_file, "--for", "trl-sft").stdout, re.M)
    )
    assert int(found["rows"]) > int(found["records"]) == 30


def test_the_configuration_of_a_trainer_is_all_that_is_printed(config_file: Path, tmp_path: Path) -> None:
    assert cli("generate", config_file).returncode == 0
    checked = ("validate", tmp_path / "run", "--for", "axolotl")
    report, printed = cli(*checked), cli(*checked, "--write-config", "-")
    assert cli(*checked, "--write-config", tmp_path / "axolotl.yaml").returncode == printed.returncode == 0
    assert printed.stdout == (tmp_path / "axolotl.yaml").read_text()
    assert yaml.safe_load(printed.stdout)["datasets"]
    assert printed.stderr == report.stdout


def test_an_error_in_a_plugin_names_the_plugin(config_file: Path, tmp_path: Path) -> None:
    lines = ["class Boom:", "    def __init__(self, config): ...", "    def check(self, task):", "        1 / 0"]
    (tmp_path / "mine.py").write_text("\n".join(lines))
    done = cli_process("generate", config_file, "--set", "filters.custom=[mine:Boom]", cwd=tmp_path)
    assert done.returncode == 2
    assert "mine.py:4: ZeroDivisionError" in done.stderr
    assert "bug in selfinstruct" not in done.stderr


def test_seeds_from_standard_input(config_file: Path, seed_file: Path) -> None:
    done = cli_process("check", config_file, "--set", "seeds=-", stdin=seed_file.read_text())
    assert done.returncode == 0, done.stderr
    assert "8 tasks" in done.stdout


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    assert "Traceback" in cli("generate", tmp_path / "nowhere.yaml", "--debug").stderr


def test_terminal_escapes_of_a_model_are_not_printed(tmp_path: Path, config_file: Path) -> None:
    row = {"id": "x\u001b[31m", "instruction": "Say it \u001b[2J loud and clear.", "instances": []}
    seeds = tmp_path / "bad.jsonl"
    seeds.write_text(json.dumps(row) + "\n" + json.dumps(row))
    done = cli("check", _changed(config_file, seeds=str(seeds)))
    assert done.returncode == 2
    assert "\x1b" not in done.stderr + done.stdout


def test_the_end_of_a_run_says_what_restricts_its_use(config_file: Path, loopback: Callable[..., Loopback]) -> None:
    changes = ["teacher.kind=openai", f"teacher.base_url={loopback().base_url}", "teacher.api_key_env=null", "target=5"]
    settings = [argument for change in changes for argument in ("--set", change)]
    done = cli("generate", config_file, *settings, "--set", "teacher.model=llama3:8b", "--set", "dataset.license=mit")
    assert done.returncode == 0, done.stderr
    (restriction,) = [line for line in done.stderr.splitlines() if "license, restriction" in line]
    assert "llama3:8b: the terms of Llama 3 forbid using outputs to improve language models outside" in restriction
    assert "read 2026-11-25, https://github.com/meta-llama/llama3/blob/main/LICENSE" in restriction
    assert "license, conflict: The stated license, mit, does not pass on" in done.stderr
    assert (
        "license"
        not in cli(
            "generate", config_file, "--set", "target=5", "--set", "run_dir=" + str(config_file.parent / "free")
        ).stderr
    )
