"""Find the code blocks of a Markdown text; filters and verifiers read answers with it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

# '```python', '~~~', also indented.
_FENCE = re.compile(r"[ \t]*(?P<fence>`{3,}|~{3,})[ \t]*(?P<kind>\w*)")


def blocks_of(text: str) -> Iterator[tuple[str, str]]:
    """Yield each closed code block as (language in lower case or '', code)."""
    fence, kind, code = "", "", list[str]()
    for line in text.split("\n"):
        found = _FENCE.match(line)
        if not fence:
            if found:
                fence, kind, code = found["fence"], found["kind"].lower(), []
        # A closing fence has no language and is at least as long as the opening one.
        elif found and line.strip() == found["fence"] and found["fence"].startswith(fence):
            yield kind, textwrap.dedent("\n".join(code))
            fence = ""
        else:
            code.append(line)
