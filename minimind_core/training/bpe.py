"""Learning a byte-level BPE tokenizer from text. No torch here.

The shipped family of sizes is trained by `train_tokenizers.py`; encoding is in `tokenizer.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

import tokenizers
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers

from minimind_core.tokenizer import SPECIAL_TOKENS, Tokenizer, check_vocab_size, checked_text

SPLIT_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Where merges must stop: the pattern of Llama 3 (llama.cpp knows it as `dbrx` or `llama-bpe`).

A word takes its leading space along, digits come in groups of at most three, line ends stay with the
punctuation before them, indentation is one piece, and a run of Chinese between punctuation is one piece.
"""


def train_bpe(texts: Iterable[str], vocab_size: int, show_progress: bool = False) -> Tokenizer:
    """Learn a byte-level BPE of `vocab_size` entries; equal texts give equal tokenizers.

    Pairs seen once are not merged, so a short text can give a smaller vocabulary: compare `vocab_size`.
    `show_progress` draws the library's own bars on standard error. Raises TokenizerError below 259 entries.
    Source: Sennrich et al. 2016; bytes as in GPT-2 (2019).
    """
    check_vocab_size(vocab_size)
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT_PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=show_progress,
    )
    backend.train_from_iterator((checked_text(text) for text in texts), trainer)
    return Tokenizer(backend)
