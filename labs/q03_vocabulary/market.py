"""One text cut by six tokenizers of one training text, side by side; and how long they make other texts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Row, Shown, Words, text
from labs.contract.drawing import Figure
from labs.q03_vocabulary.cut import DRAWN_BYTES, Piece, drawn_cut, laid_out
from labs.q03_vocabulary.over_entries import draw_lines
from labs.q03_vocabulary.shipped import (
    LANGUAGES,
    ByTokenizer,
    held_out_texts,
    shipped_tokenizers,
    tokens_per_character,
    vocab_sizes,
)
from labs.tools.budgets import PerDevice
from minimind_core.errors import ConfigError
from minimind_core.tokenizer import checked_text
from questions import load_question

GIVEN = load_question("q03_vocabulary").given
SAID = {GIVEN["first"]: 6, GIVEN["second"]: 5}
"""Tokens that are commonly given for the problem's sentences at our size."""
SAID_FACTORS = {1_000: 2.0, 100_000: 0.8}
"""How much longer a text is commonly said to be than at our size, by entries."""
MOST_CHARACTERS = 200_000
FILES = ("txt", "md", "py")
"""What a person's own text may come in."""
SYMBOLS = {"zh": "circle", "en": "square", "code": "diamond"}
"""Mark of each language."""


@dataclass(frozen=True)
class MarketParams(Params):
    """The text that is cut."""

    text: str = text(str(GIVEN["first"]), max_length=MOST_CHARACTERS, primary=True, files=FILES)


class MarketResult(TypedDict):
    """`tokens` and `pieces` are of the text that was given, the rest of held-out text, by language.

    `length_factor` is the length of Chinese beside that with our tokenizer, `characters_per_token` that of
    ours. `pieces` are those that begin in the first bytes.
    """

    text: str
    characters: int
    bytes: int
    vocab_sizes: dict[str, int]
    tokens: dict[str, int]
    pieces: dict[str, list[Piece]]
    round_trip: bool
    tokens_per_character: dict[str, ByTokenizer]
    length_factor: ByTokenizer
    characters_per_token: dict[str, float]
    held_out_characters: dict[str, int]


class Market(Experiment[MarketParams, MarketResult]):
    """What each tokenizer makes of the text, and of held-out Chinese, English and code."""

    def seconds(self, params: MarketParams, device: DeviceClass) -> float:
        """Reading the largest tokenizers is most of it."""
        return PerDevice(cpu=7.0, cuda=4.0).on(device) + len(params.text) * 1e-5

    def measure(self, params: MarketParams, ctx: Context) -> MarketResult:
        """Encodes; no model takes part."""
        ctx.progress(0.0, "tokenizers")
        check_countable(params.text)
        tokenizers = shipped_tokenizers(ctx.part(0.0, 0.5, "tokenizers"))
        ids = {name: tokenizer.encode(params.text) for name, tokenizer in tokenizers.items()}
        on_progress = ctx.part(0.5, 1.0, "encoding")
        texts = held_out_texts()
        rates = tokens_per_character(tokenizers, texts, on_progress)
        return {
            "text": params.text[:DRAWN_BYTES],
            "characters": len(params.text),
            "bytes": len(params.text.encode()),
            "vocab_sizes": vocab_sizes(tokenizers),
            "tokens": {name: len(tokens) for name, tokens in ids.items()},
            "pieces": {
                name: laid_out(map(tokenizers[name].token_bytes, tokens)) for name, tokens in ids.items()
            },
            "round_trip": all(tokenizers[name].decode(tokens) == params.text for name, tokens in ids.items()),
            "tokens_per_character": rates,
            "length_factor": {name: rate / rates["zh"]["ours"] for name, rate in rates["zh"].items()},
            "characters_per_token": {language: 1 / rate["ours"] for language, rate in rates.items()},
            "held_out_characters": {language: sum(map(len, texts[language])) for language in LANGUAGES},
        }

    def show(self, result: MarketResult, text: Words) -> Shown:
        """`pieces`: the text as each tokenizer cuts it; `lengths`: tokens a character by entries."""
        sizes, counts = result["vocab_sizes"], result["tokens"]
        cut = drawn_cut(
            {f"{sizes[name]:,}": pieces for name, pieces in result["pieces"].items()},
            [text("count", count=counts[name]) for name in result["pieces"]],
            text("axis.entries"),
            text,
        )
        said, rate = SAID.get(result["text"]), result["tokens_per_character"]["zh"]["ours"]
        notes = [text("note.large", count=counts["large"], ours=counts["ours"])]
        if said is not None:
            notes.insert(0, text("note.estimate", characters=result["characters"], rate=rate))
        if result["bytes"] > DRAWN_BYTES:
            notes.append(text("note.beginning", characters=result["characters"]))
        return Shown(
            {"pieces": cut, "lengths": _lengths(result, text)},
            _rows(result, text),
            notes,
            {text("tokens_of_ours"): counts["ours"]},
            None
            if said is None
            else {
                "said": said,
                "formula": result["characters"] * rate,
                "measured": counts["ours"],
                "unit": text("tokens_unit"),
            },
        )


def check_countable(text: str) -> None:
    """Raise ConfigError for a text without a token, TokenizerError for one that is no UTF-8."""
    if not checked_text(text):
        raise ConfigError("Nothing to count: type some text.", key="q03.empty")


def _lengths(result: MarketResult, text: Words) -> Figure:
    """Three languages over the entries, and where the usual factors would lie in Chinese."""
    figure, sizes = Figure(), list(result["vocab_sizes"].values())
    rates, names = result["tokens_per_character"], {name: text(f"language.{name}") for name in LANGUAGES}
    ends = draw_lines(figure, sizes, rates, SYMBOLS, "%{x:,}: %{y:.3f}", names)
    ours = rates["zh"]["ours"]
    figure.marks(
        list(SAID_FACTORS),
        [factor * ours for factor in SAID_FACTORS.values()],
        "said",
        text("said_lengths"),
        symbol="x",
        size=11,
        hover="%{x:,}: %{y:.3f}",
    )
    high = 1.1 * max(2 * ours, *(rate["small"] for rate in rates.values()))
    figure.x_axis(
        text("axis.entries"),
        log=True,
        ticks={size: f"{size:,}" for size in (1_000, 6_400, 100_000)},
        span=(math.log10(850), math.log10(480_000)),
    )
    figure.y_axis(text("axis.tokens_per_character"), span=(0, high))
    _name_ends(figure, ends, high)
    return figure


def _name_ends(figure: Figure, ends: list[tuple[float, float, str]], high: float) -> None:
    """Names right of the lines, on a logarithmic x and a linear y."""
    figure.name_ends([(math.log10(x), y, name) for x, y, name in ends], 0, high, log=False)


def _rows(result: MarketResult, text: Words) -> list[Row]:
    rates: Mapping[str, ByTokenizer] = result["tokens_per_character"]
    return [
        {
            text("axis.entries"): size,
            text("tokens_of_text"): result["tokens"][name],
            text("bytes_per_token"): result["bytes"] / result["tokens"][name],
            **{text(f"rate.{language}"): rates[language][name] for language in LANGUAGES},
        }
        for name, size in result["vocab_sizes"].items()
    ]
