"""Sphinx configuration of the site that `make docs` builds from the Markdown pages."""

from __future__ import annotations

import re

from sphinx.application import Sphinx

project = "selfinstruct"
author = "The selfinstruct authors"
extensions = ["myst_parser"]
html_theme = "furo"  # loads nothing from other hosts
html_title = "selfinstruct"
html_show_copyright = False
html_copy_source = False
exclude_patterns = ["_build"]
highlight_language = "text"  # indented blocks are shell lines and output; fenced ones name their language
myst_heading_anchors = 3  # the anchors that GitHub gives to headings

_OUTSIDE = re.compile(r"\[([^\]]+)\]\((?:\.\./)+(?!guide/|inside/|reference/|start/)([\w./-]+)\)")
"""A link to a file of the repository outside docs/, such as `[benchmarks](../../benchmarks/README.md)`."""


def _name_repository_files(app: Sphinx, page: str, source: list[str]) -> None:
    """Name the files that are in the repository but not on the site, where GitHub shows a link."""
    source[0] = _OUTSIDE.sub(r"\1 (`\2` in the repository)", source[0])


def setup(app: Sphinx) -> None:
    """Register the hook; Sphinx calls this."""
    app.connect("source-read", _name_repository_files)
