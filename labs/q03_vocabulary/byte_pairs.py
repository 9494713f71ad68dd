"""Byte-level BPE written out, so that every merge can be watched. Slower than the library, equal to it.

Source: Sennrich et al. 2016; bytes in place of characters as in GPT-2 (2019). Pure Python.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from minimind_core.tokenizer import BYTE_CHARACTERS, SMALLEST_VOCAB

MIN_FREQUENCY = 2
"""A pair that was seen once is not merged, as in `minimind_core.training.bpe`."""
SPECIALS = SMALLEST_VOCAB - 256
_ORDER = sorted(range(256), key=BYTE_CHARACTERS.__getitem__)
_IDS = {byte: SPECIALS + rank for rank, byte in enumerate(_ORDER)}
"""As the library numbers them, by the character that stands for each: it decides among equal counts."""
Pair = tuple[int, int]
"""Two ids that stand side by side."""


class Merge(NamedTuple):
    """The pair that was joined, how often it stood in the text, the tokens that are left, entries so far.

    Two merges can spell the same entry: "ab" + "c" and "a" + "bc".
    """

    left: bytes
    right: bytes
    frequency: int
    tokens: int
    entries: int


def merges(pieces: Sequence[str]) -> Iterator[Merge]:
    """One merge after the other, of the pair that is most frequent now; ends where no pair stands twice.

    `pieces` are the words of the text as the pre-tokenizer cuts it: no merge reaches over their ends.

    >>> [(merge.left, merge.right, merge.tokens) for merge in merges(["aaaa"])]
    [(b'a', b'a', 2)]
    """
    text = _Text(pieces)
    spelled = {identifier: bytes([byte]) for byte, identifier in _IDS.items()}
    known = {piece: identifier for identifier, piece in spelled.items()}
    while (best := text.most_frequent()) is not None:
        left, right = spelled[best[0]], spelled[best[1]]
        new = known.setdefault(left + right, SPECIALS + len(known))
        spelled[new] = left + right
        frequency = text.counts[best]
        text.join(best, new)
        yield Merge(left, right, frequency, text.tokens, SPECIALS + len(known))


def joined(word: Sequence[int], pair: Pair, new: int) -> list[int]:
    """The word with `new` in place of the pair, from left to right.

    >>> joined([1, 1, 1], (1, 1), 9)
    [9, 1]
    """
    result: list[int] = []
    index = 0
    while index < len(word):
        if index + 1 < len(word) and (word[index], word[index + 1]) == pair:
            result.append(new)
            index += 2
        else:
            result.append(word[index])
            index += 1
    return result


class _Text:
    """The different words of a text as ids, and every pair of neighbours with its count and its words."""

    def __init__(self, pieces: Sequence[str]) -> None:
        counted = Counter(pieces)
        self._words = [[_IDS[byte] for byte in piece.encode()] for piece in counted]
        self._frequencies = list(counted.values())
        self._places: defaultdict[Pair, set[int]] = defaultdict(set)
        self.counts: Counter[Pair] = Counter()
        for index, word in enumerate(self._words):
            for pair in pairwise(word):
                self.counts[pair] += self._frequencies[index]
                self._places[pair].add(index)
        self._heap = [(-count, pair) for pair, count in self.counts.items()]
        heapq.heapify(self._heap)
        self.tokens = sum(len(piece.encode()) for piece in pieces)

    def most_frequent(self) -> Pair | None:
        """The most frequent pair, of equal ones the smallest; None where none stands twice.

        The heap also holds counts that have changed since; these are passed over.
        """
        while self._heap:
            count, pair = self._heap[0]
            if self.counts[pair] == -count:
                return pair if -count >= MIN_FREQUENCY else None
            heapq.heappop(self._heap)
        return None

    def join(self, pair: Pair, new: int) -> None:
        """Put `new` in place of the pair in all words."""
        for index in self._places.pop(pair):
            word, frequency = self._words[index], self._frequencies[index]
            shorter = self._words[index] = joined(word, pair, new)
            self.tokens -= (len(word) - len(shorter)) * frequency
            change = Counter(pairwise(shorter))
            change.subtract(pairwise(word))
            for changed, number in change.items():
                if number:
                    self.counts[changed] += number * frequency
                    self._places[changed].add(index)
                    heapq.heappush(self._heap, (-self.counts[changed], changed))
