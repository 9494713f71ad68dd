"""Operations of one forward over the length: the formula, torch's counter, and what that does not see."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, Words, choice
from labs.contract.drawing import Figure, Role, power_ticks
from labs.q05_shapes.outline import GIGA
from labs.tools.budgets import PerDevice
from labs.tools.named_lines import NamedLines
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import attention_flops_per_pair, forward_flops, matmul_parameters

LENGTHS = (1, 8, 64, 512, 2048, 8192)
DRAWN = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
RUN = 64
"""The length up to which the fused kernel is really run: it is what the counter cannot see into."""


@dataclass(frozen=True)
class FlopsParams(Params):
    """The rows of the batch, which multiply everything alike."""

    batch: int = choice(1, (1, 2, 4), primary=True)


class FlopsResult(TypedDict):
    """Operations by length as text: counted on the written-out path, and on the fused one where it ran."""

    batch: int
    counted: dict[str, int]
    fused: dict[str, int]


class Flops(Experiment[FlopsParams, FlopsResult]):
    """Counted without computing: tensors without data suffice for the written-out path."""

    id = "q05/flops"

    def seconds(self, params: FlopsParams, device: DeviceClass) -> float:
        return PerDevice(cpu=2.5, cuda=2.0).on(device) + 0.1 * params.batch

    def measure(self, params: FlopsParams, ctx: Context) -> FlopsResult:
        """A model of shapes alone for every length; an untrained one on the device for the shorter ones."""
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        from labs.q05_shapes.stepwise import Stepwise, attention_replaced
        from labs.tools.models import before_each_layer, untrained
        from minimind_core.model.minimind import MiniMind

        ctx.progress(0.0, "building")
        with torch.device("meta"):
            shapes_alone = MiniMind(ModelConfig())
        runs = [("counted", shapes_alone, length) for length in LENGTHS]
        real = untrained(ModelConfig(), ctx.device)
        runs += [("fused", real, length) for length in LENGTHS if length <= RUN]
        partials = []
        for index, (path, model, length) in enumerate(runs):
            ctx.progress(index / len(runs), "counting", length=length)
            weight = model.model.embed_tokens.weight
            ids = torch.zeros(params.batch, length, dtype=torch.int64, device=weight.device)
            written_out = attention_replaced(model, Stepwise) if path == "counted" else nullcontext()
            with (
                torch.inference_mode(),
                before_each_layer(model, ctx.check_cancelled),
                written_out,
                FlopCounterMode(display=False) as counter,
            ):
                model(ids)
            partials.append({"path": path, "length": length, "count": int(counter.get_total_flops())})
            ctx.emit(partials[-1])
        return self.so_far(params, partials)

    def so_far(self, params: FlopsParams, partials: Partials) -> FlopsResult:
        """The lengths that were counted."""
        counts: dict[str, dict[str, int]] = {"counted": {}, "fused": {}}
        for partial in partials:
            counts[partial["path"]][str(partial["length"])] = partial["count"]
        return {"batch": params.batch, "counted": counts["counted"], "fused": counts["fused"]}

    def show(self, result: FlopsResult, text: Words) -> Shown:
        """`flops`: matrices and attention by the formula, with what was counted; `share`: attention's."""
        batch, counted, fused = result["batch"], result["counted"], result["fused"]
        figures = {"flops": _counts(result, text), "share": _share(text)}
        rows: list[Row] = [
            {
                text("axis.tokens"): int(length),
                text("formula"): forward_flops(ModelConfig(), batch, int(length)),
                text("flops.counted"): count,
                text("flops.fused"): fused.get(length, "–"),
            }
            for length, count in counted.items()
        ]
        if str(RUN) not in fused:
            return Shown(figures, rows)
        return Shown(
            figures,
            rows,
            notes=[text("flops.sentence", length=RUN), text("flops.change")],
            numbers={text("flops.of", length=RUN): counted[str(RUN)] / GIGA},
            sentence={
                "said": fused[str(RUN)] / GIGA,
                "formula": forward_flops(ModelConfig(), batch, RUN) / GIGA,
                "measured": counted[str(RUN)] / GIGA,
                "unit": "GFLOP",
            },
        )


def _by_formula(batch: int) -> tuple[dict[int, float], dict[int, float]]:
    """GFLOP of all matrices and of attention, by length."""
    weights, pair = sum(matmul_parameters(ModelConfig()).values()), attention_flops_per_pair(ModelConfig())
    linear = {length: 2 * weights * batch * length / GIGA for length in DRAWN}
    return linear, {length: pair * batch * length**2 / GIGA for length in DRAWN}


def _counts(result: FlopsResult, text: Words) -> Figure:
    """Both parts by the formula as lines, counts of the whole as marks, over the length."""
    figure, (linear, square) = Figure(), _by_formula(result["batch"])
    lines = NamedLines(figure)
    lines.draw(linear, "peer", text("flops.linear"), showlegend=False, hover="%{x:,}: %{y:.3g} GFLOP")
    lines.draw(square, "formula", text("flops.square"), showlegend=False, hover="%{x:,}: %{y:.3g} GFLOP")
    sides: tuple[tuple[dict[str, int], Role, str, str], ...] = (
        (result["counted"], "measured", "circle", text("flops.counted")),
        (result["fused"], "said", "x", text("flops.fused")),
    )
    for counts, role, symbol, name in sides:
        points = {int(length): count / GIGA for length, count in counts.items()}
        hover = "%{x:,}: %{y:.4g} GFLOP"
        figure.marks(list(points), list(points.values()), role, name, symbol=symbol, size=9, hover=hover)
    low, high = lines.fit(DRAWN)
    figure.x_axis(text("axis.tokens"), ticks={length: f"{length:,}" for length in DRAWN[::3]})
    figure.y_axis(text("axis.gflop"), ticks=power_ticks(low, high))
    return figure


def _share(text: Words) -> Figure:
    """Attention's share of all operations, and the length at which it is a half."""
    figure, (linear, square) = Figure(height=260), _by_formula(1)
    shares = [square[length] / (square[length] + linear[length]) for length in DRAWN]
    half = DRAWN[0] * linear[DRAWN[0]] / square[DRAWN[0]]
    figure.line(DRAWN, shares, "formula", text("flops.share"), hover="%{x:,}: %{y:.1%}", showlegend=False)
    figure.line([half] * 2, [0, 1], "peer", text("flops.even", length=f"{half:,.0f}"))
    ticks = {length: f"{length:,}" for length in DRAWN[::3]}
    figure.x_axis(text("axis.tokens"), log=True, ticks=ticks)
    figure.y_axis(text("flops.share"), tickformat=".0%", span=(0, 1))
    return figure
