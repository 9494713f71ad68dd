"""Block tables against a plain memory: what a table points at is what its request has written."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minimind_core.decoding.blocks import BlockTables, occupancy

PREFIXES = [[1] * 6, [1] * 3 + [2] * 5, [3, 1, 2, 3, 1, 2, 3]]


class Memory:
    """A block holds the tokens that were written into it, as a cache holds their keys."""

    def __init__(self, tables: BlockTables) -> None:
        self.tables = tables
        self.places = [[-1] * tables.block_size for _ in range(tables.num_blocks)]

    def write(self, owner: int, ids: list[int], start: int) -> None:
        for position in range(start, len(ids)):
            block = self.tables.table(owner)[position // self.tables.block_size]
            self.places[block][position % self.tables.block_size] = ids[position]

    def read(self, owner: int, length: int) -> list[int]:
        return [token for block in self.tables.table(owner) for token in self.places[block]][:length]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(6, 16))
def test_a_table_leads_to_its_own_text_whoever_comes_and_goes(
    seed: int, block_size: int, num_blocks: int
) -> None:
    rng = random.Random(seed)
    tables = BlockTables(num_blocks, block_size)
    memory, texts, limits = Memory(tables), {}, {}
    for owner in range(40):
        text = [*rng.choice(PREFIXES)[: rng.randint(1, 8)], rng.randint(1, 3)]
        places = len(text) + rng.randint(0, 4)
        if tables.fits(text, places):
            found = tables.open(owner, text, places)
            assert found < len(text) and memory.read(owner, found) == text[:found]
            tables.extend(owner, len(text))
            memory.write(owner, text, found)
            tables.written(owner, text)
            texts[owner], limits[owner] = text, places
        for each in [each for each in texts if len(texts[each]) < limits[each] and rng.random() < 0.5]:
            texts[each].append(rng.randint(1, 3))
            tables.extend(each, len(texts[each]))
            memory.write(each, texts[each], len(texts[each]) - 1)
            tables.written(each, texts[each])
        for each in [each for each in texts if rng.random() < 0.3]:
            tables.close(each)
            del texts[each]
        assert all(memory.read(each, len(text)) == text for each, text in texts.items())
        held = {block for each in texts for block in tables.table(each)}
        assert tables.used == len(held) and tables.used + tables.free == num_blocks
        assert tables.occupancy().tokens <= sum(map(len, texts.values()))
    for each in texts:
        tables.close(each)
    assert tables.used == tables.shared == 0 and tables.free == num_blocks and tables.owners == ()


def test_a_long_common_beginning_is_kept_once() -> None:
    tables, start = BlockTables(40, 4), list(range(16))
    for owner in range(5):
        found = tables.open(owner, [*start, 100 + owner], 20)
        assert found == (16 if owner else 0)
        tables.extend(owner, 17)
        tables.written(owner, [*start, 100 + owner])
    assert tables.used == 4 + 5 and tables.shared == 4
    assert tables.occupancy() == (16 + 5, 36)


def test_what_was_known_longest_ago_is_forgotten_first_and_the_end_of_a_text_before_its_beginning() -> None:
    tables = BlockTables(3, 2)
    tables.open(0, [1, 2, 3, 4, 5], 5)
    tables.extend(0, 5)
    tables.written(0, [1, 2, 3, 4, 5])
    tables.close(0)
    assert (tables.used, tables.kept, tables.free) == (0, 2, 3)
    tables.open(1, [9, 9, 9], 4)
    tables.extend(1, 4)  # one empty block, then the one of tokens 3, 4
    assert tables.kept == 1
    tables.close(1)
    assert tables.open(2, [1, 2, 3, 4, 5], 5) == 2


def test_room_that_is_promised_is_given_to_nobody_else() -> None:
    tables = BlockTables(4, 2)
    tables.open(0, [1], places=6)
    assert tables.used == 0 and tables.fits([2], 2) and not tables.fits([2], 3)
    tables.extend(0, 6)
    with pytest.raises(AssertionError, match="promised"):
        tables.extend(0, 7)


def test_used_share_of_whole_blocks() -> None:
    assert occupancy([1, 512, 0], 512) == (513, 1024)
    assert occupancy([17, 16], 16).share == 33 / 48
    assert occupancy([], 16).share == 1
