"""The first tensor of a watched run that is not finite, and how a page says so. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypedDict

from labs.contract import Words
from labs.contract.filling import without_e
from labs.q11_nan.places import Sight, answer


class Found(TypedDict):
    """A tensor that is not finite: its module in the model, and as the question's choices call that."""

    step: int
    phase: str
    module: str
    tensor: str
    kind: str
    place: str


def first_bad(seen: Iterable[tuple[int, Sight]], kinds: tuple[str, ...], block: int) -> Found | None:
    """The first of the tensors, each with its step and in the order of execution, that is of these kinds.

    `block` has the planted fault.
    """
    for step, one in seen:
        if one.kind in kinds:
            return {
                "step": step,
                "phase": one.phase,
                "module": one.module,
                "tensor": one.place,
                "kind": one.kind,
                "place": answer(one.module, one.place, block),
            }
    return None


def told(found: Found, text: Words) -> dict[str, Any]:
    """A finding for a sentence."""
    return {
        "step": found["step"],
        "kind": {"inf": "Inf", "nan": "NaN"}[found["kind"]],
        "module": found["module"] or text("logits"),
        "where": text(f"where.{found['phase']}.{found['tensor']}"),
    }


def number(value: float) -> str:
    """Four figures, or NaN or Inf.

    >>> number(3.14159), number(float("nan")), number(-3.2e20)
    ('3.142', 'NaN', '-3.2 × 10²⁰')
    """
    return without_e(f"{float(value):.4g}".replace("nan", "NaN").replace("inf", "Inf"))
