"""How many bits a probe tells of which bug it is, and the tree of probes that asks least. No torch.

A table has for every bug the answer to every probe. Bugs that no probe tells apart are one answer.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache

Table = Mapping[str, Mapping[str, str]]
"""Answers by bug and probe."""


def split(table: Table, names: Sequence[str], probe: str) -> dict[str, list[str]]:
    """The bugs by their answer."""
    parts = defaultdict(list)
    for name in names:
        parts[table[name][probe]].append(name)
    return dict(parts)


def bits(table: Table, names: Sequence[str], probe: str) -> float:
    """What the answer tells on average, if every bug is equally likely.

    >>> bits({"a": {"p": "x"}, "b": {"p": "y"}}, ["a", "b"], "p")
    1.0
    """
    sizes = [len(part) for part in split(table, names, probe).values()]
    return sum(size / len(names) * math.log2(len(names) / size) for size in sizes)


def left(table: Table, name: str, probes: Sequence[str]) -> list[str]:
    """The bugs that answer these probes as this one does, itself included."""
    return [other for other in table if all(table[other][p] == table[name][p] for p in probes)]


def best_tree(table: Table, probes: Sequence[str]) -> tuple[float, dict[str, list[str]]]:
    """The fewest probes on average that tell apart what can be told, and the probes that each bug takes.

    Exact: every probe is tried at every node, and a set of bugs is solved once.
    """
    names = tuple(table)

    @cache
    def fewest(group: tuple[str, ...]) -> tuple[int, str | None]:
        """The sum over the group of the probes that are still needed, and the one to begin with."""
        useful = [probe for probe in probes if len(split(table, group, probe)) > 1]
        best: tuple[int, str | None] = (0, None)
        for probe in sorted(useful, key=lambda one: -bits(table, group, one)):
            total = len(group)
            for part in split(table, group, probe).values():
                total += fewest(tuple(part))[0] if len(part) > 1 else 0
                if best[1] is not None and total >= best[0]:
                    break
            else:
                best = (total, probe)
        return best

    paths: dict[str, list[str]] = {name: [] for name in names}

    def follow(group: tuple[str, ...]) -> None:
        probe = fewest(group)[1] if len(group) > 1 else None
        if probe is None:
            return
        for name in group:
            paths[name].append(probe)
        for part in split(table, group, probe).values():
            follow(tuple(part))

    follow(names)
    return sum(map(len, paths.values())) / len(names), paths
