"""Small documents of each format, written by the tests themselves."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

GUIDE = """\
# Pump guide

This guide describes the pump P-20. Read it before you open the housing, and keep it near the machine at all times.

## Pressure

The pump runs at 6 bar. Above 8 bar the valve opens and the pump stops. Press the green button to start it again.

1. Close the inlet.
2. Open the vent, and wait until the gauge shows 0 bar.

## Cleaning

Clean the filter once a week with warm water. Never use solvents, because they attack the seals of the filter housing.

```sh
# not a heading
pumpctl clean --force
```
"""


def pdf_of(pages: Sequence[Sequence[str]], path: Path, *, size: int = 11, title: str = "", encrypt: str = "") -> Path:
    """Write pages of lines; a line '# x' is a heading, '|' an empty line."""
    canvas = Canvas(str(path), pagesize=A4, encrypt=encrypt or None)
    if title:
        canvas.setTitle(title)
    for page in pages:
        y = 780
        for line in page:
            heading = line.startswith("# ")
            canvas.setFont("Helvetica-Bold" if heading else "Helvetica", size * 1.5 if heading else size)
            canvas.drawString(70, y, line.removeprefix("# ").strip("|"))
            y -= size * (2.2 if heading else 1.25)
        canvas.showPage()
    canvas.save()
    return path


def zip_of(path: Path, files: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def epub_of(path: Path, chapters: dict[str, str], title: str = "A book") -> Path:
    """Write an EPUB file with chapters of XHTML."""
    container = '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    container += '<rootfile full-path="OPS/book.opf"/></rootfiles></container>'
    items = "".join(
        f'<item id="c{n}" href="{name}" media-type="application/xhtml+xml"/>' for n, name in enumerate(chapters)
    )
    order = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    book = '<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
    book += f"<dc:title>{title}</dc:title></metadata><manifest>{items}</manifest><spine>{order}</spine></package>"
    files: dict[str, str | bytes] = {"mimetype": "application/epub+zip", "META-INF/container.xml": container}
    pages = {
        f"OPS/{name}": f'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body>{body}</body></html>'
        for name, body in chapters.items()
    }
    return zip_of(path, files | {"OPS/book.opf": book} | pages)


def docx_of(path: Path, paragraphs: Sequence[tuple[str, str]]) -> Path:
    """Write a DOCX file of (style, text) paragraphs: ('Heading1', 'Pressure')."""
    name = "http://schemas.openxmlformats.org"
    body = "".join(
        f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>'
        for style, text in paragraphs
    )
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="{style}"><w:name w:val="{style.replace("ng", "ng ")}"/></w:style>'
        for style in {style for style, _ in paragraphs}
    )
    w = f'xmlns:w="{name}/wordprocessingml/2006/main"'
    office = f"{name}/officeDocument/2006/relationships"
    kinds = "application/vnd.openxmlformats-officedocument.wordprocessingml"
    return zip_of(
        path,
        {
            "[Content_Types].xml": f'<Types xmlns="{name}/package/2006/content-types"><Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" '
            'ContentType="application/xml"/><Override PartName="/word/document.xml" '
            f'ContentType="{kinds}.document.main+xml"/></Types>',
            "_rels/.rels": f'<Relationships xmlns="{name}/package/2006/relationships"><Relationship Id="r1" '
            f'Type="{office}/officeDocument" Target="word/document.xml"/></Relationships>',
            "word/_rels/document.xml.rels": f'<Relationships xmlns="{name}/package/2006/relationships"><Relationship '
            f'Id="r2" Type="{office}/styles" Target="styles.xml"/></Relationships>',
            "word/styles.xml": f"<w:styles {w}>{styles}</w:styles>",
            "word/document.xml": f"<w:document {w}><w:body>{body}</w:body></w:document>",
        },
    )


def bomb(path: Path, megabytes: int, *, stated: int | None = None) -> Path:
    """Write an EPUB file with one chapter of many zeros. stated: the megabytes that its table of contents states."""
    epub_of(path, {"a.xhtml": "<p>0</p>" * (megabytes * 1024**2 // 8)})
    if stated is not None:
        raw = path.read_bytes()
        # The size before packing stands 24 bytes after the signature of an entry of the central directory.
        at = raw.rindex(b"OPS/a.xhtml") - 46
        path.write_bytes(raw[: at + 24] + struct.pack("<I", stated * 1024**2) + raw[at + 28 :])
    return path
