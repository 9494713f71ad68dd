"""The experiments that the pages can run; which there are is found once a server."""

from __future__ import annotations

from functools import cache

from labs.contract import Experiment
from labs.contract.registry import Registry


@cache
def registry() -> Registry:
    """Every experiment of every lab."""
    return Registry.discover()


def experiment(name: str) -> Experiment:
    """The experiment `name`, such as "q13/next_token"."""
    return registry().find(name)
