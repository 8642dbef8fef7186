"""The student: a causal language model whose upper layers are trained on the processor. Only this file uses torch.

The lower two thirds of the layers are frozen, so they run once over each text and their output is kept; the softmax is
over the tokens that occur in the trial's texts. `Student` gives losses and answers, before and after a training.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import UsageError
from ..core.paths import expand
from ..teachers.local.catalog import resolve
from ..teachers.local.weights import fetch

MAX_PROMPT_TOKENS = 512
"""Rows and tasks with longer prompts are left out."""
MAX_ANSWER_TOKENS = 256
"""Longer answers are cut."""
LEARNING_RATES = {"upper": 2e-4, "full": 5e-5}
WARM_UP = 0.1
"""The share of the steps in which the learning rate rises; it then falls to 0 in a straight line."""
TOKENS_PER_STEP = 128
"""Answer tokens of one step of AdamW, at least."""
MAX_NEW_TOKENS = 64
SETTINGS = (MAX_PROMPT_TOKENS, MAX_ANSWER_TOKENS, LEARNING_RATES, WARM_UP, TOKENS_PER_STEP, MAX_NEW_TOKENS)
"""What a student's result depends on, beside its weights and its texts."""
_TOKENS_PER_BATCH = 4096
_TOKENS_PER_PART = 512
_TOLERANCE = 1e-2
_PATTERNS = ("*.safetensors", "*.bin", "*.json", "*.model", "*.jinja", "*.txt")


@dataclass(frozen=True, slots=True)
class Text:
    """A prompt and its answer as tokens. start: where the answer begins."""

    ids: tuple[int, ...]
    start: int

    @property
    def answer_tokens(self) -> int:
        return len(self.ids) - self.start

    def cut(self, answer_tokens: int) -> Text:
        """Return the text with so many tokens of its answer at most."""
        return Text(self.ids[: self.start + answer_tokens], self.start)


def find_student(student: str | Path) -> Path:
    """Return the folder or the GGUF file of a student; weights of the catalog are downloaded if they aren't here.

    Raises:
        UsageError: The extra is missing, or it is no folder with a model, no GGUF file, and no name of the catalog.
    """
    if not all(map(find_spec, ("torch", "transformers", "gguf"))):
        raise UsageError("--student needs torch, transformers, and gguf: pip install 'selfinstruct[student]'")
    folder = Path(expand(str(student)))
    if not folder.is_dir():
        return fetch(resolve(str(student)))
    if not (folder / "config.json").is_file():
        raise UsageError(f"--student {student}: has no config.json; name the folder of a causal language model")
    return folder


def digest_of_student(path: Path) -> str:
    """Return 32 hex digits of the SHA-256 of the files that decide what a student does."""
    files = [path] if path.is_file() else sorted({file for each in _PATTERNS for file in path.glob(each)})
    sha = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            sha.update(hashlib.file_digest(opened, "sha256").digest())
    return sha.hexdigest()[:32]


class Student:
    """A student with its first weights. Texts are read with `encode`, and made known with `prepare`.

    Args:
        student: A folder with a causal model and its tokenizer, a GGUF file, or a name of the catalog.
        full: Whether all layers are trained; otherwise the upper third and the final norm.

    Attributes:
        name: The student, as given.
        digest: 32 hex digits that tell its weights and its tokenizer from others.

    Raises:
        UsageError: The extra is missing, or there is no such model.
        TeacherDown, StorageError: Its weights can't be downloaded.
    """

    def __init__(self, student: str | Path, full: bool = False) -> None:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        path = find_student(student)
        self.name, self.digest, self.full = str(student), digest_of_student(path), full
        logging.disable_progress_bar()
        place: dict[str, Any] = {"pretrained_model_name_or_path": str(path)}
        if path.is_file():
            place = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(**place, local_files_only=True)
            model = AutoModelForCausalLM.from_pretrained(**place, local_files_only=True, dtype=torch.float32)
        except (ImportError, OSError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UsageError(f"--student {path}: is no causal language model that can be loaded: {reason}") from None
        self._device = "cuda" if full and torch.cuda.is_available() else "cpu"
        self._model = model.to(self._device).eval().requires_grad_(False)
        self._base = model.base_model
        layers = getattr(self._base, "layers", ())
        if not full and not (len(layers) > 1 and hasattr(self._base, "norm")):
            raise UsageError(f"--student {path}: its upper layers can't be trained apart; try --full")
        self._lower, self._upper = (layers[: 2 * len(layers) // 3], layers[2 * len(layers) // 3 :])
        self._trained = [model] if full else [self._upper, self._base.norm]
        for module in self._trained:
            module.requires_grad_(True)
        if full:
            self._model.get_input_embeddings().requires_grad_(False)
        self._first = [value.detach().clone() for value in self._parameters()]
        self._states: dict[Text, Any] = {}
        self._check(path)

    def encode(self, messages: Sequence[Sequence[str]], answer: str) -> Text | None:
        """Return a prompt and its answer in the student's own chat template, if it has one.

        Return None if the prompt is too long, or has a role that the template refuses.

        Args:
            messages: Pairs of a role and a text; the last one is what is answered.
            answer: The answer; the end of the text follows it.
        """
        prompt = self._prompt(messages)
        end = self._tokenizer.eos_token_id
        ids = self._tokenizer(answer, add_special_tokens=False).input_ids + ([] if end is None else [end])
        if prompt is None or not 0 < len(prompt) <= MAX_PROMPT_TOKENS or not ids:
            return None
        return Text((*prompt, *ids[:MAX_ANSWER_TOKENS]), len(prompt))

    def prepare(self, texts: Sequence[Text], also: Sequence[Text] = ()) -> None:
        """Run the frozen layers over each text once, and set the vocabulary to the tokens of these and of others."""
        import torch

        tokens = sorted({token for text in (*texts, *also) for token in text.ids})
        self._vocabulary = torch.tensor(tokens, device=self._device)
        self._number = {token: number for number, token in enumerate(tokens)}
        self._states = {}
        if self.full:
            return
        with torch.no_grad(), self._only(self._lower, torch.nn.Identity()):
            for batch in _batches(list(dict.fromkeys(texts))):
                states = self._base(input_ids=self._padded(batch), use_cache=False).last_hidden_state
                self._states |= {text: states[row, : len(text.ids)].clone() for row, text in enumerate(batch)}

    def losses(self, texts: Sequence[Text]) -> np.ndarray:
        """Return the mean loss of each answer, in nats per token: an array of floats, one for each text."""
        import torch

        found: dict[Text, float] = {}
        with torch.no_grad():
            for batch in _batches(list(dict.fromkeys(texts))):
                losses = self._token_losses(batch).split([text.answer_tokens for text in batch])
                found |= {text: float(each.mean()) for text, each in zip(batch, losses, strict=True)}
        return np.array([found[text] for text in texts])

    def train(self, texts: Sequence[Text]) -> None:
        """Train the first weights on the answers of texts in their order, each as often as it is given."""
        import torch

        self.reset()
        rate = LEARNING_RATES["full" if self.full else "upper"]
        optimizer = torch.optim.AdamW(self._parameters(), lr=rate, weight_decay=0.0)
        steps = list(_steps(texts))
        for number, batch in enumerate(steps):
            done = (number + 1) / (len(steps) + 1)
            for group in optimizer.param_groups:
                group["lr"] = rate * min(done / WARM_UP, (1 - done) / (1 - WARM_UP))
            # In parts of similar length, which need little padding; the gradient is that of the whole step.
            wanted = sum(text.answer_tokens for text in batch)
            for part in _batches(batch, _TOKENS_PER_PART):
                (self._token_losses(part).sum() / wanted).backward()
            torch.nn.utils.clip_grad_norm_(self._parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()

    def reset(self) -> None:
        """Put the first weights back."""
        import torch

        with torch.no_grad():
            for value, first in zip(self._parameters(), self._first, strict=True):
                value.copy_(first)

    def answers(self, texts: Sequence[Text]) -> list[str]:
        """Return the most likely answer to the prompt of each text, of few tokens, all of them from the vocabulary."""
        import torch

        if not texts:
            return []
        encoded = [list(text.ids[: text.start]) for text in texts]
        width = max(map(len, encoded))
        padding = self._tokenizer.pad_token_id or 0
        ids = torch.tensor([[padding] * (width - len(each)) + each for each in encoded], device=self._device)
        mask = torch.tensor([[0] * (width - len(each)) + [1] * len(each) for each in encoded], device=self._device)
        known = set(self._vocabulary.tolist())
        unknown = [token for token in range(self._model.config.vocab_size) if token not in known]
        with torch.no_grad():
            written = self._model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=MAX_NEW_TOKENS,
                do_sample=False,
                pad_token_id=padding,
                suppress_tokens=unknown or None,
            )
        return [self._tokenizer.decode(each[width:], skip_special_tokens=True).strip() for each in written]

    def _prompt(self, messages: Sequence[Sequence[str]]) -> list[int] | None:
        if self._tokenizer.chat_template is None:
            text = "".join(f"{role}: {said}\n\n" for role, said in messages) + "assistant: "
        else:
            turns = [{"role": role, "content": said} for role, said in messages]
            try:
                text = self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
            except Exception:  # templates raise errors of Jinja for roles that they refuse, such as system
                return None
        ids: list[int] = self._tokenizer(text, add_special_tokens=False).input_ids
        return ids

    def _parameters(self) -> list[Any]:
        return [each for module in self._trained for each in module.parameters() if each.requires_grad]

    def _token_losses(self, batch: Sequence[Text]) -> Any:
        """Return the loss of each token of all answers, in order: a tensor with one dimension."""
        import torch

        if self.full:
            states = self._base(input_ids=self._padded(batch), use_cache=False).last_hidden_state
        else:
            lower = torch.nn.utils.rnn.pad_sequence([self._states[text] for text in batch], batch_first=True)
            with self._only(self._upper, self._base.norm):
                states = self._base(inputs_embeds=lower, use_cache=False).last_hidden_state
        # A state predicts the next token.
        before = torch.cat([states[row, text.start - 1 : len(text.ids) - 1] for row, text in enumerate(batch)])
        wanted = [self._number[token] for text in batch for token in text.ids[text.start :]]
        return torch.nn.functional.cross_entropy(
            self._logits(before), torch.tensor(wanted, device=self._device), reduction="none"
        )

    def _logits(self, states: Any) -> Any:
        head = self._model.get_output_embeddings()
        logits = states @ head.weight[self._vocabulary].T
        return logits if getattr(head, "bias", None) is None else logits + head.bias[self._vocabulary]

    def _padded(self, batch: Sequence[Text]) -> Any:
        """Return the tokens of texts, filled up on the right, where causal attention never looks."""
        import torch

        rows = [torch.tensor(text.ids) for text in batch]
        return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True).to(self._device)

    @contextmanager
    def _only(self, layers: Any, norm: Any) -> Iterator[None]:
        """Let the model have these layers only, and this norm after them."""
        whole = self._base.layers, self._base.norm
        self._base.layers, self._base.norm = layers, norm
        try:
            yield
        finally:
            self._base.layers, self._base.norm = whole

    def _check(self, path: Path) -> None:
        """Raise UsageError unless the layers run apart give the losses that the whole model gives."""
        import torch

        text = Text(tuple(range(min(12, self._model.config.vocab_size))), 1)
        self.prepare([text])
        with torch.no_grad():
            logits = self._model(input_ids=self._padded([text])).logits[0, :-1, : len(text.ids)]
            whole = torch.nn.functional.cross_entropy(logits, torch.arange(1, len(text.ids), device=self._device))
        if abs(float(whole) - self.losses([text])[0]) > _TOLERANCE:
            advice = "name another model" if self.full else "try --full"
            raise UsageError(f"--student {path}: its layers can't be run apart; {advice}")


def _batches(texts: Sequence[Text], most: int = _TOKENS_PER_BATCH) -> Iterator[list[Text]]:
    """Yield texts in batches of about the same length. most: the tokens of a batch of several texts, with padding."""
    batch: list[Text] = []
    for text in sorted(texts, key=lambda each: len(each.ids)):
        if batch and (len(batch) + 1) * len(text.ids) > most:
            yield batch
            batch = []
        batch.append(text)
    if batch:
        yield batch


def _steps(texts: Sequence[Text]) -> Iterator[list[Text]]:
    """Yield texts in their order, as many for each step as have its answer tokens."""
    batch: list[Text] = []
    for text in texts:
        batch.append(text)
        if sum(each.answer_tokens for each in batch) >= TOKENS_PER_STEP:
            yield batch
            batch = []
    if batch:
        yield batch
