"""The error of a wrong denominator, layer by layer, and over simulated ranks.

One backward pass a micro-batch gives all inner products of their gradients. Every denominator, number of
ranks and way of dealing the micro-batches out is then a view of these.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, DeviceClass, Experiment, Params, Row, Shown, Words
from labs.contract.drawing import Figure
from labs.contract.fields import ParamError, choice, text, whole
from labs.q09_accumulation.dealing import DEALS, DENOMINATORS, dealt, factors
from labs.q09_accumulation.token_counts import read_counts
from labs.tools.budgets import PerDevice
from labs.tools.written import short_number, small_number
from questions.values import MINUS

MOST_RANKS, MOST_MICRO_BATCHES = 4, 8
DOCUMENTS = 2
_LAYER = re.compile(r"model\.layers\.(\d+)\.")


@dataclass(frozen=True)
class LayersParams(Params):
    """Valid tokens by micro-batch decide the run; denominator, ranks and dealing are views of it."""

    tokens: str = text("64, 48, 32, 32, 24, 16, 8, 4", max_length=200, primary=True)
    denominator: str = choice("micro_batch", DENOMINATORS, primary=True, view=True)
    ranks: int = whole(1, 1, MOST_RANKS, primary=True, view=True, label="world")
    deal: str = choice("turn", DEALS, view=True)
    seed: int = whole(0, 0, 2**31 - 1)

    def check_together(self) -> None:
        """Raise ParamError for tokens that are no window of full micro-batches, or too few for the ranks."""
        counts = read_counts(self.tokens)
        if len(counts) > MOST_MICRO_BATCHES or 0 in counts:
            raise ParamError(
                "together",
                "tokens",
                f"Type 1 to {MOST_MICRO_BATCHES} micro-batches here, each with a valid token.",
                key="q09.layers.tokens",
                most=MOST_MICRO_BATCHES,
            )
        if self.ranks > len(counts):
            raise ParamError(
                "together",
                "ranks",
                f"{self.ranks} ranks need as many micro-batches; there are {len(counts)}.",
                key="q09.layers.ranks",
                ranks=self.ranks,
                count=len(counts),
            )


class View(TypedDict):
    """Of the chosen denominator: relative errors by place, and of the whole gradient with its cosine."""

    places: list[str]
    errors: list[float]
    error: float
    cosine: float
    denominator: str
    ranks: int
    owners: list[int]
    alike: list[list[float]]
    """Cosines between the micro-batches' gradients."""


class LayersResult(TypedDict):
    """Inner products [A, A] by parameter; and the relative error of the right sum against one big batch."""

    counts: list[int]
    names: list[str]
    products: list[list[list[float]]]
    right_error: float
    view: NotRequired[View]


class Layers(Experiment[LayersParams, LayersResult]):
    """Micro-batches of unequal length, and who divides by what, in every layer."""

    id = "q09/layers"

    def seconds(self, params: LayersParams, device: DeviceClass) -> float:
        counts = read_counts(params.tokens)
        tokens = sum(counts) + len(counts) * max(counts)
        return PerDevice(cpu=3.0 + len(counts) * 0.3 + tokens * 0.005, cuda=2.0).on(device)

    def measure(self, params: LayersParams, ctx: Context) -> LayersResult:
        from labs.q09_accumulation import products
        from labs.q09_accumulation import window_gradients as window
        from labs.tools import heldout
        from labs.tools.gradients import relative_error
        from labs.tools.models import copied

        ctx.progress(0.0, "reading")
        counts, loaded = read_counts(params.tokens), ctx.model()
        texts = heldout.held_out("code")[:DOCUMENTS]
        rows = heldout.windows(loaded.tokenizer, texts, len(counts), max(counts), params.seed).to(ctx.device)
        model = copied(loaded.model)

        def begin(index: int) -> None:
            ctx.progress(0.1 + 0.5 * index / len(counts), "micro_batch", index=index + 1)

        with window.heard_in_every_layer(model, ctx.check_cancelled):
            gradients = products.summed_gradients(model, rows, counts, begin)
            ctx.progress(0.6, "big_batch")
            right = products.added_up(gradients, 1 / sum(counts))
            error = relative_error(right, window.big_batch_gradient(model, rows, counts))
        ctx.progress(0.8, "comparing")
        return {
            "counts": counts,
            "names": [name for name, _ in model.named_parameters()],
            "products": products.inner_products(gradients, ctx.check_cancelled),
            "right_error": error,
        }

    def view(self, params: LayersParams, result: LayersResult) -> View:
        counts = result["counts"]
        owners = dealt(counts, params.ranks, params.deal)
        own, right = (factors(counts, owners, name) for name in (params.denominator, "all"))
        places = list(dict.fromkeys(map(place_of, result["names"])))
        by_place = {place: np.zeros((len(counts),) * 2) for place in places}
        for name, products in zip(result["names"], result["products"], strict=True):
            by_place[place_of(name)] += products
        whole_gradient = np.sum(list(by_place.values()), axis=0)
        lengths = np.sqrt(np.diag(whole_gradient))
        return {
            "places": places,
            "errors": [off(products, own, right) for products in by_place.values()],
            "error": off(whole_gradient, own, right),
            "cosine": float(
                own @ whole_gradient @ right / (size(whole_gradient, own) * size(whole_gradient, right))
            ),
            "denominator": params.denominator,
            "ranks": params.ranks,
            "owners": owners,
            "alike": (whole_gradient / np.outer(lengths, lengths)).tolist(),
        }

    def show(self, result: LayersResult, text: Words) -> Shown:
        """`error`: by place of the model; `alike`: how alike the micro-batches' gradients are."""
        view = result["view"]
        rows: list[Row] = [
            {text("place"): named(place, text), text("axis.error"): small_number(error)}
            for place, error in zip(view["places"], view["errors"], strict=True)
        ]
        figures = {"error": _errors(view, text), "alike": _alike(view, result["counts"], text)}
        return Shown(figures, rows, _notes(result, view, text), {text("whole_error"): view["error"]})


def place_of(name: str) -> str:
    """Where a parameter belongs: a layer's number, or a part of its own.

    >>> place_of("model.layers.3.mlp.up_proj.weight"), place_of("model.norm.weight")
    ('3', 'norm')
    """
    if match := _LAYER.match(name):
        return match[1]
    return {"model.embed_tokens.weight": "embedding", "model.norm.weight": "norm"}.get(name, "head")


def named(place: str, text: Words) -> str:
    """A place in the reader's language."""
    return text("place.layer", index=int(place)) if place.isdecimal() else text(f"place.{place}")


def size(products: NDArray[np.float64], factor: NDArray[np.float64]) -> float:
    """The norm of the sum of the gradients, each times its factor.

    >>> size(np.array([[9.0, 0.0], [0.0, 16.0]]), np.array([1.0, 1.0]))
    5.0
    """
    return max(float(factor @ products @ factor), 0.0) ** 0.5


def off(products: NDArray[np.float64], own: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Relative error of the sum with the own factors against that with the right ones."""
    return size(products, own - right) / size(products, right)


def _notes(result: LayersResult, view: View, text: Words) -> list[str]:
    dealt_out = [
        text("note.share", rank=rank + 1, tokens=sum(tokens), counts=text("comma").join(map(str, tokens)))
        for rank in range(view["ranks"])
        for tokens in [[n for n, own in zip(result["counts"], view["owners"], strict=True) if own == rank]]
    ]
    notes = [text(f"layers.{view['denominator']}", error=100 * view["error"], cosine=view["cosine"])]
    if view["ranks"] > 1:
        notes += dealt_out
    if view["error"] > 0:
        worst, least = int(np.argmax(view["errors"])), int(np.argmin(view["errors"]))
        most, smallest = (100 * view["errors"][index] for index in (worst, least))
        names = [named(view["places"][index], text) for index in (worst, least)]
        notes.append(text("note.by_place", worst=names[0], most=most, best=names[1], least=smallest))
    if len(result["counts"]) > 1:
        cosines = np.array(view["alike"])[~np.eye(len(result["counts"]), dtype=bool)]
        notes.append(text("note.alike", cosine=float(cosines.mean())))
    notes.append(text("note.right_sum", error=small_number(result["right_error"])))
    return [*notes, text("layers.change")]


def _errors(view: View, text: Words) -> Figure:
    figure = Figure(height=90 + 28 * len(view["places"]))
    percents = [100 * error for error in (view["error"], *view["errors"])]
    figure.bars(
        percents,
        [text("whole_gradient"), *(named(place, text) for place in view["places"])],
        "measured",
        text("measured"),
        labels=[f" {short_number(percent)}%" for percent in percents],
        horizontal=True,
        hover="%{y}: %{x:.3g}%",
        showlegend=False,
    )
    top = max(100.0, *percents)
    figure.x_axis(text("axis.error_percent"), span=(0, top * 1.2))
    figure.y_axis(category=True, reverse=True)
    return figure


def _alike(view: View, counts: list[int], text: Words) -> Figure:
    """Cosines between gradients of the same model: what is near zero is mostly noise of the few tokens."""
    names = [f"{index}: {count}" for index, count in enumerate(counts, start=1)]
    figure = Figure(height=140 + 30 * len(counts))
    figure.heat(view["alike"], names, names, "measured", zmin=0, zmax=1, hover="%{y} · %{x} → %{z:.3f}")
    cells = [(x, y) for y in range(len(counts)) for x in range(len(counts)) if x != y]
    said = [f"{round(view['alike'][y][x], 2) + 0.0:.2f}".replace("-", MINUS) for x, y in cells]
    figure.words([names[x] for x, _ in cells], [names[y] for _, y in cells], said, textfont={"size": 10})
    figure.x_axis(text("axis.micro_batch"), category=True, showgrid=False)
    figure.y_axis(category=True, reverse=True, showgrid=False)
    return figure
