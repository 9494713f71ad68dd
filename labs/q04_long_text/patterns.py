"""Who looks at whom in sparse attention, one expression for NumPy, torch and FlexAttention. No torch.

Causality is left to who uses it: a pattern may only take keys away from a causal mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PATTERNS = ("full", "local", "dilated", "mixed", "global", "stride")
BY_HEAD = frozenset({"mixed"})
"""Patterns whose heads look at different keys."""


@dataclass(frozen=True)
class Pattern:
    """`window` keys a query, `dilation` apart; a global token every `spacing` tokens.

    full: every key. local: the newest. dilated: each `dilation`-th, counted back from the query. mixed: even
    heads local, odd heads dilated. global: local, and global tokens that see all and are seen by all.
    stride: each `dilation`-th of the text, the same for all queries, which is often called dilation.
    """

    name: str
    window: int
    dilation: int
    spacing: int

    def looks(self, head: Any, query: Any, key: Any) -> Any:
        """Whether `head` at position `query` looks at `key`: booleans of the shape that the three give.

        >>> [bool(Pattern("dilated", 3, 4, 64).looks(0, 9, key)) for key in (9, 5, 4, 1)]
        [True, True, False, True]
        """
        back = query - key
        if self.name == "local":
            return back < self.window
        if self.name == "dilated":
            return self._stepping(back, self.dilation)
        if self.name == "mixed":
            return self._stepping(back, 1 + head % 2 * (self.dilation - 1))
        if self.name == "global":
            return (back < self.window) | (key % self.spacing == 0) | (query % self.spacing == 0)
        if self.name == "stride":
            return (key % self.dilation == 0) | (back == 0)
        return back >= 0

    def _stepping(self, back: Any, step: Any) -> Any:
        return (back < self.window * step) & (back % step == 0)

    def pairs(self, length: int) -> int:
        """Causal query-key pairs of a head (of mixed heads, the mean of two) in a text of `length` tokens.

        >>> Pattern("dilated", 256, 4, 64).pairs(8192), Pattern("local", 256, 4, 64).pairs(8192)
        (1966592, 2064512)
        """
        local = sum(min(self.window, query + 1) for query in range(length))
        dilated = sum(min(self.window, query // self.dilation + 1) for query in range(length))
        if self.name == "global":
            return sum(self._global_keys(query) for query in range(length))
        strided = sum(query // self.dilation + 1 + (query % self.dilation > 0) for query in range(length))
        return {
            "full": length * (length + 1) // 2,
            "local": local,
            "dilated": dilated,
            "mixed": (local + dilated) // 2,
            "stride": strided,
        }[self.name]

    def _global_keys(self, query: int) -> int:
        """Keys of one query: all for a global token, else the window and the global tokens before it."""
        if query % self.spacing == 0:
            return query + 1
        oldest = max(0, query - self.window + 1)
        return query + 1 - oldest + -(-oldest // self.spacing)


def reach(pattern: Pattern, layers: int, length: int) -> int | None:
    """Positions that the last token can hear of, by formula; None where there is none so simple.

    >>> reach(Pattern("local", 256, 4, 64), 8, 8192), reach(Pattern("dilated", 256, 4, 64), 8, 8192)
    (2041, 2041)
    """
    hops = layers * (pattern.window - 1) + 1
    simple = {
        "full": length,
        "local": min(hops, length),
        "dilated": min(hops, -(-length // pattern.dilation)),
    }
    return simple.get(pattern.name)
