"""A tokenizer in GGUF's terms: tokens and their types, merges, pre-tokenizer, control tokens, chat template.

llama.cpp knows pre-tokenizers by name, not by pattern. Knows nothing of weights.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from minimind_core.errors import ConfigError
from minimind_core.tokenizer import Tokenizer

PRE_TOKENIZERS = {
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+": "dbrx",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+": "qwen2",
}
"""Pattern that splits a text -> llama.cpp's name of it. Llama 3 splits as dbrx does, but skips merges."""
BYTE_LEVEL_ALONE = "gpt-2"
"""llama.cpp's name for `ByteLevel` without a pattern before it, which brings GPT-2's own."""
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] "
    "+ '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""What `conversations.encode_turns` writes, in Jinja."""
NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
"""Types of tokens (llama.cpp, `llama_token_type`)."""


class Vocabulary(NamedTuple):
    """All that llama.cpp has to know of a tokenizer; entry i of `tokens` and `types` is token i."""

    tokens: list[str]
    types: list[int]
    merges: list[str]
    pre_tokenizer: str
    chat_template: str | None
    """None where the vocabulary lacks the template's marks."""


def vocabulary(tokenizer: Tokenizer, vocab_size: int) -> Vocabulary:
    """The tokenizer's content, filled up with unused entries to `vocab_size`, the rows of the embedding.

    Raises ConfigError for a pre-tokenizer that llama.cpp has no name for, and for one without merges.
    """
    data = json.loads(tokenizer.to_json())
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in data["model"]["merges"]]
    if not merges:
        raise ConfigError("llama.cpp reads no tokenizer without merges; export this model with --format hf.")
    tokens = [f"[UNUSED{index}]" for index in range(vocab_size)]
    types = [UNUSED] * vocab_size
    for piece, index in data["model"]["vocab"].items():
        tokens[index], types[index] = piece, NORMAL
    for token in data["added_tokens"]:
        tokens[token["id"]] = token["content"]
        types[token["id"]] = CONTROL if token["special"] else USER_DEFINED
    marks = {"<|im_start|>", "<|im_end|>"} <= set(tokens)
    return Vocabulary(tokens, types, merges, _pre_tokenizer(data), CHAT_TEMPLATE if marks else None)


def _pre_tokenizer(data: dict[str, Any]) -> str:
    """llama.cpp's name for what splits a text before the merges."""
    stage = data["pre_tokenizer"] or {}
    stages = stage.get("pretokenizers", [stage])
    patterns = [entry["pattern"].get("Regex") for entry in stages if entry.get("type") == "Split"]
    if data["normalizer"] is None and not patterns and stage.get("use_regex"):
        return BYTE_LEVEL_ALONE
    name = PRE_TOKENIZERS.get(patterns[0]) if len(patterns) == 1 else None
    if name is None or data["normalizer"] not in (None, {"type": "NFC"}):
        raise ConfigError(
            "llama.cpp has no name for the way this tokenizer splits texts; export with --format hf."
        )
    return name
