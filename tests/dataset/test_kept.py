"""What is on disk is safe: nothing in the folder of a dataset is lost, unless `--overwrite` says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import datasets
import pytest
import yaml

from conftest import cli
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import UsageError
from selfinstruct.dataset.write import export
from selfinstruct.generate.start import run
from selfinstruct.journal.folder import Run

MakeConfig = Callable[..., RunConfig]


def _edit_cell(folder: Path) -> None:
    path = next((folder / "alpaca").glob("*.parquet"))
    rows = datasets.Dataset.from_parquet(str(path), cache_dir=str(folder.parent / "cache"))
    with path.open("wb") as file:
        rows.map(lambda row: {"output": "Corrected."}).to_parquet(file)


def _edit_card(folder: Path) -> None:
    card = folder / "README.md"
    card.write_text(card.read_text() + "\nChecked by hand.\n")


EDITS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a cell": (_edit_cell, r"alpaca/train-00000-of-00001\.parquet \(changed\)"),
    "the card": (_edit_card, r"README\.md \(changed\)"),
    "a file": (lambda folder: (folder / "NOTES.md").write_text("Mine."), r"NOTES\.md \(added\)"),
    "a hidden folder": (
        lambda folder: (folder / ".git").mkdir() or (folder / ".git" / "HEAD").touch(),
        r"\.git/HEAD \(added\)",
    ),
}


def _bytes(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("edit", EDITS)
def test_a_start_keeps_what_was_changed_by_hand(make_config: MakeConfig, edit: str) -> None:
    config = make_config(target=10)
    folder = run(config).dataset_path
    change, named = EDITS[edit]
    change(folder)
    before, requests = _bytes(folder), Run(config.run_dir).status().requests
    more = config.model_copy(update={"target": 20})
    for start in (lambda: run(config), lambda: run(more), lambda: export(config.run_dir)):
        with pytest.raises(
            UsageError, match=rf"would lose {named}; nothing was changed.*--overwrite.*`selfinstruct review .*run`$"
        ):
            start()
    status = Run(config.run_dir).status()
    assert (_bytes(folder), status.requests, status.target) == (before, requests, 10), "nothing is asked or changed"
    assert len(run(more, overwrite=True).records()) == 20
    assert not (folder / "NOTES.md").exists()
    run(config.model_copy(update={"target": 30}))


def test_what_is_changed_during_a_run_is_kept_and_the_answers_too(make_config: MakeConfig) -> None:
    config = make_config(target=10)
    folder = run(config).dataset_path
    more = config.model_copy(update={"target": 20})
    with pytest.raises(UsageError, match=r"NOTES\.md \(added\)"):
        run(more, progress=lambda now: (folder / "NOTES.md").write_text("Mine."))
    requests = Run(config.run_dir).status().requests
    (folder / "NOTES.md").unlink()
    done = run(more)
    assert (len(done.records()), done.status().requests) == (20, requests), "the answers were kept"


def test_a_deleted_file_comes_back(make_config: MakeConfig) -> None:
    config = make_config(target=10)
    folder = run(config).dataset_path
    before = _bytes(folder)
    next((folder / "alpaca").iterdir()).unlink()
    run(config)
    assert _bytes(folder) == before


def test_without_the_hashes_nothing_is_known_to_be_unchanged(make_config: MakeConfig) -> None:
    config = make_config(target=10)
    folder = run(config).dataset_path
    (folder / ".sha256sums").unlink()
    with (folder / "README.md").open("a") as file:
        file.write("\nMine.\n")
    before = _bytes(folder)
    more = config.model_copy(update={"target": 20})
    with pytest.raises(UsageError, match=r"would lose whatever was changed by hand \(\.sha256sums is missing\); "):
        run(more)
    assert _bytes(folder) == before
    assert len(run(more, overwrite=True).records()) == 20
    assert (folder / ".sha256sums").exists()


@pytest.mark.parametrize("linked", [False, True])
def test_what_no_export_wrote_stays(linked: bool, make_config: MakeConfig, tmp_path: Path) -> None:
    config = make_config(target=10)
    folder = Path(config.run_dir) / "dataset"
    folder.parent.mkdir(parents=True, exist_ok=True)
    real = tmp_path / "precious" if linked else folder
    real.mkdir()
    if linked:
        folder.symlink_to(real)
    (real / "thesis.txt").write_text("Mine.")
    with pytest.raises(UsageError, match=r"contains 'thesis.txt', which no export wrote; move it away"):
        run(config)
    assert (real / "thesis.txt").read_text() == "Mine."
    (real / "thesis.txt").unlink()
    assert len(run(config).records()) == 10  # an empty folder is as good as none


@pytest.mark.parametrize("command", [("report",), ("review", "--export", "html")])
def test_a_page_replaces_pages_only(command: tuple[str, ...], make_config: MakeConfig, tmp_path: Path) -> None:
    made = run(make_config(target=3))
    name, *options = command
    into = [*options] if options else ["--output"]
    mine = tmp_path / "config.yaml"
    mine.write_text("target: 3\n")
    done = cli(name, made.path, *into, mine)
    assert done.returncode == 2
    assert f"{mine}: already exists, and is no page; name another file" in done.stderr
    assert mine.read_text() == "target: 3\n"
    page = tmp_path / "page.html"
    for _ in range(2):
        assert cli(name, made.path, *into, page).returncode == 0
    assert page.read_text().lower().startswith("<!doctype html")
    shown = cli(name, made.path, *into, "-", cwd=tmp_path)
    assert shown.stdout.lower().startswith("<!doctype html")
    assert not (tmp_path / "-").exists()


def test_many_changes_are_counted(make_config: MakeConfig) -> None:
    config = make_config(target=10)
    folder = run(config).dataset_path
    for number in range(9):
        (folder / f"{number}.txt").touch()
    with pytest.raises(UsageError, match=r"4\.txt \(added\), 4 more; "):
        run(config)


def test_records_and_configs_go_only_when_it_is_said(make_config: MakeConfig, tmp_path: Path) -> None:
    config = make_config(target=30)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config.model_dump(mode="json", exclude_unset=True)))
    folder = Path(config.run_dir) / "dataset"
    assert cli("generate", path).returncode == 0
    before = _bytes(folder)

    less = cli("generate", path, "--set", "target=10")
    other = cli("export", config.run_dir, "--format", "alpaca")
    assert (less.returncode, other.returncode) == (2, 2)
    assert "would lose 20 of 30 records; nothing was changed" in less.stderr
    assert "would lose the config messages, the config prompt_completion; " in other.stderr
    assert _bytes(folder) == before
    assert Run(config.run_dir).status().target == 30
    assert cli("export", config.run_dir, "--format", "alpaca", "--output", tmp_path / "alpaca").returncode == 0

    assert cli("generate", path, "--set", "target=10", "--overwrite").returncode == 0
    assert "| 10 | 0 | 20 | fewer records |" in (folder / "README.md").read_text()
    assert cli("export", config.run_dir, "--format", "alpaca", "--overwrite").returncode == 0
    assert "| 10 | 0 | 0 | same records, different rows |" in (folder / "README.md").read_text()
    assert sorted(each.name for each in folder.iterdir() if each.is_dir()) == ["alpaca", "provenance"]
