"""The figures of the race: four ratios, the time of a step, their growth, and where attention takes over."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from labs.contract import Words
from labs.contract.drawing import Figure, Role, power_ticks, round_ticks
from labs.q12_kv_cache.accounts import (
    CURRENCIES,
    SHIPPED_HEADS,
    WIDTHS,
    Counts,
    Generation,
    Way,
    crossover_tokens,
    exponent,
    filled,
    step_operations,
)
from labs.q12_kv_cache.claims import given_numbers
from labs.q12_kv_cache.race_summary import RaceResult
from labs.tools.named_lines import NamedLines
from minimind_core.model.cost import attention_flops_per_pair

LENGTHS = [2**power for power in range(6, 16)]


def race_of(result: RaceResult) -> Generation:
    """The race that a result is of."""
    return Generation(
        result["prompt"],
        result["new"],
        result["batch"],
        result["weight_width"],
        WIDTHS[result["cache_dtype"]],
        result.get("kv_heads", SHIPPED_HEADS),
    )


def said_ratio(prompt: int, new: int) -> float:
    """The ratio of token passes if the prompt is left out on the side of the cache.

    >>> said_ratio(512, 100)
    561.5
    """
    return prompt + (new - 1) / 2


def ratio_bars(result: RaceResult, text: Words) -> Figure:
    """What is commonly said, the formula, and what the run counted and timed, as bars side by side."""
    figure = Figure(height=360, barmode="group")
    said = said_ratio(result["prompt"], result["new"])
    counted: dict[str, float] = {name: float(ratio[-1]) for name, ratio in race_of(result).ratios().items()}
    names = {name: text(f"currency.{name}") for name in (*CURRENCIES, "seconds")}

    def bars(ratios: Mapping[str, float], role: Role) -> None:
        figure.bars(
            list(ratios.values()),
            [names[name] for name in ratios],
            role,
            text(role),
            labels=" {:,.3g}×",
            horizontal=True,
            hover="%{y}: %{x:,.4g}×",
        )

    bars({"token_passes": said}, "said")
    bars(counted, "formula")
    highest = max(*counted.values(), said)
    if "totals" in result:
        measured = {name: result["ratios"][name] for name in ("token_passes", "bytes", "seconds")}
        bars(measured, "measured")
        highest = max(highest, *measured.values())
    ticks = {10.0**power: f"{10**power:,}×" for power in range(5)}
    figure.x_axis(
        text("axis.ratio"), log=True, ticks=ticks, span=(np.log10(0.5), np.log10(3 * max(highest, 2)))
    )
    figure.y_axis(reverse=True, showgrid=False, categoryorder="array", categoryarray=list(names.values()))
    return figure


def step_times(result: RaceResult, text: Words) -> Figure:
    """Milliseconds of every step by the length of the text, both ways."""
    figure = Figure()
    lines = NamedLines(figure)
    lengths = [result["prompt"] + step for step in range(result["new"])]
    plain = [lengths[step] for step in result["plain_steps"]]
    for way, x, symbol in (("without", plain, "square"), ("with", lengths, "circle")):
        milliseconds = [1e3 * seconds for seconds in result["times"][way]]
        lines.draw(
            dict(zip(x, milliseconds, strict=True)),
            "measured",
            text(way),
            symbol=symbol,
            size=6,
            hover="%{x}: %{y:.3g} ms",
            showlegend=False,
        )
    low, high = lines.fit(lengths)
    figure.x_axis(text("axis.length"), ticks={at: f"{at:,}" for at in (lengths[0], lengths[-1])})
    figure.y_axis(text("axis.step_time"), ticks=round_ticks(low, high))
    return figure


def step_exponents(result: RaceResult) -> dict[str, float]:
    """The power of the length with which a step's time grows, without and with the cache, and its error.

    Beside each the power of the operations, as `…_counted`. The first step is left out, for with the cache
    it is the prompt's. Empty where too few steps were run.
    """
    race, found = race_of(result), dict[str, float]()
    run: dict[Way, list[int]] = {"without": result["plain_steps"], "with": list(range(race.new))}
    for way, numbers in run.items():
        rest = numbers[1:]
        lengths = [race.prompt + number for number in rest]
        seconds = exponent(lengths, result["times"][way][1:])
        counted = exponent(lengths, race.costs(way)["operations"][rest].tolist() if rest else [])
        if seconds is None or counted is None:
            return {}
        found |= {way: seconds[0], f"{way}_error": seconds[1], f"{way}_counted": counted[0]}
    return found


def spared_work(result: RaceResult, text: Words) -> Figure:
    """What runs again without the cache, in percent of it by part of the layers; keys and values are few."""
    figure, spared = Figure(height=280), race_of(result).spared()
    total = sum(spared.values())
    names = [text(f"part.{part}") for part in spared]
    figure.bars(
        [100 * work / total for work in spared.values()],
        names,
        "formula",
        text("formula"),
        labels=" {:.3g}%",
        horizontal=True,
        hover="%{y}: %{x:.3g}%",
    )
    figure.marks(
        [100],
        [text("part.kv")],
        "said",
        text("said_again"),
        symbol="diamond-open",
        size=11,
        hover="%{y}: %{x}%",
    )
    figure.x_axis(text("axis.spared"), span=(0, 112))
    figure.y_axis(reverse=True, showgrid=False, categoryorder="array", categoryarray=names)
    return figure


def growth(result: RaceResult, text: Words) -> Figure:
    """The ratios of the totals up to each new token, beside a table that is in circulation."""
    race, figure = race_of(result), Figure()
    lines, tokens = NamedLines(figure), list(range(1, race.new + 1))
    for name, ratios in race.ratios().items():
        dash = {"token_passes": "solid", "operations": "dash", "bytes": "dot"}[name]
        lines.draw(
            dict(zip(tokens, ratios.tolist(), strict=True)),
            "formula",
            text(f"currency.{name}"),
            line={"dash": dash},
            hover="%{x}: %{y:.3g}×",
            showlegend=False,
        )
    without = filled(result["plain_steps"], result["times"]["without"], race.new)
    measured = without.cumsum() / np.cumsum(result["times"]["with"])
    lines.draw(
        dict(zip(tokens, measured.tolist(), strict=True)),
        "measured",
        text("currency.seconds"),
        width=3,
        hover="%{x}: %{y:.3g}×",
        showlegend=False,
    )
    printed = {
        int(count): slow / quick
        for count, slow, quick in zip(
            *(given_numbers(f"printed_{name}") for name in ("tokens", "without", "with")), strict=True
        )
        if count <= race.new
    }
    if printed:
        lines.draw(printed, "said", name=text("printed"), mode="markers", symbol="diamond-open", size=10)
    low, high = lines.fit(tokens)
    figure.x_axis(text("axis.new"), ticks=round_ticks(1, race.new + 1))
    figure.y_axis(text("axis.ratio"), ticks=round_ticks(low, high))
    return figure


def crossover(result: RaceResult, text: Words) -> Figure:
    """Operations of one cached step by what it reads: the matrices stay, attention grows."""
    figure, config = Figure(), race_of(result).config
    lines, meets_at = NamedLines(figure), crossover_tokens(config)
    lengths = np.array(sorted([*LENGTHS, meets_at]), dtype=np.float64)
    nothing = np.zeros_like(lengths)
    parts: dict[str, Counts] = {
        "matrices": step_operations(config, nothing + 1, nothing),
        "attention": attention_flops_per_pair(config) * lengths,
    }
    for name, operations in parts.items():
        lines.draw(
            dict(zip(lengths.astype(int).tolist(), (operations / 1e6).tolist(), strict=True)),
            "formula",
            text(f"part.{name}"),
            line={"dash": "solid" if name == "matrices" else "dash"},
            hover="%{x:,}: %{y:,.4g}",
            showlegend=False,
        )
    meeting = float(parts["matrices"][0] / 1e6)
    figure.marks(
        [meets_at],
        [meeting],
        "formula",
        size=11,
        text=[f"{meets_at:,}"],
        textposition="top center",
        hover="%{x:,}",
        showlegend=False,
    )
    ends = [result["prompt"], result["prompt"] + result["new"] - 1]
    figure.line(ends, [meeting] * 2, "peer", text("this_race"), width=7, hover="%{x:,}")
    low, high = lines.fit(lengths.tolist())
    figure.x_axis(text("axis.cached"), ticks={10.0**power: f"{10**power:,}" for power in range(2, 5)})
    figure.y_axis(text("axis.operations"), ticks=power_ticks(low, high))
    return figure
