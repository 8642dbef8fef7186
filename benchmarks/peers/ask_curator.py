"""bespokelabs-curator, as its guide has it: an LLM with the openai backend and its backend_params.

Two things are stubbed so that it runs without the network: the tokenizer `cl100k_base`, which it downloads to foresee
tokens (here: a token for four characters), and its telemetry. The limits a minute are put out of the way.
"""

from __future__ import annotations

import logging
import os

os.environ |= {"TELEMETRY_ENABLED": "false", "CURATOR_VIEWER": "0"}

import tiktoken
from bespokelabs import curator
from loop_task import Task, measure


class FourCharacters:
    """Stands in for a tokenizer."""

    def encode(self, text: str, **options: object) -> list[int]:
        """One number for every four characters."""
        return [0] * (len(text) // 4 + 1)


def _ask(task: Task) -> None:
    os.environ["CURATOR_CACHE_DIR"] = str(task.folder)
    tiktoken.get_encoding = lambda name: FourCharacters()
    logging.getLogger("bespokelabs").setLevel(logging.WARNING)
    teacher = curator.LLM(
        model_name="fake",
        backend="openai",
        backend_params={
            "base_url": task.base_url,
            "api_key": "none",
            "max_concurrent_requests": task.in_flight,
            "max_requests_per_minute": 10_000_000,
            "max_tokens_per_minute": 1_000_000_000_000,
        },
    )
    made = teacher(task.texts).dataset
    answered = sum(1 for row in made if row["response"])
    assert answered == len(task.questions), f"{answered} of {len(task.questions)} rows have an answer"


if __name__ == "__main__":
    measure(_ask)
