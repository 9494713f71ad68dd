"""Beyond the trained length, nothing trained: the same tokens in longer chunks, under each stretch of RoPE.

The tables are stretched once, for the longest chunk, and then read short chunks as well: so does a server
that has one set of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Required, TypedDict, cast

import numpy as np

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, Words, choice
from labs.contract.drawing import Figure, round_ticks
from labs.contract.fields import ParamError, real, switch
from labs.q04_long_text import wavelengths
from labs.tools.budgets import PerDevice
from labs.tools.named_lines import NamedLines
from labs.tools.written import small_number
from minimind_core.model.config import PRESETS, RopeScaling, RopeScalingKind

STRETCHES: tuple[RopeScalingKind, ...] = ("pi", "ntk", "yarn")
LINES = {"none": "circle", "pi": "square", "ntk": "triangle-up", "yarn": "diamond", "window": "star"}
"""Symbols."""
LONGEST = PerDevice(cpu=2048, cuda=8192)
DOCUMENTS = PerDevice(cpu=8, cuda=32)
SECONDS_A_TOKEN = PerDevice(cpu=1.6e-4, cuda=2e-6)
LOW_FACTOR = (
    "Factor below 1 would stretch positions; 1 means no scaling, 0 the length over the trained length."
)

ByLength = dict[str, float]


@dataclass(frozen=True)
class ExtrapolationParams(Params):
    """`original` 0 is the trained length; `factor` 0 the longest chunk over the original length, 1 at least.

    Without `rebuild` the scaling is only written into the configuration of the model that is built already.
    """

    specimen: str = choice("byte-128", ("byte-128", "nano-rope", "nano-rope-1e4"), primary=True)
    times: int = choice(4, (2, 4, 8, 16), primary=True, label="times_trained")
    factor: float = real(0, 0, 64, step=1, label="factor_or_auto", low_sentence=LOW_FACTOR)
    original: int = choice(0, (0, 64, 128, 256, 512, 1024, 2048), unit="tokens", label="original_or_auto")
    temperature: bool = switch(True, label="yarn_temperature")
    rebuild: bool = switch(True, label="rebuild_tables")
    text: str = choice("english", ("english", "code", "both", "chinese"))

    def check_together(self) -> None:
        """A factor below 1 would move the trained positions further apart."""
        if 0 < self.factor < 1:
            raise ParamError("low", "factor", LOW_FACTOR, key="q04.factor_or_auto.low")

    def trained(self) -> int:
        """Tokens that the specimen was trained on."""
        return PRESETS[self.specimen].max_length

    def original_length(self) -> int:
        """The length that the stretches take for the trained one."""
        return self.original or self.trained()

    def factor_on(self, device: str) -> float:
        """By how much the positions are squeezed on a device."""
        return self.factor or max(1.0, self.lengths(device)[-1] / self.original_length())

    def lengths(self, device: str) -> list[int]:
        """Lengths of the chunks on a device, the trained one first."""
        longest = min(self.times * self.trained(), LONGEST.on(device))
        return [self.trained() * 2**power for power in range(int(math.log2(longest // self.trained())) + 1)]


class ExtrapolationResult(TypedDict, total=False):
    """Perplexities by line, then by length; percentages at the longest length but for `short_…`.

    `switched` is what YaRN in the configuration does to a built model (`readings.after_building`).
    `increase_percent` is over a window as wide as the training; `short_increase_percent` that of stretched
    tables over plain ones in chunks of the trained length.
    """

    trained: Required[int]
    perplexity: Required[dict[str, ByLength]]
    increase_percent: dict[str, float]
    short_increase_percent: dict[str, float]
    none_over_yarn_percent: float
    none_over_yarn_range: dict[str, float]
    specimen: str
    factor: float
    original: int
    rebuilt: bool
    documents: int
    tokens: int
    capped: bool
    switched: dict[str, float]


class Extrapolation(Experiment[ExtrapolationParams, ExtrapolationResult]):
    """Perplexity of a small trained model on chunks longer than its training, under each stretch of RoPE."""

    version = 2

    def seconds(self, params: ExtrapolationParams, device: DeviceClass) -> float:
        lengths = params.lengths(device)
        tokens = DOCUMENTS.on(device) * lengths[-1] * len(LINES) * len(lengths)
        return 1 + tokens * SECONDS_A_TOKEN.on(device) * (1 + lengths[-1] / 4096)

    def measure(self, params: ExtrapolationParams, ctx: Context) -> ExtrapolationResult:
        from labs.q04_long_text.readings import after_building, chunk_losses, scaling_for, stretched
        from labs.tools import heldout

        ctx.progress(0.0, "loading")
        loaded = ctx.model(params.specimen)
        lengths, trained = params.lengths(ctx.device), params.trained()
        factor, original = params.factor_on(ctx.device), params.original_length()
        rows = heldout.held_out_windows(
            loaded.tokenizer, params.text, DOCUMENTS.on(ctx.device), lengths[-1], ctx
        )  # [D, R + 1]
        models = {name: loaded.model for name in ("none", "window")}
        rebuilt: dict[str, Any] = {
            kind: stretched(loaded.model, scaling_for(kind, factor, original, params.temperature))
            for kind in STRETCHES
        }
        models |= rebuilt if params.rebuild else dict.fromkeys(STRETCHES, loaded.model)
        losses: dict[tuple[str, int], Any] = {}
        partials: list[dict[str, Any]] = []
        for index, (length, line) in enumerate((length, line) for length in lengths for line in LINES):
            ctx.progress(index / (len(lengths) * len(LINES)), "chunks", line=line, length=length)
            window = trained if line == "window" else None
            nats = chunk_losses(models[line], rows, length, window, ctx.check_cancelled)  # [D, R]
            losses[line, length] = nats.mean(1, dtype=np.float64)
            partials.append({"line": line, "length": length, "perplexity": _perplexity(losses[line, length])})
            ctx.emit(partials[-1])
        read = self.so_far(params, partials)
        ratios = np.exp(losses["none", lengths[-1]] - losses["yarn", lengths[-1]])  # [D]
        return {
            **read,
            **_compared(read["perplexity"], str(trained), str(lengths[-1])),
            "none_over_yarn_range": {
                "low": 100 * float(ratios.min() - 1),
                "high": 100 * float(ratios.max() - 1),
            },
            "specimen": params.specimen,
            "factor": factor,
            "documents": len(rows),
            "tokens": rows[:, 1:].numel(),
            "capped": lengths[-1] < params.times * trained,
            "switched": after_building(loaded.model, rows[0, :trained], rebuilt["yarn"]),
            "original": original,
            "rebuilt": params.rebuild,
        }

    def so_far(self, params: ExtrapolationParams, partials: Partials) -> ExtrapolationResult:
        """Shorter chunks are read first."""
        perplexities: dict[str, ByLength] = {}
        for reading in partials:
            perplexities.setdefault(reading["line"], {})[str(reading["length"])] = reading["perplexity"]
        return {"trained": params.trained(), "perplexity": perplexities}

    def show(self, result: ExtrapolationResult, text: Words) -> Shown:
        """Perplexity over the length of the chunks, and what stretched tables do to short ones."""
        figures = {"lengths": _lengths(result, text)}
        if "specimen" not in result:
            return Shown(figures)
        longest = max(map(int, result["perplexity"]["none"]))
        turns = _pairs(result)
        figures["short"] = _short(result, text)
        figures["wavelengths"] = wavelengths.drawn(turns, result["trained"], longest, text)
        return Shown(
            figures,
            rows=[_row(line, result, text) for line in LINES],
            notes=[
                text(
                    "extrapolation.note",
                    specimen=result["specimen"],
                    longest=longest,
                    trained=result["trained"],
                    percent=result["none_over_yarn_percent"],
                    **result["none_over_yarn_range"],
                    documents=result["documents"],
                    tokens=result["tokens"],
                ),
                *([_switched(result["switched"], text)] if "switched" in result else []),
                _turns(turns, result["trained"], text),
                *_unusual(result, text),
                *([text("extrapolation.capped", longest=longest)] if result["capped"] else []),
                text("extrapolation.change"),
            ],
            numbers={text("extrapolation.none_over_yarn"): result["none_over_yarn_percent"]}
            | {
                f"{text(f'stretch.{line}')} {text('column.increase')}": percent
                for line, percent in result["increase_percent"].items()
            },
        )


def _pairs(result: ExtrapolationResult) -> wavelengths.Pairs:
    """The specimen's rotary pairs, and what the run's YaRN makes of them."""
    config, trained = PRESETS[result["specimen"]], result["trained"]
    scaling = RopeScaling("yarn", result["factor"], result.get("original", trained))
    return wavelengths.pairs(config.head_dim, config.rope_theta, trained, scaling)


def _turns(pairs: wavelengths.Pairs, trained: int, text: Words) -> str:
    facts = {name: pairs[name] for name in ("turned", "kept", "blended", "stretched", "spared")}
    return text("wavelengths.note", **facts, pairs=len(pairs["plain"]), trained=trained)


def _switched(switched: dict[str, float], text: Words) -> str:
    """What a switch in the configuration does, and what new tables do."""
    return text("extrapolation.switched", **{name: small_number(change) for name, change in switched.items()})


def _unusual(result: ExtrapolationResult, text: Words) -> list[str]:
    """What the stretches took for the trained length if it is another one, and that no table was rebuilt."""
    trained, original = result["trained"], result.get("original", result["trained"])
    asked = original * result["factor"]
    return [
        *(
            [text("extrapolation.original", original=original, trained=trained, asked=asked)]
            if original != trained
            else []
        ),
        *([text("extrapolation.not_rebuilt")] if not result.get("rebuilt", True) else []),
    ]


def _perplexity(nats: Any) -> float:
    return math.exp(float(nats.mean()))


def _compared(perplexity: dict[str, ByLength], short: str, longest: str) -> ExtrapolationResult:
    """The percentages that predictions and claims ask for."""
    others = [line for line in LINES if line != "window"]
    found = {
        "increase_percent": {
            line: 100 * (perplexity[line][longest] / perplexity["window"][longest] - 1) for line in others
        },
        "short_increase_percent": {
            line: 100 * (perplexity[line][short] / perplexity["none"][short] - 1) for line in STRETCHES
        },
        "none_over_yarn_percent": 100 * (perplexity["none"][longest] / perplexity["yarn"][longest] - 1),
    }
    return cast(ExtrapolationResult, found)


def _lengths(result: ExtrapolationResult, text: Words) -> Figure:
    figure, trained = Figure(), result["trained"]
    lines, every = NamedLines(figure), {trained}
    for line, by_length in result["perplexity"].items():
        points: dict[int, float | None] = {int(length): value for length, value in by_length.items()}
        name = text(f"stretch.{line}")
        hover = f"{name}<br>%{{x:,}}: %{{y:.4g}}"
        lines.draw(points, "measured", name, symbol=LINES[line], size=9, showlegend=False, hover=hover)
        every |= points.keys()
    low, high = lines.fit(every)
    figure.line([trained] * 2, [low, high], "peer", text("trained"))
    figure.x_axis(text("axis.chunk"), ticks={length: f"{length:,}" for length in sorted(every)})
    figure.y_axis(text("axis.perplexity"), ticks=round_ticks(low, high))
    return figure


def _short(result: ExtrapolationResult, text: Words) -> Figure:
    """What the tables for long text cost short text."""
    figure, percents = Figure(height=260), result["short_increase_percent"]
    names = [text(f"stretch.{line}") for line in percents]
    figure.bars(
        names,
        list(percents.values()),
        "measured",
        labels="{:+.1f}%",
        hover="%{x}: %{y:.1f}%",
        showlegend=False,
    )
    top = 1.25 * max(1.0, *percents.values())
    figure.y_axis(text("axis.short"), span=(min(0.0, 1.25 * min(percents.values())), top))
    return figure


def _row(line: str, result: ExtrapolationResult, text: Words) -> Row:
    return {
        text("column.stretch"): text(f"stretch.{line}"),
        **{f"{int(length):,}": value for length, value in result["perplexity"][line].items()},
        text("column.increase"): result["increase_percent"].get(line, "–"),
        text("column.short"): result["short_increase_percent"].get(line, "–"),
    }
