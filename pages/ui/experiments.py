"""The experiments that the pages can run; which there are is found once a server."""

from __future__ import annotations

from functools import cache, lru_cache

from labs.contract import Data, Experiment, Params
from labs.contract.registry import Registry


@cache
def registry() -> Registry:
    """Every experiment of every lab."""
    return Registry.discover()


def experiment(name: str) -> Experiment:
    """The experiment `name`, such as "q13/next_token"."""
    return registry().find(name)


@lru_cache(maxsize=256)
def formula_at(experiment: Experiment, params: Params) -> Data | None:
    """What the experiment's formula says, worked out once for each setting: a page asks at every redraw."""
    return experiment.formula(params)
