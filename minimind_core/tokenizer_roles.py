"""Which tokens of a stranger's vocabulary pad, begin and end a text. No torch.

Llama's tokenizers have no padding and Qwen's no beginning; running a model needs neither.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from minimind_core.bounded import MAX_JSON_BYTES, read_bounded


def roles(config_path: Path, vocab: Mapping[str, int], ours: tuple[str, str, str]) -> tuple[str, str, str]:
    """Names of the tokens that pad, begin and end a text, in a vocabulary with these tokens.

    What the tokenizer_config.json at `config_path` names comes first, then the tokens of `ours` that the
    vocabulary has; else the end of a text also pads and begins it, as in GPT-2.
    """
    named = _named_tokens(config_path)
    default_pad, default_bos, eos = ours
    eos = named.get("eos_token", eos)
    pad, bos = (
        named.get(role, default if default in vocab else eos)
        for role, default in (("pad_token", default_pad), ("bos_token", default_bos))
    )
    return pad, bos, eos


def _named_tokens(config_path: Path) -> dict[str, str]:
    """The tokens that a tokenizer_config.json names, by role; none where there is no readable one."""
    try:
        config = json.loads(read_bounded(config_path, MAX_JSON_BYTES))
        entries = {role: config.get(role) for role in ("pad_token", "bos_token", "eos_token")}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}
    names = {
        role: entry.get("content") if isinstance(entry, dict) else entry for role, entry in entries.items()
    }
    return {role: name for role, name in names.items() if isinstance(name, str) and name}
