"""The command `documents`, and a run's passages from its configuration."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import cli
from made_files import GUIDE, pdf_of
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import UsageError
from selfinstruct.documents import load_passages


@pytest.fixture
def manuals(tmp_path: Path) -> Path:
    folder = tmp_path / "manuals"
    folder.mkdir()
    (folder / "guide.md").write_text(GUIDE + "\n## License\n\nAll rights reserved by ann.b@pumps.io, the owner.\n")
    (folder / "broken.txt").write_bytes(b"\xff\xff")
    pages = [
        ["The pump P-20 runs at six bar, which the gauge shows."],
        ["The filter is cleaned once a week with water."],
    ]
    pdf_of(pages, folder / "manual.pdf", title="Manual")
    return folder


def test_it_shows_what_is_read_and_left_out(manuals: Path) -> None:
    result = cli("documents", manuals)
    assert result.returncode == 0, result.stderr
    assert result.stdout == (
        "guide.md: Pump guide\n  Markdown, 580 characters, 2 passages\n  left out: 1 license\n"
        "manual.pdf: Manual\n  PDF, 2 pages, 100 characters, 1 passage\n"
        "broken.txt\n  not read: isn't UTF-8 text (byte 0); save it as UTF-8\n\n"
        "documents  2 read, 1 not read\ntext       680 characters, 2 pages\n"
        "passages   3, 38 words on average\nleft out   1 license\n"
    )


def test_json_has_the_same(manuals: Path) -> None:
    values = json.loads(cli("documents", manuals, "--json").stdout)
    guide, manual = values["documents"]
    assert (guide["title"], guide["left_out"][0]["reason"], manual["pages"]) == ("Pump guide", "license", 2)
    assert values["not_read"][0]["name"] == "broken.txt"
    assert (values["passages"], values["left_out"]) == (3, 1)


def test_personal_data_is_named_but_not_shown(manuals: Path) -> None:
    (manuals / "guide.md").write_text("Write to Ann at ann.b@pumps-of-the-north.io before you order a new part.")
    result = cli("documents", manuals / "guide.md")
    assert "guide.md: an e-mail address in 1 passage; the teacher is shown it and may repeat it" in result.stderr
    assert "ann.b" not in result.stderr + result.stdout


def test_a_configuration_names_documents_and_readers(manuals: Path, make_config: Callable[..., RunConfig]) -> None:
    (manuals / "run.yaml").write_text(
        f"documents: {manuals}\nrun_dir: {manuals}/run\nteacher: fake\npassage_words: 20\nseeds: null\n"
    )
    values = json.loads(cli("documents", manuals / "run.yaml", "--json").stdout)
    config = RunConfig.load(manuals / "run.yaml")
    passages = load_passages(config)
    assert [each.id for each in passages] == [id for each in values["documents"] for id in each["passages"]]
    assert max(len(each.text.split()) for each in passages) <= 20
    bad = make_config(documents=str(manuals), document_readers={"txt": "nowhere:read"})
    with pytest.raises(UsageError, match="nowhere:read"):
        load_passages(bad)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("nowhere", "nowhere: no such file or folder; check the path"),
        ("*.png", "*.png: no file fits this pattern; check it"),
        ("broken.txt", "no passage was found; add documents that are read (the reasons are above)"),
    ],
)
def test_what_can_not_be_read_ends_with_one_line(manuals: Path, name: str, line: str) -> None:
    result = cli("documents", name, cwd=manuals)
    assert (result.returncode, result.stderr) == (2, f"selfinstruct: error: {line}\n")


def test_a_missing_library_is_named(manuals: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (manuals / "pypdfium2.py").write_text("raise ImportError(name='pypdfium2')")
    monkeypatch.syspath_prepend(str(manuals))
    result = cli("documents", manuals / "manual.pdf")
    expected = "documents: PDF needs pypdfium2; pip install 'selfinstruct[documents]'"
    assert (result.returncode, result.stderr) == (2, f"selfinstruct: error: {expected}\n")
