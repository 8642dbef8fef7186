"""'Like this': words of a record become a filter of the configuration, after a look at what else it would reject.

The page of `selfinstruct review` uses this module. Nothing but the configuration is written; a replay applies it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..config.run_config import RunConfig
from ..config.yaml_edit import extend_list
from ..core.errors import UsageError
from ..core.paths import quoted
from ..core.reviews import Review
from ..core.tasks import storable
from ..filters import text_filter, words_of
from .review_queue import Item

FILTERS = {
    "keywords": "The instruction has these words",
    "prefixes": "The instruction begins with them",
    "answer_keywords": "The answer has them",
}
MOST_WORDS = 200
_EXAMPLES = 5


class LikeThis:
    """The filters that a reviewer may add. file: the configuration to write to; None to only say what to write."""

    def __init__(self, config: RunConfig, run: Path, file: Path | None) -> None:
        """Raise ConfigError if the file is no configuration."""
        self._config, self._run, self.file = config, run, file
        self._current()

    def preview(self, given: Any, items: Iterable[Item], held: dict[str, list[Review]]) -> dict[str, Any]:
        """Return what a filter would reject: how many records, how many of them people accepted, and a few of them.

        given: {"filter": a key of `FILTERS`, "words": ...}. Raises UsageError if it is not that.
        """
        name, words = _checked(given)
        rejects = text_filter(name, words, self._config.language)
        found, total = list[Item](), 0
        for item in items:
            if item.record is None:
                continue
            total += 1
            if name == "answer_keywords":
                texts = [each["answer"] for each in item.content["examples"]]
            else:
                # What a program words is not held to rules about instructions.
                truth = item.record.examples[0].ground_truth
                texts = [] if truth and truth.by == "program" else [item.content["instruction"]]
            if any(map(rejects, texts)):
                found.append(item)
        accepted = [each for each in found if any(one.verdict == "accept" for one in held.get(each.digest, ()))]
        return {
            "count": len(found),
            "of": total,
            "accepted": len(accepted),
            "examples": [_text(item, name) for item in found[:_EXAMPLES]],
            "option": f"filters.{name}",
            "file": "" if self.file is None else str(self.file),
        }

    def write(self, given: Any) -> dict[str, str]:
        """Write the filter into the configuration, and return what to do next. Raises UsageError or ConfigError."""
        name, words = _checked(given)
        config = self._current()
        listed = words_of(config, name)
        if words not in listed:
            listed.append(words)
            if self.file is None:
                raise UsageError(
                    f"no configuration to write to; start `review` with --config, or add {words!r} yourself"
                )
            extend_list(self.file, "filters", name, listed)
        again = f"selfinstruct generate {quoted(self.file or Path('CONFIG'))} --fork NEW_RUN"
        return {"said": f"filters.{name} has {words!r}; `{again}` applies it to the answers of {self._run}"}

    def _current(self) -> RunConfig:
        """Return the configuration as the file has it now."""
        return self._config if self.file is None else RunConfig.load(self.file)


def _checked(given: Any) -> tuple[str, str]:
    name, words = (given.get("filter"), given.get("words")) if isinstance(given, dict) else (None, None)
    if name not in FILTERS:
        raise UsageError(f"filter: must be one of {', '.join(FILTERS)}")
    words = " ".join(storable(words).split()) if isinstance(words, str) else ""
    if not words or len(words) > MOST_WORDS or not any(char.isalnum() for char in words):
        raise UsageError(f"words: 1 to {MOST_WORDS} characters, with a letter or a number among them")
    return name, words


def _text(item: Item, name: str) -> str:
    text = item.content["examples"][0]["answer"] if name == "answer_keywords" else item.content["instruction"]
    return str(text)[:300]
