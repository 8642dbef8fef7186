"""A tokenizer trained on the spot and a small Llama made from a configuration, so that training needs no download."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from selfinstruct.core.chat_template import load_chat_template

EOS = "<|im_end|>"


def tiny_tokenizer(texts: Iterable[str]) -> Any:
    """A tokenizer of 512 tokens trained on some texts, with the ChatML template that ships."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = ["<|im_start|>", EOS, "<pad>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=512, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(texts, trainer)
    made = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token=EOS, pad_token="<pad>")
    made.chat_template = load_chat_template("chatml").source
    return made


def tiny_llama(tokenizer: Any, kind: str = "LlamaForCausalLM", **settings: Any) -> Any:
    """A Llama of about a hundred thousand parameters, the same at each call."""
    import torch
    import transformers

    torch.manual_seed(0)
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    pad = tokenizer.pad_token_id
    config = transformers.LlamaConfig(vocab_size=len(tokenizer), pad_token_id=pad, **shape, **settings)
    return getattr(transformers, kind)(config)
