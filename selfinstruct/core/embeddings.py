"""Vectors of texts, as answers to prompts: `teachers` writes them, `generate` asks, and `dataset` compares them."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .prompts import Message, Prompt, Sampling


def embedding_request(model: str, text: str) -> tuple[str, Prompt]:
    """Return the journal key of a text's vector by the model with this name, and the prompt that asks for it."""
    prompt = Prompt("embed", (Message("user", text),), Sampling(max_tokens=0), "embeddings")
    return f"e:{model}:{prompt.digest()}", prompt


def written_vector(values: Sequence[float]) -> str:
    """Return numbers as servers send them: base64 of 32-bit floats. Raises TypeError, OverflowError, struct.error."""
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


def vector_in(text: str) -> NDArray[np.float32] | None:
    """Read what `written_vector` wrote; None for any other text, and for a vector without a direction."""
    try:
        vector = np.frombuffer(base64.b64decode(text, validate=True), "<f4")
    except ValueError:
        return None
    return vector if np.isfinite(vector).all() and vector.any() else None
