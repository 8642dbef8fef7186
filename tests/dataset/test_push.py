"""`selfinstruct push` against a stand-in of the hub: real HTTP, the real `huggingface_hub`, in a process of its own."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import datasets
import pytest

from conftest import ROOT
from hub_server import TOKEN, Hub, Repo
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import UsageError
from selfinstruct.dataset import plan_upload, write_dataset
from selfinstruct.generate.start import run
from selfinstruct.journal.folder import Run

REPO = "owner/tasks"


@pytest.fixture
def hub() -> Iterator[Hub]:
    started = Hub()
    yield started
    started.close()


@pytest.fixture
def made(make_config: Callable[..., RunConfig]) -> Run:
    dataset = {"formats": ["messages", "openai"], "test_share": 0.25, "shard_rows": 10}
    return run(make_config(dataset=dataset))


@pytest.fixture
def push(hub: Hub, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command with a token, in an empty home; `env` changes its environment."""

    def command(*arguments: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
        own = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path / "home")}
        line = [sys.executable, "-m", "selfinstruct", "push", *map(str, arguments)]
        everything = clean | own | (env or {})
        return subprocess.run(
            line, capture_output=True, text=True, cwd=ROOT, env=everything, stdin=subprocess.DEVNULL, timeout=120
        )

    return command


def files_of(folder: Path) -> dict[str, bytes]:
    """What is pushed of a folder: all but the list of its files, which says whether someone changed it here."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".sha256sums")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def files_on(repo: Repo, branch: str = "main") -> dict[str, bytes]:
    return {name: data for name, data in repo.branches[branch].items() if name != ".gitattributes"}


Push = Callable[..., subprocess.CompletedProcess[str]]


def test_a_new_dataset_is_private_and_holds_the_folder_byte_for_byte(
    hub: Hub, push: Push, made: Run, tmp_path: Path
) -> None:
    done = push(made.path, REPO, "--yes")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"{hub.url}/datasets/{REPO}/commit/{'1' * 40}"
    assert hub.repos[REPO].private
    assert files_on(hub.repos[REPO]) == files_of(made.dataset_path)
    assert len(hub.commits) == 1, "one commit: nobody ever sees half of it"
    for name, data in files_on(hub.repos[REPO]).items():
        (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / name).write_bytes(data)
    assert datasets.load_dataset(str(tmp_path / "copy"), "openai", split="train").num_rows > 20


def test_public_only_when_it_is_said(hub: Hub, push: Push, made: Run) -> None:
    assert push(made.path, REPO, "--yes", "--public").returncode == 0
    assert not hub.repos[REPO].private


@pytest.mark.slow
def test_to_a_public_dataset_only_those_add_who_say_so(hub: Hub, push: Push, made: Run) -> None:
    hub.repos[REPO] = Repo(private=False)
    done = push(made.dataset_path, REPO, "--yes")
    assert (done.returncode, "exists already, and is public; add --public" in done.stderr) == (2, True)
    assert not hub.commits
    assert push(made.dataset_path, REPO, "--yes", "--public").returncode == 0


def test_nothing_is_sent_unless_asked(hub: Hub, push: Push, made: Run) -> None:
    done = push(made.path, REPO)
    assert (done.returncode, hub.asked) == (2, [])
    assert "add --yes" in done.stderr
    for name in files_of(made.dataset_path):
        assert f"  {name}" in done.stdout, "what would be uploaded is shown"


@pytest.mark.parametrize(("answer", "code", "commits"), [(b"n\n", 3, 0), (b"y\n", 0, 1)])
def test_on_a_terminal_it_asks(hub: Hub, made: Run, tmp_path: Path, answer: bytes, code: int, commits: int) -> None:
    ours, theirs = pty.openpty()
    env = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    env |= {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path)}
    line = [sys.executable, "-m", "selfinstruct", "push", str(made.path), REPO]
    with subprocess.Popen(
        line, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=env
    ) as child:
        os.write(ours, answer)
        child.communicate(timeout=120)
    assert (child.returncode, len(hub.commits)) == (code, commits)
    os.close(ours)
    os.close(theirs)


def test_a_pull_request_leaves_the_branch_alone(hub: Hub, push: Push, made: Run) -> None:
    hub.repos[REPO] = Repo(private=True)
    done = push(made.path, REPO, "--yes", "--create-pr")
    assert done.stdout.splitlines()[-1] == f"{hub.url}/datasets/{REPO}/discussions/0"
    assert not files_on(hub.repos[REPO])
    assert files_on(hub.repos[REPO], "refs/pr/0") == files_of(made.dataset_path)


def test_a_branch_is_made_when_it_is_named(hub: Hub, push: Push, made: Run) -> None:
    assert push(made.path, REPO, "--yes", "--revision", "v2").returncode == 0
    assert not files_on(hub.repos[REPO])
    assert files_on(hub.repos[REPO], "v2") == files_of(made.dataset_path)


@pytest.mark.slow
def test_shards_of_an_older_export_go(hub: Hub, push: Push, made: Run) -> None:
    assert push(made.path, REPO, "--yes").returncode == 0
    hub.repos[REPO].branches["main"]["notes/mine.txt"] = b"kept"
    write_dataset(made, None, made.config.dataset.model_copy(update={"shard_rows": 25}))
    assert push(made.path, REPO, "--yes").returncode == 0
    assert files_on(hub.repos[REPO]) == files_of(made.dataset_path) | {"notes/mine.txt": b"kept"}


def test_only_card_and_data_are_sent(hub: Hub, push: Push, made: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(made.dataset_path, tmp_path / "copy")
    for name in (".env", "notes.txt", "messages/.secret", "messages/key.pem"):
        (folder / name).write_text(TOKEN)
    assert push(folder, REPO, "--yes").returncode == 0
    assert files_on(hub.repos[REPO]) == files_of(made.dataset_path)


@pytest.mark.slow
def test_offline_no_token_and_a_wrong_one_are_one_line(hub: Hub, push: Push, made: Run, tmp_path: Path) -> None:
    done = push(made.path, REPO, "--yes", env={"HF_HUB_OFFLINE": "1"})
    assert (done.returncode, "HF_HUB_OFFLINE is set: nothing is uploaded" in done.stderr) == (2, True)
    done = push(made.path, REPO, "--yes", env={"HF_TOKEN": ""})
    assert (done.returncode, "the hub needs a token: there is none; log in with `hf auth login`" in done.stderr) == (
        2,
        True,
    )
    assert not hub.asked
    wrong = "hf_" + "wrong" * 8
    done = push(made.path, REPO, "--yes", env={"HF_TOKEN": wrong})
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "the hub answers 401" in done.stderr
    assert wrong not in done.stdout + done.stderr, "also where the server repeats it"


@pytest.mark.slow
def test_a_hub_that_fails_or_is_not_there_ends_with_3(hub: Hub, push: Push, made: Run) -> None:
    hub.fail_with = 500
    done = push(made.path, REPO, "--yes")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "the hub answers 500" in done.stderr
    done = push(made.path, REPO, "--yes", env={"HF_ENDPOINT": "http://127.0.0.1:9"})
    assert (done.returncode, "the hub can't be reached" in done.stderr) == (3, True)


def test_the_token_stands_nowhere(hub: Hub, push: Push, made: Run, tmp_path: Path) -> None:
    done = push(made.path, REPO, "--yes", "--debug")
    assert TOKEN not in done.stdout + done.stderr
    written = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert written
    assert not [path for path in written if TOKEN.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("source", "repo", "options", "said"),
    [
        ("dataset", "tasks", {}, "use the form owner/name"),
        ("dataset", "a/b/c", {}, "use the form owner/name"),
        ("dataset", REPO, {"create_pr": True, "revision": "v2"}, "a pull request is always against main"),
        ("nowhere", REPO, {}, "neither a run with a dataset nor a dataset"),
        ("bare", REPO, {}, "contains no data files"),
    ],
)
def test_a_plan_that_cannot_be_is_one_line(
    made: Run, tmp_path: Path, source: str, repo: str, options: dict[str, object], said: str
) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "README.md").touch()
    folder = made.dataset_path if source == "dataset" else tmp_path / source
    with pytest.raises(UsageError, match=said):
        plan_upload(folder, repo, **options)  # type: ignore[arg-type]
