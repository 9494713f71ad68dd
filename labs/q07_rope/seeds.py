"""Every kind of positions, trained here from several seeds: does the order of the bench survive the seed?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NotRequired

from labs.contract import Context, DeviceClass, Experiment, Partials, Shown, Words
from labs.contract.drawing import Figure, round_ticks
from labs.q07_rope.length_figures import KINDS, length_axis
from labs.q07_rope.length_summary import ByLength
from labs.tools.named_lines import NamedLines
from labs.tools.seeds import plans, shown
from labs.tools.seeds.judging import Judged, judged
from labs.tools.seeds.shown import verdict

POSITIONS = ("rope", "alibi", "sinusoidal", "learned", "none")
TIMES_TRAINED = (1, 2, 4)
"""The lengths of chunks that the models read, in trained lengths."""
ALWAYS_SHOWN = (0.6, 1.8)
"""Growth within the axis of every run, so that one without any looks like it."""


@dataclass(frozen=True)
class SeedsParams(plans.SeedsParams):
    """Steps 0 are as many as suit the size."""

    default_steps: ClassVar = {"toy": 80, "nano-rope": 200, "minimind-26m": 300}


class SeedsResult(plans.SeriesFacts):
    """By kind, one value a seed, and the facts of the trainings; `judged` at the end (`judging.py`)."""

    loss: dict[str, list[float]]
    """At the trained length."""
    growth: dict[str, list[ByLength]]
    """The perplexity by length of the chunks over that at the trained one."""
    lengths: list[int]
    judged: NotRequired[Judged]
    """Of the losses."""
    judged_growth: NotRequired[Judged]
    """Of the growth to the longest chunks."""


class Seeds(Experiment[SeedsParams, SeedsResult]):
    """Trains every kind of positions from every seed, and reads longer and longer chunks with all."""

    def seconds(self, params: SeedsParams, device: DeviceClass) -> float:
        return params.seconds(len(POSITIONS), device)

    def measure(self, params: SeedsParams, ctx: Context) -> SeedsResult:
        from labs.q07_rope.bench_lines import mean_losses, with_longer_table
        from labs.tools.seeds.training import prepared

        kinds = {kind: {"position": kind} for kind in POSITIONS}
        series = prepared(params, ctx, kinds, times_trained=TIMES_TRAINED[-1])
        trained = series.plan.config.max_length
        lengths = [trained * times for times in TIMES_TRAINED]
        longest = lengths[-1]
        partials: list[dict[str, Any]] = []
        for made in series.models(ctx):
            ends = made.kind == "learned"
            model = with_longer_table(made.model, longest, made.seed) if ends else made.model
            nats = mean_losses(model, lengths, series.scored, ctx.check_cancelled)
            growth = {str(length): math.exp(loss - nats[trained]) for length, loss in nats.items()}
            partials.append({"kind": made.kind, "seed": made.seed, "loss": nats[trained], "growth": growth})
            ctx.emit(partials[-1])
        result = self.so_far(params, partials)
        to_longest = {kind: _at(longest, growths) for kind, growths in result["growth"].items()}
        return {
            **series.described(),
            **result,
            "judged": judged(result["loss"]),
            "judged_growth": judged(to_longest),
        }

    def so_far(self, params: SeedsParams, partials: Partials) -> SeedsResult:
        return {
            "seeds": params.seeds,
            "loss": shown.finished(partials, "loss"),
            "growth": shown.finished(partials, "growth"),
            "lengths": [int(length) for length in partials[0]["growth"]],
        }

    def show(self, result: SeedsResult, text: Words) -> Shown:
        names: dict[str, str] = {kind: text(f"row.{kind}") for kind in POSITIONS}
        longest = result["lengths"][-1]
        figures = {
            "loss": shown.dots(result["loss"], names, result["seeds"], text("seeds.axis"), text),
            "growth": _growth_figure(result, names, text),
        }
        if "judged" not in result:
            return Shown(figures)
        of_loss, of_growth = result["judged"], result["judged_growth"]
        growth, spans = text("seeds.growth", longest=longest), of_growth["range"]
        rows = zip(shown.table(result["loss"], names, text), result["loss"], strict=True)
        return Shown(
            figures,
            rows=[
                {**row, growth: f"{spans[kind]['low']:.3g}–{spans[kind]['high']:.3g}"} for row, kind in rows
            ],
            notes=[
                text("seeds.at_trained", trained=result["length"], verdict=verdict(of_loss, names, text)),
                text("seeds.at_longest", longest=longest, verdict=verdict(of_growth, names, text)),
                *shown.conditions(result, text),
            ],
            numbers={names[kind]: mean for kind, mean in of_loss["mean"].items()},
        )


def _at(length: int, seeds: Sequence[ByLength]) -> list[float]:
    return [by_length[str(length)] for by_length in seeds]


def _growth_figure(result: SeedsResult, names: Mapping[str, str], text: Words) -> Figure:
    """The growth over the length of the chunks: a line a seed, each kind named at its mean."""
    figure, lengths = Figure(), result["lengths"]
    lines = NamedLines(figure, also=ALWAYS_SHOWN)
    for kind, seeds in result["growth"].items():
        figure.line(
            [*lengths, None] * len(seeds),
            [value for by_length in seeds for value in (*by_length.values(), None)],
            "measured",
            symbol=KINDS[kind],
            size=9,
            width=1.5,
            showlegend=False,
            hover=f"{names[kind]}<br>%{{x:,}}: %{{y:.3g}}×",
        )
        lines.values += [value for by_length in seeds for value in by_length.values()]
        longest = _at(lengths[-1], seeds)
        lines.ends.append((lengths[-1], sum(longest) / len(longest), names[kind]))
    low, high = lines.fit(lengths)
    length_axis(figure, lengths, text)
    figure.y_axis(text("seeds.axis.growth"), ticks=round_ticks(low, high))
    return figure
