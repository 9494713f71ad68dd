"""Train the six shipped tokenizers. The same files give the same bytes, on any machine.

Every document of the files counts: English once, Chinese twice, Python four times, so that Python, a
fifteenth of the corpus, gets its entries and Chinese, three bytes a character, is not crowded out.
The largest vocabulary is trained and the others are cut from it: BPE learns greedily, so this equals
training each (`Tokenizer.prefix`; a test compares them). Measures nothing but bytes a token, and reads and
writes no files (`commands/tokenizers.py` does).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from minimind_core.errors import TokenizerError
from minimind_core.tokenizer import Tokenizer
from minimind_core.training.bpe import train_bpe
from minimind_core.training.data import Document

SIZES = {"1k": 1024, "6.4k": 6400, "16k": 16_000, "32k": 32_000, "64k": 64_000, "100k": 100_000}
LANGUAGE_WEIGHTS = {"zh": 2, "code": 4}


def weighted_texts(documents: Iterable[Document]) -> Iterator[str]:
    """Each text as often as its language counts."""
    for document in documents:
        for _ in range(LANGUAGE_WEIGHTS.get(document.lang, 1)):
            yield document.text


def train_family(
    documents: Iterable[Document], sizes: dict[str, int], show_progress: bool = False
) -> dict[str, Tokenizer]:
    """Tokenizers by name. Raises TokenizerError if the text is too short for the largest size."""
    wanted = max(sizes.values())
    largest = train_bpe(weighted_texts(documents), wanted, show_progress)
    if largest.vocab_size < wanted:
        raise TokenizerError(f"The text supports {largest.vocab_size} entries, not {wanted}; give more text.")
    return {name: largest.prefix(size) for name, size in sizes.items()}


def bytes_per_token(tokenizer: Tokenizer, documents: Sequence[Document]) -> dict[str, float]:
    """UTF-8 bytes a token, by language."""
    num_bytes: Counter[str] = Counter()
    num_tokens: Counter[str] = Counter()
    for document, ids in zip(documents, tokenizer.encode_batch([d.text for d in documents]), strict=True):
        num_bytes[document.lang] += len(document.text.encode())
        num_tokens[document.lang] += len(ids)
    return {lang: num_bytes[lang] / num_tokens[lang] for lang in sorted(num_bytes)}
