"""Chunking: exact offsets, boundaries, headings, what is skipped and why, and near-duplicates."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from made_files import GUIDE
from selfinstruct.core.errors import UsageError
from selfinstruct.core.sentences import split_sentences
from selfinstruct.core.tokens import tokenize
from selfinstruct.documents import Chunks, Document, chunk_documents
from selfinstruct.documents.headings import find_headings


def document_of(text: str, name: str = "guide.md", format: str = "Markdown", title: str = "") -> Document:
    return Document(name, format, text, title, tuple(find_headings(text, format)))


def prose(words: int, seed: int = 0) -> str:
    """Sentences of nine words, each different."""
    sentences = [f"Part {seed}x{n} of the plant uses valve number {n * 7 + seed}." for n in range(words // 9)]
    return " ".join(sentences)


def reasons(chunks: Chunks) -> list[str]:
    return [each.reason for each in chunks.skipped]


_PIECES = st.sampled_from(
    [
        "# Head\n",
        "## Below\n",
        "\n",
        "\n\n",
        "- item one\n",
        "  more of it\n",
        "1. first\n",
        "```\n",
        "| a | b |\n",
        "    x = 1\n",
        "A sentence. Another one! ",
        "e.g. this, ",
        "这是一句话。然后呢？",
        "ไทย ไม่มีจุด ",
        "word " * 30,
        "x" * 200,
        "---\n",
        " \t ",
        "é\u0301",
    ]
)


@given(st.lists(_PIECES, max_size=40), st.integers(20, 80))
def test_offsets_are_exact_and_passages_never_overlap(pieces: list[str], max_words: int) -> None:
    document = document_of("".join(pieces))
    chunks = chunk_documents([document], max_words=max_words)
    parts = sorted([*chunks.passages, *chunks.skipped], key=lambda each: each.start)
    for passage in chunks.passages:
        assert document.text[passage.start : passage.end] == passage.text == passage.text.strip()
        assert passage.id == f"guide.md:{passage.start}-{passage.end}"
        assert len(tokenize(passage.text)) <= max_words
    assert all(one.end <= other.start for one, other in pairwise(parts))
    # Every word is in a part, in a heading, or above the text.
    covered = {at for each in parts for at in range(each.start, each.end)}
    covered |= {at for each in document.headings for at in range(each.start, each.end)}
    front = re.match(r"---\n(?:.*\n)*?---\n", document.text)
    left = [at for at, char in enumerate(document.text) if char.isalnum() and at not in covered]
    assert all(front and at < front.end() for at in left)


def test_passages_are_cut_at_headings_and_know_them() -> None:
    heads = ["# Guide", "## Pressure", "### Valve", "## Cleaning"]
    text = "\n\n".join(f"{head}\n\n{prose(60, number)}" for number, head in enumerate(heads))
    chunks = chunk_documents([document_of(text, title="Guide")])
    assert [each.headings for each in chunks.passages] == [(), ("Pressure",), ("Pressure", "Valve"), ("Cleaning",)]
    assert [each.title for each in chunks.passages] == ["Guide"] * 4
    assert chunks.passages[2].text == prose(60, 2)


def test_a_short_section_is_joined_with_its_neighbor() -> None:
    chunks = chunk_documents([document_of(GUIDE, title="Pump guide")])
    assert [(each.headings, each.text[:10]) for each in chunks.passages] == [
        ((), "This guide"),
        (("Cleaning",), "Clean the "),
    ]


def test_a_long_section_is_cut_after_paragraphs_then_sentences() -> None:
    text = "\n\n".join(prose(90, seed) for seed in range(9))
    passages = chunk_documents([document_of(text)], max_words=200).passages
    assert [len(tokenize(each.text)) for each in passages] == [180, 180, 180, 180, 90]
    passages = chunk_documents([document_of(prose(900))], max_words=200).passages
    assert len(passages) == 5
    assert all(each.text.startswith("Part") and each.text.endswith(".") for each in passages)


@pytest.mark.parametrize(
    "whole",
    [
        "- Close the inlet, then. Wait for the\n  gauge to fall. Open the vent.",
        "```sh\npump stop\n\npump start\n```",
        "| a b | c d |",
    ],
)
def test_items_code_and_rows_are_never_cut(whole: str) -> None:
    for words in range(9, 120, 9):
        passages = chunk_documents([document_of(f"{prose(words)}\n\n{whole}\n\n{prose(90, 1)}")], max_words=60).passages
        assert any(whole in each.text for each in passages), words


def test_scripts_without_spaces() -> None:
    text = "".join(f"第{n}号阀门的压力是{n}巴。" for n in range(100))
    passages = chunk_documents([document_of(text)], max_words=200, max_similarity=1.0).passages
    assert all(each.text.endswith("。") and len(tokenize(each.text)) <= 200 for each in passages)
    assert "".join(each.text for each in passages) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("## Contents\n\n- Pressure and how to measure it\n- Cleaning the filter of the pump\n", "contents"),
        ("1 Pressure . . . . . . 3\n2 Cleaning . . . . . . . 4\n3 Storing the pump . . . . . 9\n", "contents"),
        ("Pressure 3\n\nCleaning 4\n\nStoring 5\n\nRepair 8\n\nDisposal 9\n\nDeclaration 12\n", "contents"),
        ("# Index\n\nvalve, 3, 12\nvent, 4\nfilter, cleaning of, 9, 10, 12\n", "index"),
        ("vent, 4, 9\nvalve, 3\nfilter, 9\nseal, 2\npump, 1\ninlet, 1, 3\n", "index"),
        (
            "# License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy of it.\n",
            "license",
        ),
        (
            "# GNU General Public License\n\nYou may copy and distribute verbatim copies of the program as received.",
            "license",
        ),
        ("Home Products Contact Search Previous Next and some more words to look at", "navigation"),
        ("Too short.", "too_short"),
        ("0x12 0x99 0x71 12 99 71 33 812 99 12 44 0x91 9 1 2 3 4 5", "no_words"),
    ],
)
def test_what_nobody_would_ask_about_is_skipped(text: str, reason: str) -> None:
    chunks = chunk_documents([document_of(text)])
    assert (reasons(chunks), chunks.passages) == ([reason], ())


@pytest.mark.parametrize(
    "text",
    [
        "# License keys\n\nEnter the license key under Settings. A key is valid for one year and three machines.",
        "- Water at 20 degrees\n- Oil of the grade 46\n- Air, dry and clean, at 6 bar\n- Nitrogen from a bottle",
        "The index of refraction of the glass is 1.5. Its density is 2.5 grams for each cubic centimeter of it.",
    ],
)
def test_content_that_looks_similar_is_kept(text: str) -> None:
    assert reasons(chunk_documents([document_of(text)])) == []


def test_near_duplicates_name_the_passage_that_is_kept() -> None:
    text = prose(90)
    documents = [
        document_of(text, "a.md"),
        document_of(text.replace("plant", "factory", 2), "b.md"),
        document_of(prose(90, 5), "c.md"),
    ]
    chunks = chunk_documents(documents)
    assert [each.document for each in chunks.passages] == ["a.md", "c.md"]
    assert [(each.reason, each.nearest) for each in chunks.skipped] == [("near_duplicate", chunks.passages[0].id)]
    # Of two similar passages the known one stays, although another document comes first.
    known = chunk_documents(documents[1:2]).passages
    assert [each.document for each in chunk_documents(documents, known=known).passages] == ["b.md", "c.md"]


def test_pages_of_a_passage() -> None:
    text = f"{prose(90)}\n\n{prose(90, 1)}"
    document = Document("a.pdf", "PDF", text, pages=((0, 1), (100, 2), (len(prose(90)) + 20, 3)))
    first = chunk_documents([document], max_words=100).passages[0]
    assert first.pages == ((0, 1), (100, 2))
    assert [first.page_of(first.start), first.page_of(first.end - 1)] == [1, 2]


@pytest.mark.parametrize(("max_words", "max_similarity"), [(5, 0.8), (100, 2.0)])
def test_bad_options_are_refused(max_words: int, max_similarity: float) -> None:
    with pytest.raises(UsageError, match="max_"):
        chunk_documents([document_of(GUIDE)], max_words=max_words, max_similarity=max_similarity)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        (
            "Use 1.5 bar. See Fig. 3, e.g. there. Dr. Ray said so!",
            ["Use 1.5 bar.", "See Fig. 3, e.g. there.", "Dr. Ray said so!"],
        ),
        ("Die Frist endet am 3. Mai. Das gilt z. B. hier.", ["Die Frist endet am 3. Mai.", "Das gilt z. B. hier."]),
        ("“Stop.” He left.\n\nNew one", ["“Stop.”", "He left.", "New one"]),
        ('"Go!" she said. "Why?" He left.', ['"Go!" she said.', '"Why?"', "He left."]),
        ("关闭阀门。打开它！好吗？好", ["关闭阀门。", "打开它！", "好吗？", "好"]),
        ("1. Open it. 2. Close it.", ["1. Open it.", "2. Close it."]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert [text[start:end] for start, end in split_sentences(text)] == sentences
