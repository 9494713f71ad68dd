"""What the length bench makes of its losses. NumPy and `reading.py`; runs no model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labs.contract.columns import Result
from labs.q07_rope.bench_rows import SHIFT, TREATMENTS
from labs.q07_rope.reading import Losses, by_position, growth_range, perplexity, tail_perplexity

STRETCH = 2
"""The third prediction asks about so many times the trained length."""
TREATED = (*TREATMENTS[1:], "upstream")


def summarised(losses: Mapping[str, Mapping[int, Losses]], base: str, lengths: tuple[int, ...]) -> Result:
    """Paths name the line, then the length.

    "perplexity" of all tokens and "tail" of the last 256 of each chunk, by line and length. "growth" of
    the untreated lines over their own trained length, with "growth_range" over documents. "scaled" is
    the same for treatments, "window" and "shift", all over the untreated model at its trained length.
    "against_rope": over the chosen model at the same length. "by_position" at the longest length.
    "worst_scaling" and "best_scaling" at twice the trained length.
    """
    trained = lengths[0]
    found = {
        row: {str(length): perplexity(each) for length, each in by_length.items()}
        for row, by_length in losses.items()
    }
    reference = found[base][str(trained)]
    own = {row: by_length for row, by_length in found.items() if row not in (*TREATED, "window", "shifted")}
    starts = {row: found["learned" if row == "learned_longer" else row][str(trained)] for row in own}
    scaled = {row: _over(found[row], reference) for row in TREATED}
    return {
        "trained": trained,
        "lengths": list(lengths),
        "base": base,
        "perplexity": found,
        "tail": {
            row: {str(length): tail_perplexity(each, length) for length, each in by_length.items()}
            for row, by_length in losses.items()
        },
        "growth": {row: _over(by_length, starts[row], skip=str(trained)) for row, by_length in own.items()},
        "growth_range": _ranges(losses, base, trained),
        "against_rope": {
            row: {length: value / found[base][length] for length, value in by_length.items()}
            for row, by_length in own.items()
        },
        "scaled": scaled,
        **_extremes(scaled, found[base], reference, lengths),
        "window": {"width": trained, **_with_growth(found.get("window", {}), reference)},
        "shift": {"offset": SHIFT, **_with_growth(found.get("shifted", {}), reference)},
        "by_position": {
            row: by_position(by_length[lengths[-1]], lengths[-1])
            for row, by_length in losses.items()
            if lengths[-1] in by_length
        },
    }


def _over(values: Mapping[str, float], reference: float, skip: str = "") -> dict[str, float]:
    return {length: value / reference for length, value in values.items() if length != skip}


def _with_growth(values: Mapping[str, float], reference: float) -> dict[str, Any]:
    return {"perplexity": dict(values), "growth": _over(values, reference)}


def _ranges(losses: Mapping[str, Mapping[int, Losses]], base: str, trained: int) -> dict[str, Any]:
    """Growth of single documents, for every line that can be set beside a reading at the trained length."""
    found: dict[str, Any] = {}
    for row, by_length in losses.items():
        start = losses["learned"] if row == "learned_longer" else by_length if trained in by_length else None
        before = (start or losses[base])[trained]
        found[row] = {
            str(length): growth_range(each, before) for length, each in by_length.items() if length != trained
        }
    return found


def _extremes(
    scaled: Mapping[str, Mapping[str, float]],
    plain: Mapping[str, float],
    reference: float,
    lengths: tuple[int, ...],
) -> dict[str, Any]:
    """The worst and the best of the four treatments; empty where nothing longer was read."""
    at = STRETCH * lengths[0] if STRETCH * lengths[0] in lengths else lengths[-1]
    if at == lengths[0]:
        return {"worst_scaling": "", "best_scaling": "", "compared_at": at}
    growth = {"none": plain[str(at)] / reference, **{kind: scaled[kind][str(at)] for kind in TREATMENTS[1:]}}
    return {
        "worst_scaling": max(growth, key=growth.__getitem__),
        "best_scaling": min(growth, key=growth.__getitem__),
        "compared_at": at,
    }
