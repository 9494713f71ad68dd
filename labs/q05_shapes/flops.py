"""Operations of one forward over the length: the formula, torch's counter, and what that does not see."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, Words, choice
from labs.contract.drawing import Figure, Role, power_ticks
from labs.q05_shapes.outline import GIGA, MILLION
from labs.tools.budgets import PerDevice
from labs.tools.named_lines import NamedLines
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import attention_flops_per_pair, forward_flops, matmul_parameters

LENGTHS = (1, 64, 512, 8192)
DRAWN = tuple(2**power for power in range(14))
ASKED = 512
"""The length that the sentence is about: a full window."""


@dataclass(frozen=True)
class FlopsParams(Params):
    """The rows of the batch, which multiply everything alike."""

    batch: int = choice(1, (1, 2, 4), primary=True)


class FlopsResult(TypedDict):
    """Operations by length as text, counted with attention written out and with torch's fused kernel."""

    batch: int
    counted: dict[str, int]
    fused: dict[str, int]


class Flops(Experiment[FlopsParams, FlopsResult]):
    """Counted without computing: tensors without data choose the same kernels as real ones."""

    def seconds(self, params: FlopsParams, device: DeviceClass) -> float:
        return PerDevice(cpu=6.0, cuda=6.0).on(device) + 0.1 * params.batch

    def measure(self, params: FlopsParams, ctx: Context) -> FlopsResult:
        """A model of shapes alone, on this device, reads every length both ways."""
        import torch
        from torch._subclasses.fake_tensor import FakeTensorMode
        from torch.utils.flop_counter import FlopCounterMode

        from labs.q05_shapes.stepwise import Stepwise, attention_replaced
        from labs.tools import imports
        from labs.tools.models import before_each_layer
        from minimind_core.model.minimind import MiniMind

        ctx.progress(0.0, "building")
        imports.load(imports.WITHOUT_NUMBERS, ctx.check_cancelled)
        shapes_alone = FakeTensorMode()
        with shapes_alone, torch.device(ctx.device):
            model = MiniMind(ModelConfig())
        runs = [(path, length) for length in LENGTHS for path in ("counted", "fused")]
        partials = []
        for index, (path, length) in enumerate(runs):
            ctx.progress(index / len(runs), "counting", length=length)
            written_out = attention_replaced(model, Stepwise) if path == "counted" else nullcontext()
            with (
                shapes_alone,
                torch.no_grad(),
                before_each_layer(model, ctx.check_cancelled),
                written_out,
                FlopCounterMode(display=False) as counter,
            ):
                model(torch.zeros(params.batch, length, dtype=torch.int64, device=ctx.device))
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
                text("flops.fused"): fused.get(length, 0),
            }
            for length, count in counted.items()
        ]
        if str(ASKED) not in fused:
            return Shown(figures, rows)
        return Shown(
            figures,
            rows,
            notes=[text("flops.sentence", length=ASKED), text("flops.change")],
            numbers={text("flops.of", length=ASKED): counted[str(ASKED)] / GIGA},
            sentence={
                "said": fused[str(ASKED)] / GIGA,
                "formula": forward_flops(ModelConfig(), batch, ASKED) / GIGA,
                "measured": counted[str(ASKED)] / GIGA,
                "unit": "GFLOP",
            },
        )


def _a_token() -> tuple[float, dict[int, float]]:
    """MFLOP a token in all matrices, which no length changes; and in attention, by length."""
    weights, pair = sum(matmul_parameters(ModelConfig()).values()), attention_flops_per_pair(ModelConfig())
    return 2 * weights / MILLION, {length: pair * length / MILLION for length in DRAWN}


def _counts(result: FlopsResult, text: Words) -> Figure:
    """What one token costs: both parts by the formula as lines, counts of the whole as marks."""
    figure, (linear, square) = Figure(), _a_token()
    lines = NamedLines(figure, also=[linear + square[DRAWN[-1]]])
    look: dict[str, Any] = {"showlegend": False, "hover": "%{x:,}: %{y:.3g} MFLOP"}
    lines.draw({length: linear for length in DRAWN}, "peer", text("flops.linear"), **look)
    lines.draw(square, "formula", text("flops.square"), **look)
    whole = {length: linear + own for length, own in square.items()}
    lines.draw(whole, "formula", text("flops.whole"), **look)
    sides: tuple[tuple[dict[str, int], Role, str, str], ...] = (
        (result["counted"], "measured", "circle", text("flops.counted")),
        (result["fused"], "said", "x", text("flops.fused")),
    )
    for counts, role, symbol, name in sides:
        tokens = [int(length) * result["batch"] for length in counts]
        figure.marks(
            list(map(int, counts)),
            [count / number / MILLION for count, number in zip(counts.values(), tokens, strict=True)],
            role,
            name,
            symbol=symbol,
            size=10,
            hover="%{x:,}: %{y:.4g} MFLOP",
        )
    low, high = lines.fit(DRAWN)
    figure.x_axis(text("axis.tokens"), ticks={length: f"{length:,}" for length in DRAWN[::3]})
    figure.y_axis(text("axis.mflop"), ticks=power_ticks(low, high))
    return figure


def _share(text: Words) -> Figure:
    """Attention's share of all operations, with masked pairs computed and without, and where it is a half."""
    figure, (linear, square) = Figure(height=300), _a_token()
    pair = square[1]
    causal = {length: pair * (length + 1) / 2 for length in DRAWN}
    halves = {"square": linear / pair, "causal": 2 * linear / pair - 1}
    for kind, costs, symbol in (("square", square, "circle"), ("causal", causal, "diamond-open")):
        name = text(f"flops.share_{kind}", length=f"{halves[kind]:,.0f}")
        shares = [own / (own + linear) for own in costs.values()]
        figure.line(DRAWN, shares, "formula", name, symbol=symbol, size=7, hover="%{x:,}: %{y:.1%}")
    figure.line([DRAWN[0], DRAWN[-1]], [0.5, 0.5], "peer", text("flops.even"), showlegend=False)
    ticks = {length: f"{length:,}" for length in DRAWN[::3]}
    figure.x_axis(text("axis.tokens"), log=True, ticks=ticks)
    figure.y_axis(text("flops.share"), tickformat=".0%", span=(0, 1))
    return figure
