"""The page of a quote: 20 PDF files of different layouts, with a sentence for every few words of every page."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from reportlab.lib.pagesizes import A4, A5, landscape, letter
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

import conftest
from selfinstruct.core.documents import Passage
from selfinstruct.documents import read_documents

PAGES = 3
WORDS = (
    "valve pump filter gauge housing seal bearing motor switch sensor cable relay flange gasket impeller coupling "
    "shaft pressure temperature maintenance documentation manufacturer installation configuration recommendation"
).split()
CHINESE = "阀门 水泵 过滤器 压力表 外壳 密封圈 轴承 电机 开关 传感器 电缆 维护 安装 温度".split()


@dataclass(frozen=True)
class Layout:
    """How the pages of a file look; '{}' in head and foot is the number of the page."""

    size: float = 10
    paper: tuple[float, float] = A4
    columns: int = 1
    head: str = ""
    foot: str = ""
    odd_head: str = ""
    first: int = 1  # the number that is printed on the first page
    font: str = "Helvetica"
    hyphens: bool = False
    gap: float = 0.6  # lines between paragraphs
    indent: float = 0.0
    leading: float = 1.2
    headings: str = "{}. Chapter about the {}"
    blank: int = 0  # this page is empty
    code: bool = False
    items: bool = False
    footnote: bool = False
    chinese: bool = False
    short: bool = False  # slides


LAYOUTS = {
    "plain": Layout(),
    "numbers below": Layout(foot="{}"),
    "head and number": Layout(head="Pump manual", foot="Page {} of 3"),
    "odd and even heads": Layout(head="{}  Pump manual", odd_head="Chapter 2  {}", size=11, paper=letter),
    "front matter": Layout(foot="- {} -", first=15, font="Times-Roman", indent=14, gap=0),
    "two columns": Layout(columns=2, size=9, foot="{}", font="Times-Roman", gap=0, indent=10),
    "two columns, hyphens": Layout(columns=2, size=8, head="Journal of Pumps, Vol. 12", hyphens=True),
    "three columns": Layout(columns=3, size=8, paper=landscape(A4), foot="Leaflet P-20 · {}"),
    "hyphens": Layout(size=12, hyphens=True, head="Handbook"),
    "hyphens, indented": Layout(hyphens=True, indent=12, gap=0, foot="{}", paper=A5),
    "large print": Layout(size=16, foot="{}"),
    "small print": Layout(size=6.5, leading=1.1, head="Terms and conditions"),
    "wide lines": Layout(leading=1.8, foot="Revision 3, page {}"),
    "blank page": Layout(blank=2, foot="{}"),
    "code": Layout(code=True, head="Developer guide", foot="{}"),
    "lists": Layout(items=True, foot="{}"),
    "footnotes": Layout(footnote=True, head="Pumps", foot="{}"),
    "slides": Layout(short=True, size=20, paper=landscape(A5), foot="Pump training   {}", headings="The {1}"),
    "no headings": Layout(headings="", font="Courier", size=9),
    "Chinese": Layout(chinese=True, foot="第 {} 页", headings="第{}章 {}"),
}


def write_pdf(path: Path, layout: Layout, seed: int) -> list[tuple[str, int]]:
    """Write a file. Return each of its sentences with the page on which it begins, counted from 1."""
    rng, canvas = random.Random(seed), Canvas(str(path), pagesize=layout.paper)
    width, height = layout.paper
    font, bold = layout.font, {"Helvetica": "Helvetica-Bold", "Times-Roman": "Times-Bold"}.get(layout.font, layout.font)
    if layout.chinese:
        pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
        font = bold = "STSong-Light"
    step, margin, gutter = layout.size * layout.leading, 60.0, 20.0
    column_width = (width - 2 * margin - gutter * (layout.columns - 1)) / layout.columns
    sentences: list[tuple[str, int]] = []
    page, column, y, number = 1, 0, height - 80, 0
    space = "" if layout.chinese else " "

    def decorate() -> None:
        head = layout.odd_head if layout.odd_head and page % 2 else layout.head
        canvas.setFont(layout.font if not layout.chinese else font, 8)
        canvas.drawString(margin, height - 40, head.format(page + layout.first - 1))
        canvas.drawCentredString(width / 2, 30, layout.foot.format(page + layout.first - 1))
        if layout.footnote:
            canvas.setFont(layout.font, layout.size - 3)
            canvas.drawString(margin, 52, f"{page} See part {page * 3} of the standard for pumps.")

    def turn() -> bool:
        """Go to the next column or page. Return False at the end of the file."""
        nonlocal page, column, y
        column += 1
        if column == layout.columns:
            decorate()
            canvas.showPage()
            page, column = page + 1, 0
            if page == layout.blank:
                canvas.showPage()
                page += 1
        y = height - 80
        return page <= PAGES

    def line(text: str, name: str, size: float, left: float = 0.0) -> bool:
        nonlocal y
        if y < 70 and not turn():
            return False
        canvas.setFont(name, size)
        canvas.drawString(margin + column * (column_width + gutter) + left, y, text)
        y -= step * size / layout.size
        return True

    def sentence() -> str:
        nonlocal number
        number += 1
        vocabulary = CHINESE if layout.chinese else WORDS
        words = [rng.choice(vocabulary) for _ in range(rng.randint(8, 22))]
        if layout.chinese:
            return f"第{number}号" + "".join(words) + "。"
        return f"Rule {number} of the " + " ".join(words) + "."

    def paragraph(count: int, left: float = 0.0, mark: str = "") -> bool:
        """Draw sentences word by word; note on which page each begins."""
        text, at, starts = "", layout.indent if not mark else 0.0, list[str]()
        words: list[tuple[str, str | None]] = []
        for _ in range(count):
            whole = sentence()
            parts = re.findall(r"\d+|.", whole) if layout.chinese else whole.split(" ")
            words += [(part, whole if index == 0 else None) for index, part in enumerate(parts)]
        text = mark

        def flush() -> bool:
            nonlocal text, at, starts
            if not line(text, font, layout.size, left + at):
                return False
            sentences.extend((each, page) for each in starts)
            text, at, starts = "", 0.0, []
            return True

        room = column_width - left
        for word, begun in words:
            more = (space if text and not text.endswith(" ") else "") + word
            if canvas.stringWidth(text + more, font, layout.size) + at > room:
                if layout.hyphens and len(word) > 8 and begun is None:
                    half = (space if text else "") + word[:5] + "-"
                    if canvas.stringWidth(text + half, font, layout.size) + at <= room:
                        text, word = text + half, word[5:]
                if not flush():
                    return False
                more = word
            if begun:
                starts.append(begun)
            text += more
        return flush()

    chapter = whole = 0
    while page <= PAGES:
        whole = len(sentences)
        if layout.headings and (chapter == 0 or rng.random() < 0.2 or layout.short):
            chapter += 1
            title = layout.headings.format(chapter, rng.choice(CHINESE if layout.chinese else WORDS))
            if layout.short and chapter > 1 and not turn():
                break
            y -= step * 0.5
            if y < 120 and not turn():
                break
            if not line(title, bold, layout.size * 1.5):
                break
        if layout.items and rng.random() < 0.5:
            for _ in range(3):
                if not paragraph(1, 15, "• "):
                    break
        if layout.code and rng.random() < 0.4:
            for _ in range(4):
                line(f"pumpctl set {rng.choice(WORDS)} {rng.randint(1, 999)}", "Courier", layout.size)
        whole = len(sentences)
        if not paragraph(2 if layout.short else rng.randint(2, 6)):
            break
        y -= step * layout.gap
    if page <= PAGES:
        decorate()
    canvas.save()
    return sentences[:whole]  # the last paragraph is cut


@pytest.mark.slow
def test_the_page_of_a_quote_is_right(tmp_path: Path) -> None:
    drawn = {
        f"{number:02} {name}.pdf": write_pdf(tmp_path / f"{number:02} {name}.pdf", layout, number)
        for number, (name, layout) in enumerate(LAYOUTS.items())
    }
    read = read_documents(tmp_path)
    assert [each.name for each in read.documents] == list(drawn)
    assert len(drawn) == 20
    right = found = total = 0
    wrong: dict[str, list[str]] = {}
    for document in read.documents:
        whole = Passage(document.name, document.name, 0, len(document.text), document.text, pages=document.pages)
        for sentence, page in drawn[document.name]:
            quote = whole.find(sentence)
            total, found = total + 1, found + (quote is not None)
            right += quote is not None and quote.page == page
            if quote is None or quote.page != page:
                wrong.setdefault(document.name, []).append(f"{quote and quote.page}, not {page}: {sentence}")
    conftest.FIGURES.append(f"pages of quotes from 20 PDF files: {right:,} of {total:,} right, {found:,} found")
    assert total > 1500
    assert right >= 0.98 * total, "\n".join(f"{name}: {len(each)}, {each[0]}" for name, each in wrong.items())
