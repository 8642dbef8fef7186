"""Hostile documents: each ends its own process only, with one clear reason, and the next document is read."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from made_files import bomb, epub_of, zip_of
from selfinstruct.documents import ParseLimits, read_documents

HOSTILE = {
    "hang": ("import time; time.sleep(60)", "takes more than 1 s"),
    "crash": ("import os; os.abort()", "its parser crashed (SIGABRT); it may be damaged"),
    "exit": ("import os; os._exit(0)", "its parser crashed (0); it may be damaged"),
    "fail": ("raise ValueError('no\\nsense')", "can't be parsed (ValueError: no sense); it may be damaged"),
    "number": ("return 7", "hostile:number must return a text, or a list of one text per page"),
}


def test_readers_that_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "print('imported')\ndef good(path):\n    import os; os.write(1, b'{}\\n'); return 'Text.'\n"
    body += "".join(f"def {name}(path):\n    {code}\n" for name, (code, _) in HOSTILE.items())
    (tmp_path / "hostile.py").write_text(body)
    monkeypatch.syspath_prepend(str(tmp_path))
    sources = [tmp_path / f"a.{name}" for name in [*HOSTILE, "good", "md"]]
    for source in sources:
        source.write_text("Text.")
    readers = {name: f"hostile:{name}" for name in [*HOSTILE, "good"]}
    read = read_documents(sources, readers=readers, limits=ParseLimits(wall_s=1))
    assert {each.name: each.reason for each in read.skipped} == {f"a.{name}": why for name, (_, why) in HOSTILE.items()}
    assert [each.name for each in read.documents] == ["a.good", "a.md"]


@pytest.mark.parametrize("depth", [200, 20_000])
def test_deeply_nested_pages(tmp_path: Path, depth: int) -> None:
    (tmp_path / "deep.html").write_text("<html><body>" + "<div><ul><li>" * depth + "Text.")
    (tmp_path / "next.md").write_text("Text.")
    assert [each.name for each in read_documents(tmp_path).documents][-1:] == ["next.md"]


@pytest.mark.slow
def test_a_document_that_takes_too_much_memory_or_time(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<p>word</p>" * 3_000_000)
    (tmp_path / "b.md").write_text("Text.")
    start = time.monotonic()
    for limits, words in ((ParseLimits(memory_mb=300), "memory"), (ParseLimits(cpu_s=1), "CPU time")):
        read = read_documents(tmp_path, limits=limits)
        assert [each.name for each in read.documents] == ["b.md"]
        assert words in read.skipped[0].reason
    assert time.monotonic() - start < 30


def test_archives_that_unpack_to_too_much(tmp_path: Path) -> None:
    bomb(tmp_path / "bomb.epub", 0, stated=1100)
    bomb(tmp_path / "large.epub", 40)
    nested = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "lol"}">' for n in range(10))
    zip_of(tmp_path / "laughs.epub", {"META-INF/container.xml": f"<!DOCTYPE l [{nested}]><l>&l9;</l>"})
    epub_of(tmp_path / "outside.epub", {"../../../etc/passwd": "<p>x</p>", "a.xhtml": "<p>Text.</p>"})
    read = read_documents(tmp_path, limits=ParseLimits(memory_mb=400))
    assert {each.name: each.reason for each in read.skipped} == {
        "large.epub": "takes more than 400 MB of memory",
        "bomb.epub": "unpacks to 1,100 MB, more than 1,024 MB",
        "laughs.epub": "lacks the list of its chapters; is it an EPUB file?",
    }
    assert "root:" not in read.documents[0].text


def test_a_page_reads_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("the secret")
    entity = f'<?xml version="1.0"?><!DOCTYPE html [<!ENTITY x SYSTEM "file://{tmp_path}/secret.txt">]>'
    zip_of(
        tmp_path / "a.epub",
        {
            "META-INF/container.xml": '<container><rootfile full-path="b.opf"/></container>',
            "b.opf": '<package><manifest><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest>'
            '<spine><itemref idref="a"/></spine></package>',
            "a.xhtml": f"{entity}<html><body><p>Hello &x; there.</p></body></html>",
        },
    )
    assert [each.text for each in read_documents(tmp_path / "a.epub").documents] == ["Hello there."]
