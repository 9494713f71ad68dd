"""Heavy modules that torch would load by itself amid a measurement, loaded with an ear for a cancel."""

from __future__ import annotations

import importlib
from collections.abc import Callable

WITHOUT_NUMBERS = ("sympy", "torch._dynamo")
"""What the meta device and fake tensors load: two seconds, in which no cancel would be heard."""


def load(modules: tuple[str, ...], check: Callable[[], None]) -> None:
    """Import one after the other; `check` is called after each and may raise."""
    for module in modules:
        importlib.import_module(module)
        check()
