"""Which blocks of a paged cache belong to which request: tables, reference counts, prefix cache. No tensors.

A request's tokens lie in blocks of `block_size` places that need not be neighbours (PagedAttention, Kwon et
al. 2023). A block that is full and written is known by a hash of every token up to its end; a later request
whose prompt begins the same way points its table at it instead of reading those tokens again. Only full
blocks are shared and nothing is ever written into a full block, so none is copied on write.

A request is let in only when every block that it may ever need is there, so nobody is thrown out midway.
Does not decide who comes next (`scheduler.py`) and holds no keys or values (`engine_cache.py`).
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

DEFAULT_BLOCK_SIZE = 16


class Occupancy(NamedTuple):
    """Places of a cache that are taken, and the tokens that lie in them."""

    tokens: int
    places: int

    @property
    def share(self) -> float:
        """Part of the taken places that holds a token; 1 where nothing is taken."""
        return self.tokens / self.places if self.places else 1.0


def occupancy(lengths: Iterable[int], block_size: int) -> Occupancy:
    """What requests of these lengths take in whole blocks, without sharing.

    A static slot is one block of the full length: compare block sizes 16 and 512.

    >>> occupancy([100, 30], 16).share, occupancy([100, 30], 512).share
    (0.9027777777777778, 0.126953125)
    """
    lengths = list(lengths)
    return Occupancy(sum(lengths), sum(-(-length // block_size) * block_size for length in lengths))


class _Pages:
    """What one request holds."""

    def __init__(self, table: list[int], promised: int, digest: bytes) -> None:
        self.table = table
        self.promised = promised  # blocks that it may still take
        self.known = len(table)  # blocks at its beginning that the prefix cache has seen
        self.digest = digest  # of the tokens in those
        self.length = 0  # tokens that have a place


class BlockTables:
    """The tables of all requests over `num_blocks` blocks of `block_size` places.

    >>> tables = BlockTables(num_blocks=8, block_size=2)
    >>> tables.open(1, [5, 6, 7], places=4)      # nothing is shared yet
    0
    >>> tables.extend(1, 3)
    True
    >>> tables.written(1, [5, 6, 7])
    >>> tables.open(2, [5, 6, 9], places=4)      # its first block is there already
    2
    >>> tables.table(1), tables.table(2), tables.shared
    ((0, 1), (0,), 1)
    """

    def __init__(self, num_blocks: int, block_size: int = DEFAULT_BLOCK_SIZE) -> None:
        self.num_blocks, self.block_size = num_blocks, block_size
        self._references = [0] * num_blocks
        self._empty = list(reversed(range(num_blocks)))  # taken from its end
        self._kept: dict[int, None] = {}  # nobody's, but their tokens are known; the longest unused first
        self._block_of: dict[bytes, int] = {}
        self._digest_of: dict[int, bytes] = {}
        self._pages: dict[int, _Pages] = {}
        self._promised = 0

    @property
    def used(self) -> int:
        """Blocks that some request holds."""
        return self.num_blocks - self.free

    @property
    def free(self) -> int:
        """Blocks that nobody holds, those with known tokens included."""
        return len(self._empty) + len(self._kept)

    @property
    def kept(self) -> int:
        """Blocks that nobody holds, but whose tokens would be found again."""
        return len(self._kept)

    @property
    def shared(self) -> int:
        """Blocks that more than one request holds."""
        return sum(count > 1 for count in self._references)

    @property
    def owners(self) -> tuple[int, ...]:
        """The requests that have a table."""
        return tuple(self._pages)

    def table(self, owner: int) -> tuple[int, ...]:
        """The blocks of one request, in the order of its tokens."""
        return tuple(self._pages[owner].table)

    def blocks_for(self, places: int) -> int:
        """Blocks that hold this many tokens."""
        return -(-places // self.block_size)

    def occupancy(self) -> Occupancy:
        """Places of all blocks that are held, and the distinct tokens in them."""
        fill = {}
        for pages in self._pages.values():
            for index, block in enumerate(pages.table):
                fill[block] = min(self.block_size, pages.length - index * self.block_size)
        return Occupancy(sum(fill.values()), self.used * self.block_size)

    def fits(self, prompt: Sequence[int], places: int) -> bool:
        """Whether a request with this prompt that may come to need `places` can be let in now."""
        found = self._find(prompt)
        woken = sum(not self._references[block] for block, _ in found)
        return self.blocks_for(places) - len(found) + woken <= self.free - self._promised

    def open(self, owner: int, prompt: Sequence[int], places: int) -> int:
        """Let a request in, which `fits`; returns how many tokens of its prompt are in its blocks already.

        That is always less than the prompt: its last token is for the request itself to read.
        """
        assert owner not in self._pages and self.fits(prompt, places), (owner, places)
        found = self._find(prompt)
        for block, _ in found:
            self._kept.pop(block, None)
            self._references[block] += 1
        table = [block for block, _ in found]
        promised = self.blocks_for(places) - len(table)
        self._promised += promised
        pages = self._pages[owner] = _Pages(table, promised, found[-1][1] if found else b"")
        pages.length = len(table) * self.block_size
        return pages.length

    def extend(self, owner: int, length: int) -> bool:
        """Give the first `length` tokens of a request a place; says whether that took a block."""
        pages = self._pages[owner]
        before = len(pages.table)
        while len(pages.table) * self.block_size < length:
            assert pages.promised, f"request {owner} outgrows what it was promised"
            block = self._take()
            self._references[block] = 1
            pages.table.append(block)
            pages.promised -= 1
            self._promised -= 1
        pages.length = max(pages.length, length)
        return len(pages.table) > before

    def written(self, owner: int, ids: Sequence[int]) -> None:
        """Note that `ids`, a request's first tokens, are written: their full blocks can be found now."""
        pages, size = self._pages[owner], self.block_size
        while (pages.known + 1) * size <= len(ids):
            start = pages.known * size
            pages.digest = _digest(pages.digest, ids[start : start + size])
            block = pages.table[pages.known]
            if pages.digest not in self._block_of:  # else two requests read the same at the same time
                self._block_of[pages.digest] = block
                self._digest_of[block] = pages.digest
            pages.known += 1

    def close(self, owner: int, keep: bool = True) -> None:
        """Take everything back from a request that has ended; without `keep` nothing of it is found again."""
        pages = self._pages.pop(owner)
        self._promised -= pages.promised
        for block in reversed(pages.table):  # the end of a text is less likely to come again: it goes first
            self._references[block] -= 1
            if not keep and block in self._digest_of:
                del self._block_of[self._digest_of.pop(block)]
            if self._references[block]:
                continue
            if block in self._digest_of:
                self._kept[block] = None
            else:
                self._empty.append(block)

    def _find(self, prompt: Sequence[int]) -> list[tuple[int, bytes]]:
        """The known blocks that this prompt begins with, each with its digest."""
        found: list[tuple[int, bytes]] = []
        digest = b""
        for start in range(0, len(prompt) - self.block_size, self.block_size):
            digest = _digest(digest, prompt[start : start + self.block_size])
            block = self._block_of.get(digest)
            if block is None:
                break
            found.append((block, digest))
        return found

    def _take(self) -> int:
        """An empty block, or the one whose known tokens have gone unused for longest."""
        if self._empty:
            return self._empty.pop()
        block = next(iter(self._kept))
        del self._kept[block]
        del self._block_of[self._digest_of.pop(block)]
        return block


def _digest(before: bytes, ids: Sequence[int]) -> bytes:
    """A hash of a block's tokens and of all before it, which no two texts share."""
    return hashlib.sha256(before + array("q", ids).tobytes()).digest()
