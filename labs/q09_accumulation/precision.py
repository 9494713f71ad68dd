"""A `.grad` in three formats that similar terms are added to, one by one: from where additions vanish."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from labs.contract import Context, Data, DeviceClass, Experiment, Params, Row, Shown, Words
from labs.contract.drawing import Figure, power_ticks
from labs.contract.fields import real, whole
from labs.tools.written import small_number

if TYPE_CHECKING:
    import torch

ENTRIES = 4096
"""Numbers of the gradient, each with terms of its own."""
FORMATS: dict[str, tuple[int, str]] = {"bf16": (8, "square"), "fp16": (11, "diamond"), "fp32": (24, "circle")}
"""Digits of a number's fraction in base two, the hidden one included, and the mark."""
LOWEST = 1e-9
"""Errors below it are drawn there."""


@dataclass(frozen=True)
class PrecisionParams(Params):
    """The terms that are added up, and how far they spread around their mean, which is 1."""

    terms_power: int = whole(12, 3, 14, primary=True)
    spread: float = real(0.5, 0, 4, step=0.1, primary=True)
    seed: int = whole(0, 0, 2**31 - 1)


class PrecisionResult(TypedDict):
    """Relative errors of the running sums by format, at 1, 2, 4 … terms, against FP64.

    `unchanged_percent` is the share of the entries that the last addition left as they were.
    """

    terms: list[int]
    errors: dict[str, list[float]]
    unchanged_percent: dict[str, float]
    spread: float


class Precision(Experiment[PrecisionParams, PrecisionResult]):
    """How a sum loses its terms."""

    id = "q09/precision"

    def seconds(self, params: PrecisionParams, device: DeviceClass) -> float:
        return 0.3 + 2**params.terms_power * 2e-4

    def formula(self, params: PrecisionParams) -> Data:
        """Of equal terms; see `lost`."""
        counts = [2**power for power in range(params.terms_power + 1)]
        return {"errors": {name: [lost(digits, n) for n in counts] for name, (digits, _) in FORMATS.items()}}

    def measure(self, params: PrecisionParams, ctx: Context) -> PrecisionResult:
        import torch

        random = torch.Generator().manual_seed(params.seed)
        kinds = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
        sums = {name: torch.zeros(ENTRIES, dtype=kind, device=ctx.device) for name, kind in kinds.items()}
        true = torch.zeros(ENTRIES, dtype=torch.float64)
        counts, errors = [], {name: list[float]() for name in FORMATS}
        last, unchanged = 2**params.terms_power, {}
        for number in range(1, last + 1):
            term = (1 + params.spread * torch.randn(ENTRIES, generator=random)).float()
            true += term.double()
            before = {name: total.clone() for name, total in sums.items()} if number == last else {}
            for total in sums.values():
                total += term.to(total)
            if number & (number - 1) == 0:
                ctx.progress(number / last, "adding", terms=number)
                counts.append(number)
                for name, total in sums.items():
                    errors[name].append(_error(total, true))
            elif number % 64 == 0:
                ctx.check_cancelled()
            unchanged = {name: 100 * _share(before[name] == sums[name]) for name in before}
        return {"terms": counts, "errors": errors, "unchanged_percent": unchanged, "spread": params.spread}

    def show(self, result: PrecisionResult, text: Words) -> Shown:
        """`error`: of the running sum, by terms and format."""
        rows: list[Row] = [
            {
                text("terms_added"): count,
                **{text(f"format.{name}"): small_number(result["errors"][name][index]) for name in FORMATS},
            }
            for index, count in enumerate(result["terms"])
        ]
        last = {name: errors[-1] for name, errors in result["errors"].items()}
        equal = lost(FORMATS["bf16"][0], result["terms"][-1])
        notes = [
            text(
                "note.sums",
                terms=result["terms"][-1],
                bf16=100 * last["bf16"],
                fp16=100 * last["fp16"],
                fp32=small_number(last["fp32"]),
            ),
            text("note.vanish", percent=result["unchanged_percent"]["bf16"]),
            text("note.equal_terms", lost=100 * equal),
            text("precision.change"),
        ]
        numbers = {text("bf16_error"): 100 * last["bf16"]}
        return Shown({"error": _drawn(result, text)}, rows, notes, numbers)


def lost(digits: int, terms: int) -> float:
    """The share that a sum of equal terms has lost: it stops where a term is half of its last digit.

    >>> lost(8, 256), lost(8, 512), lost(11, 4096)
    (0.0, 0.5, 0.5)
    """
    return max(0.0, 1 - 2**digits / terms)


def _error(total: torch.Tensor, true: torch.Tensor) -> float:
    return float((total.double().cpu() - true).norm() / true.norm())


def _share(same: torch.Tensor) -> float:
    return float(same.float().mean())


def _drawn(result: PrecisionResult, text: Words) -> Figure:
    """Errors on logarithmic axes; in blue what equal terms lose."""
    figure, ends = Figure(), []
    counts, hover = result["terms"], "%{x}: %{y:.3g}"
    for name, (_, symbol) in FORMATS.items():
        errors = [max(error, LOWEST) for error in result["errors"][name]]
        label = text(f"format.{name}")
        figure.line(counts, errors, "measured", label, hover=hover, symbol=symbol, size=8, showlegend=False)
        ends.append((float(counts[-1]), errors[-1], label))
    expected = [lost(FORMATS["bf16"][0], count) or None for count in counts]
    if any(expected):
        name, mark = text("equal_terms"), "line-ew-open"
        figure.marks(counts, expected, "formula", name, hover=hover, symbol=mark, size=16)
    low, high = figure.log_axes(counts, [LOWEST, 1.0], room=0.25)
    figure.name_ends(ends, low, high, log=True)
    figure.x_axis(text("axis.terms"), ticks={count: f"{count:,}" for count in counts[::3]})
    figure.y_axis(text("axis.sum_error"), ticks=power_ticks(LOWEST, 1, 2))
    return figure
