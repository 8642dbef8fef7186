"""How instruction, input and output become one prompt and its completion.

The published variety is that of Self-Instruct (Wang et al. 2022, arXiv 2212.10560, on finetuning the model with the
data: several templates, with or without the marks 'Task:', 'Input:' and 'Output:', with more or fewer line breaks, so
that the model doesn't hang on one form). Which ones these are follows the code that the authors published: seven for
tasks with an input, six for tasks without.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ..core.records import user_text


@dataclass(frozen=True, slots=True)
class Pair:
    """What a completion model reads, and what it learns to write after it."""

    prompt: str
    completion: str


@dataclass(frozen=True, slots=True)
class PromptStyle:
    """One template. The prompt is task mark, instruction, `gap`, input mark, input, `end`; without an input only
    task mark, instruction, `end`. After an 'Output:' mark the completion begins with a blank."""

    task: str = ""
    gap: str = ""
    mark: str = ""
    end: str = "\n\n"

    def fill(self, instruction: str, given: str, output: str) -> Pair:
        """The pair; texts are stripped as published."""
        middle = f"{self.gap}{self.mark}{given}" if given else ""
        blank = " " if self.end.endswith(":") else ""
        return Pair(f"{self.task}{instruction}{middle}{self.end}", blank + output)


WITH_INPUT = (
    PromptStyle(gap="\n", mark="Input: ", end="\nOutput:"),
    PromptStyle(gap="\n\n", mark="Input: ", end="\n\nOutput:"),
    PromptStyle(task="Task: ", gap="\n", mark="Input: ", end="\nOutput:"),
    PromptStyle(gap="\n\n", end="\n\nOutput:"),
    PromptStyle(gap="\n\n"),
    PromptStyle(gap="\n"),
    PromptStyle(task="Task: ", gap="\n\n"),
)
WITHOUT_INPUT = (
    PromptStyle(end=" Output:"),
    PromptStyle(end="\nOutput:"),
    PromptStyle(end="\n\nOutput:"),
    PromptStyle(end="\n"),
    PromptStyle(),
    PromptStyle(task="Task: "),
)


def plain_prompt(instruction: str, given: str, output: str) -> Pair:
    """The one form of every row: instruction, input where there is one, each followed by a blank line."""
    return Pair(user_text(instruction, given) + "\n\n", output)


def published_prompt(row_id: str, random_seed: int, instruction: str, given: str, output: str) -> Pair:
    """The pair in one of the published templates.

    Which one follows from the seed and the row's id alone: the same in every export, whatever rows come later.
    """
    instruction, given, output = instruction.strip(), given.strip(), output.strip()
    styles = WITH_INPUT if given else WITHOUT_INPUT
    digest = hashlib.sha256(f"prompt:{random_seed}:{row_id}".encode()).digest()
    return styles[int.from_bytes(digest[:8], "big") % len(styles)].fill(instruction, given, output)
