"""Characters against tokens: where a router that counts `len(text)` sends a text, and where it belongs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.claims.checks import given_text, given_whole
from labs.contract import Context, DeviceClass, Experiment, Params, Shown, Words, text
from labs.contract.drawing import Figure
from minimind_core.errors import ConfigError
from questions import load_question

QUESTION = load_question("q04_long_text")
PASSAGES = {"chinese": given_text(QUESTION, "passage"), "english": given_text(QUESTION, "passage_en")}
CODE = "def tokens(text: str) -> int:\n    return len(tokenizer.encode(text))\n"
TIERS = (given_whole(QUESTION, "trained"), given_whole(QUESTION, "raised"))
"""Up to the first directly, up to the second with RoPE stretched, above that something else."""
LONGEST = 4096
"""Characters of the drawn curves."""
POINTS = 17
SYMBOLS = {"own": "diamond", "chinese": "circle", "english": "square", "code": "triangle-up"}


@dataclass(frozen=True)
class RoutingParams(Params):
    """A text of one's own."""

    prompt: str = text(
        "\n".join(PASSAGES.values()) * 3,
        max_length=20_000,
        primary=True,
        label="own_text",
        openings={"en": PASSAGES["english"] * 8, "zh": (PASSAGES["chinese"] * 8)[:520]},
    )


class Routed(TypedDict):
    """One text and the tier (0, 1, 2) that each count sends it to."""

    characters: int
    tokens: int
    by_characters: int
    by_tokens: int


class RoutingResult(TypedDict):
    """The text itself, and tokens over characters of it and of three others, each repeated to be long."""

    own: Routed
    characters: NDArray[np.int32]
    tokens: dict[str, NDArray[np.int32]]
    tokens_a_character: dict[str, float]


class Routing(Experiment[RoutingParams, RoutingResult]):
    """How many tokens a text really has, and which way two routers send it."""

    def seconds(self, params: RoutingParams, device: DeviceClass) -> float:
        return 0.3 + 2e-5 * len(params.prompt)

    def measure(self, params: RoutingParams, ctx: Context) -> RoutingResult:
        ctx.progress(0.0, "loading")
        tokenizer = ctx.model().tokenizer
        if not params.prompt:
            raise ConfigError("There is no text: type or paste some.", key="q04.no_text")
        count = len(tokenizer.encode(params.prompt))
        places = np.linspace(0, LONGEST, POINTS).round().astype(np.int32)
        curves = {}
        for index, (name, passage) in enumerate({"own": params.prompt, **PASSAGES, "code": CODE}.items()):
            on_progress = ctx.part(0.1 + 0.22 * index, 0.32 + 0.22 * index, "counting")
            repeated = passage * -(-LONGEST // len(passage))
            tokens = []
            for number, place in enumerate(places.tolist()):
                on_progress(number / POINTS)
                tokens.append(len(tokenizer.encode(repeated[:place])))
            curves[name] = np.array(tokens, np.int32)
        return {
            "own": {
                "characters": len(params.prompt),
                "tokens": count,
                "by_characters": tier(len(params.prompt)),
                "by_tokens": tier(count),
            },
            "characters": places,
            "tokens": curves,
            "tokens_a_character": {name: float(curve[-1]) / LONGEST for name, curve in curves.items()},
        }

    def show(self, result: RoutingResult, text: Words) -> Shown:
        """Tokens over characters, with the tiers' limits on both axes."""
        own = result["own"]
        verdict = "agree" if own["by_characters"] == own["by_tokens"] else "differ"
        return Shown(
            {"curves": _curves(result, text)},
            rows=[
                {
                    text("column.text"): text(f"passage.{name}"),
                    text("column.tokens_a_character"): ratio,
                    **{
                        text("column.fits", tokens=f"{limit:,}"): round(limit / ratio) if ratio else "–"
                        for limit in TIERS
                    },
                }
                for name, ratio in result["tokens_a_character"].items()
            ],
            notes=[
                text(
                    f"routing.{verdict}",
                    characters=own["characters"],
                    tokens=own["tokens"],
                    by_characters=text(f"tier.{own['by_characters']}"),
                    by_tokens=text(f"tier.{own['by_tokens']}"),
                ),
                text("routing.change"),
            ],
            numbers={text("routing.tokens"): own["tokens"]},
        )


def tier(length: int) -> int:
    """0 up to the first limit, 1 up to the second, else 2.

    >>> tier(512), tier(513), tier(2049)
    (0, 1, 2)
    """
    return sum(length > limit for limit in TIERS)


def _curves(result: RoutingResult, text: Words) -> Figure:
    figure, characters = Figure(), result["characters"]
    figure.line([0, LONGEST], [0, LONGEST], "said", text("routing.said"))
    top, ends = float(LONGEST), []
    for name, tokens in result["tokens"].items():
        label = text(f"passage.{name}")
        hover = f"{label}<br>%{{x:,}} → %{{y:,}}"
        figure.line(
            characters, tokens, "measured", label, hover=hover, symbol=SYMBOLS[name], size=6, showlegend=False
        )
        ends.append((float(LONGEST), float(tokens[-1]), label))
        top = max(top, float(tokens[-1]))
    figure.name_ends(ends, 0, 1.05 * top, log=False)
    for limit in TIERS:
        figure.line([0, LONGEST], [limit] * 2, "peer", showlegend=False, hover=f"{limit:,}")
    figure.x_axis(text("axis.characters"), span=(0, 1.35 * LONGEST))
    figure.y_axis(
        text("axis.tokens"),
        span=(0, 1.05 * top),
        ticks={limit: f"{limit:,}" for limit in (0, *TIERS, LONGEST)},
    )
    return figure
