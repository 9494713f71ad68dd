"""Tables from columns, each written under its title."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from labs.contract.experiment import Row


def table(columns: Mapping[str, Iterable[Any]]) -> list[Row]:
    """The rows of columns that are all of one length, by title.

    >>> table({"KV heads": (8, 2), "MB": [33.6, 8.4]})
    [{'KV heads': 8, 'MB': 33.6}, {'KV heads': 2, 'MB': 8.4}]
    """
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
