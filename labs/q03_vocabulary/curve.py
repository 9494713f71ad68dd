"""What a character costs over the vocabulary: fewer tokens, each of them dearer. The minimum lies inside.

The tokenizers encode held-out text once; width, depth and where logits are needed only price the counts anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from labs.contract import Context, Experiment, Params, Row, Shown, Words
from labs.contract.drawing import Figure, round_ticks
from labs.contract.fields import choice
from labs.q03_vocabulary import prices
from labs.q03_vocabulary.over_entries import draw_lines
from labs.q03_vocabulary.shipped import (
    LANGUAGES,
    ByTokenizer,
    beginning,
    held_out_texts,
    shipped_tokenizers,
    tokens_per_character,
    vocab_sizes,
)
from labs.tools.budgets import PerDevice
from minimind_core.model.cost import num_parameters

COSTS = ("training", "prompt", "decoding")
"""Operations with the head at every position and with next to none of it; bytes read step by step."""
SYMBOLS = {"training": "circle", "prompt": "square", "decoding": "diamond"}
SAID_LENGTH = 0.8
"""How long a text is commonly said to be at 100,000 entries beside ours."""
LARGEST = (0.2, 12.0)
"""Limits of the relative cost's axis, which stays while sliders move."""


@dataclass(frozen=True)
class CurveParams(Params):
    """Up to so many characters of each language are counted; the rest is how the counts are priced."""

    language: str = choice("zh", tuple(LANGUAGES), primary=True, view=True)
    hidden: int = prices.hidden(primary=True, view=True)
    layers: int = prices.layers(primary=True, view=True)
    tied: bool = prices.tied(view=True)
    thousands: int = choice(300, (10, 50, 300))


class Costs(TypedDict):
    """By cost: an absolute price a character by tokenizer, and the same beside ours; where it is least.

    Training and prompt are in MFLOP, decoding in MB of 16-bit weights. `expected` is the training cost of
    the largest vocabulary beside ours if its text had the length that is commonly said.
    """

    price: dict[str, ByTokenizer]
    relative: dict[str, ByTokenizer]
    least: dict[str, str]
    expected: float
    parameters: dict[str, int]
    language: str


class CurveResult(TypedDict):
    """Entries by tokenizer; tokens a character by language and tokenizer."""

    vocab_sizes: dict[str, int]
    tokens_per_character: dict[str, ByTokenizer]
    view: NotRequired[Costs]


class Curve(Experiment[CurveParams, CurveResult]):
    """The price of a character in training, in reading a prompt and in decoding, over six vocabularies."""

    takes = PerDevice(cpu=7.0, cuda=4.0)
    """As q03/market."""

    def measure(self, params: CurveParams, ctx: Context) -> CurveResult:
        """Counts the tokens of held-out text."""
        tokenizers = shipped_tokenizers(ctx.part(0.0, 0.5, "tokenizers"))
        limit = 1000 * params.thousands
        texts = {
            language: list(beginning(documents, limit)) for language, documents in held_out_texts().items()
        }
        rates = tokens_per_character(tokenizers, texts, ctx.part(0.5, 1.0, "encoding"))
        return {"vocab_sizes": vocab_sizes(tokenizers), "tokens_per_character": rates}

    def view(self, params: CurveParams, result: CurveResult) -> Costs:
        """The counts of one language, priced for one shape."""
        rates, sizes = result["tokens_per_character"][params.language], result["vocab_sizes"]
        shapes = {
            name: prices.shape(size, params.hidden, params.layers, params.tied)
            for name, size in sizes.items()
        }
        price: dict[str, ByTokenizer] = {cost: {} for cost in COSTS}
        for name, config in shapes.items():
            of_token = prices.operations(config, 1, 1)
            body = of_token["layers"] + of_token["attention"]
            price["training"][name] = rates[name] * (body + of_token["head"])
            price["prompt"][name] = rates[name] * body
            price["decoding"][name] = rates[name] * prices.read_megabytes(config)
        a_token = {name: price["training"][name] / rates[name] for name in sizes}
        return {
            "price": price,
            "relative": {
                cost: {name: value / row["ours"] for name, value in row.items()}
                for cost, row in price.items()
            },
            "least": {cost: min(row, key=row.__getitem__) for cost, row in price.items()},
            "expected": SAID_LENGTH * a_token["large"] / a_token["ours"],
            "parameters": {name: num_parameters(config) for name, config in shapes.items()},
            "language": params.language,
        }

    def show(self, result: CurveResult, text: Words) -> Shown:
        """`relative`: three costs a character beside ours, over the entries."""
        view, sizes = result["view"], result["vocab_sizes"]
        least = {cost: f"{sizes[name]:,}" for cost, name in view["least"].items()}
        return Shown(
            {"relative": _relative(result, view, text)},
            _rows(result, view, text),
            [text("note.curve"), text("note.least", **least)],
            {text("cost_of_large"): view["relative"]["training"]["large"]},
            {
                "said": SAID_LENGTH,
                "formula": view["expected"],
                "measured": view["relative"]["training"]["large"],
                "unit": "×",
            },
        )


def _relative(result: CurveResult, view: Costs, text: Words) -> Figure:
    figure, sizes = Figure(), list(result["vocab_sizes"].values())
    low, high = map(math.log10, LARGEST)
    names = {cost: text(f"cost_of.{cost}") for cost in COSTS}
    ends = draw_lines(figure, sizes, view["relative"], SYMBOLS, "%{x:,}: %{y:.3f}×", names)
    figure.line([850, sizes[-1]], [1, 1], "peer", text("as_ours"), showlegend=False)
    figure.marks(
        [prices.LARGE], [SAID_LENGTH], "said", text("said_cost"), symbol="x", size=11, hover="%{y:.2f}×"
    )
    _entries_axis(figure, text)
    figure.y_axis(text("axis.relative_cost"), log=True, ticks=round_ticks(*LARGEST), span=(low, high))
    figure.name_ends(ends, *LARGEST, log=True)
    return figure


def _entries_axis(figure: Figure, text: Words) -> None:
    """Logarithmic, with room for the names of the lines."""
    ticks = {size: f"{size:,}" for size in (1_000, prices.OURS, 32_000, prices.LARGE)}
    figure.x_axis(text("axis.entries"), log=True, ticks=ticks, span=(math.log10(850), math.log10(1_100_000)))


def _rows(result: CurveResult, view: Costs, text: Words) -> list[Row]:
    rates: dict[str, Any] = result["tokens_per_character"][view["language"]]
    return [
        {
            text("axis.entries"): size,
            text("axis.tokens_per_character"): rates[name],
            text("column.training_price"): view["price"]["training"][name],
            text("column.prompt_price"): view["price"]["prompt"][name],
            text("column.decoding_price"): view["price"]["decoding"][name],
            text("column.parameters"): view["parameters"][name],
        }
        for name, size in result["vocab_sizes"].items()
    ]
