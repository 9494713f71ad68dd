"""Two rules for the size of a vocabulary, evaluated: the one commonly given, and the one that was fitted.

Source of the second: Tao et al. 2024, Scaling Laws with Vocabulary (arXiv 2407.13623), and its fit code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from labs.contract import Calculator, Params, Row, Shown, Words, whole
from labs.contract.drawing import LABEL_SIZE, Figure, error_bars, power_ticks
from labs.contract.fields import ParamError, real
from labs.q03_vocabulary.prices import MEGA, OURS
from minimind_core.tokenizer import SMALLEST_VOCAB

EXPONENT, BASE_OTHERS, BASE_HIDDEN = 0.8354, 33 * MEGA, 512
BASE_ENTRIES, GRID = 6144, (4096, 10240)
"""Where the law starts from, and the neighbours on the study's grid that scored the same there."""
LOWEST, HIGHEST = 2e3, 2e7
"""Entries that the axis reaches from and to."""


class Known(TypedDict):
    """A model: entries, width, and its parameters without the vocabulary's matrices."""

    entries: int
    hidden: int
    others: float


def body(layers: int, hidden: int, queries: int, keys: int, inner: int) -> int:
    """Weights of so many Llama-like layers; `queries` and `keys` are all heads' widths.

    >>> body(32, 4096, 4096, 4096, 11008)
    6476005376
    """
    return layers * (2 * hidden * queries + 2 * hidden * keys + 3 * hidden * inner)


KNOWN: dict[str, Known] = {
    "Qwen3-0.6B": {"entries": 151_936, "hidden": 1024, "others": body(28, 1024, 2048, 1024, 3072)},
    "LLaMA-7B": {"entries": 32_000, "hidden": 4096, "others": body(32, 4096, 4096, 4096, 11_008)},
    "Llama-3-8B": {"entries": 128_256, "hidden": 4096, "others": body(32, 4096, 4096, 1024, 14_336)},
    "Llama-3-70B": {"entries": 128_256, "hidden": 8192, "others": body(80, 8192, 8192, 1024, 28_672)},
    "GPT-3": {"entries": 50_257, "hidden": 12_288, "others": 96 * 12 * 12_288**2},
}
"""By their published configurations; GPT-3's two feed-forward matrices are four times as wide as it is."""


BELOW = ("LLaMA-7B", "Llama-3-70B", "GPT-3")
"""Named below their marks, where no other mark is."""


@dataclass(frozen=True)
class RulesParams(Params):
    """A model of so many million parameters in all, with one matrix of `entries` rows. All of it is view."""

    millions: float = real(26.0, 1.0, 1e6, step=0.1, primary=True, view=True, label="model_millions")
    entries: int = whole(OURS, SMALLEST_VOCAB, 300_000, primary=True, view=True, label="entries_now")
    hidden: int = whole(512, 64, 16_384, step=64, primary=True, view=True)

    def check_together(self) -> None:
        """The vocabulary cannot be larger than the model."""
        millions = self.entries * self.hidden / MEGA
        if millions >= self.millions:
            raise ParamError(
                "together",
                "entries",
                f"The vocabulary alone would have {millions:,.1f} million parameters; raise the model's "
                "parameters, or lower entries or hidden size.",
                key="q03.larger_than_model",
                millions=millions,
            )

    def others(self) -> float:
        """Parameters outside of the vocabulary's matrix."""
        return self.millions * MEGA - self.entries * self.hidden


class Evaluated(TypedDict):
    """What the rules give for the model that was set, and that model.

    `root` and `product` are the root alone and the expression as it is written; `low`, `fitted` and `high`
    come from the law.
    """

    root: float
    product: float
    low: float
    fitted: float
    high: float
    model: Known


class RulesResult(TypedDict):
    """Nothing is measured."""

    model: None
    view: NotRequired[Evaluated]


class Rules(Calculator[RulesParams, RulesResult]):
    """Both rules for a model of one's own, beside what real models have."""

    def view(self, params: RulesParams, result: RulesResult) -> Evaluated:
        """Both rules, evaluated."""
        root = math.sqrt(params.millions * MEGA)
        low, high = (fitted(params.others(), params.hidden, base) for base in GRID)
        return {
            "root": root,
            "product": 100 * root,
            "low": low,
            "fitted": fitted(params.others(), params.hidden),
            "high": high,
            "model": {"entries": params.entries, "hidden": params.hidden, "others": params.others()},
        }

    def show(self, result: RulesResult, text: Words) -> Shown:
        """`sizes`: entries over the size of the model, by both rules and as they are."""
        view = result["view"]
        models = {text("rules.yours"): view["model"], **KNOWN}
        return Shown(
            {"sizes": _sizes(models, text)},
            [_row(name, model, text) for name, model in models.items()],
            [
                text("rules.root", root=view["root"], product=view["product"]),
                text("rules.fitted", about=_hundreds(view["fitted"]), **_range(view)),
                text("rules.change"),
            ],
            {text("rules.law"): view["fitted"], text("rules.product"): view["product"]},
        )


def fitted(others: float, hidden: int, base_entries: int = BASE_ENTRIES) -> float:
    """Entries by the law: vocabulary parameters grow as a power of all others.

    >>> round(fitted(33e6, 512)), round(fitted(70e9, 8192), -3)
    (6144, 231000.0)
    """
    parameters = base_entries * BASE_HIDDEN * (others / BASE_OTHERS) ** EXPONENT
    return parameters / hidden


def _hundreds(entries: float) -> int:
    return 100 * round(entries / 100)


def _range(view: Evaluated) -> dict[str, int]:
    return {"low": _hundreds(view["low"]), "high": _hundreds(view["high"])}


def _sizes(models: dict[str, Known], text: Words) -> Figure:
    figure = Figure()
    others = [model["others"] / MEGA for model in models.values()]
    smallest, largest = min(*others, 10), max(*others, 3e5)
    edges = (smallest / 1.5, largest * 1.5)
    for factor, name in ((100, "rules.product"), (1, "rules.root_alone")):
        roots = [factor * math.sqrt(edge * MEGA) for edge in edges]
        figure.line(edges, roots, "said", hover="%{x:,.3g}: %{y:,.0f}", showlegend=False)
        place = 150 * smallest
        _write(figure, place, factor * math.sqrt(place * MEGA), text(name), 16, xanchor="right")
    by_law = [fitted(model["others"], model["hidden"]) for model in models.values()]
    spans = [[fitted(model["others"], model["hidden"], base) for base in GRID] for model in models.values()]
    figure.marks(
        others,
        by_law,
        "formula",
        text("rules.law"),
        symbol="diamond",
        size=11,
        hover="%{x:,.3g}: %{y:,.0f}",
        error_y=error_bars(by_law, [{"low": low, "high": high} for low, high in spans]),
    )
    figure.marks(
        others,
        [model["entries"] for model in models.values()],
        "peer",
        text("rules.in_use"),
        size=11,
        customdata=list(models),
        hover="%{customdata}: %{y:,}",
    )
    for name, model in models.items():
        _write(figure, model["others"] / MEGA, model["entries"], name, -14 if name in BELOW else 14)
    figure.x_axis(
        text("axis.others"),
        log=True,
        ticks=power_ticks(*edges),
        span=(math.log10(edges[0]), math.log10(edges[1])),
    )
    figure.y_axis(
        text("axis.entries"),
        log=True,
        ticks=power_ticks(LOWEST, HIGHEST),
        span=(math.log10(LOWEST), math.log10(HIGHEST)),
    )
    return figure


def _write(figure: Figure, x: float, y: float, words: str, up: int, **more: Any) -> None:
    """Words so many pixels above a point."""
    look = {"showarrow": False, "yshift": up, "font": {"size": LABEL_SIZE - 1}, **more}
    figure.note(math.log10(x), math.log10(y), words, **look)


def _row(name: str, model: Known, text: Words) -> Row:
    low, high = (fitted(model["others"], model["hidden"], base) for base in GRID)
    return {
        text("column.model"): name,
        text("axis.others"): model["others"] / MEGA,
        text("hidden"): model["hidden"],
        text("rules.in_use"): model["entries"],
        text("rules.law"): _hundreds(fitted(model["others"], model["hidden"])),
        text("column.law_range"): f"{_hundreds(low):,} – {_hundreds(high):,}",
        text("rules.product"): round(100 * math.sqrt(model["others"] + model["entries"] * model["hidden"])),
    }
