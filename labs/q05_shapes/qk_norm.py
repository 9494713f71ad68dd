"""What QK-norm is for: queries and keys grow, and attention with and without the norm is watched."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from labs.contract import Context, Experiment, Params, Partials, Row, Shown, Words
from labs.contract.drawing import Figure, power_ticks
from labs.q05_shapes.reading import ids_of, short_text
from labs.tools.budgets import PerDevice
from labs.tools.named_lines import NamedLines

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from minimind_core.model.minimind import MiniMind

SCALES = (1, 2, 4, 8, 16, 32)
ASKED = 4
"""The scale that the sentence is about."""
WAYS = {"plain": "circle", "normed": "diamond"}
"""Without QK-norm and with it, and the symbols of their lines."""


@dataclass(frozen=True)
class QKNormParams(Params):
    """The text that is read."""

    text: str = short_text()


class Probe(TypedDict):
    """Largest score of any layer by absolute value, and the mean entropy of attention, 1 where it is even."""

    score: float
    evenness: float


class QKNormResult(TypedDict):
    """By way, then by scale as text; `bound` is what no score can pass with the norm."""

    probes: dict[str, dict[str, Probe]]
    bound: float


class QKNorm(Experiment[QKNormParams, QKNormResult]):
    """The trained model with queries and keys multiplied, and the same weights with QK-norm before RoPE."""

    takes = PerDevice(cpu=2.5, cuda=0.7)

    def measure(self, params: QKNormParams, ctx: Context) -> QKNormResult:
        """One forward for every scale, without the norm and with it; gains are one, as before training."""
        import torch

        from labs.tools.models import before_each_layer
        from minimind_core.model.minimind import MiniMind

        ctx.progress(0.0, "loading")
        loaded = ctx.model()
        ids = torch.tensor([ids_of(loaded, params.text)], device=ctx.device)
        with torch.random.fork_rng(devices=[]):
            normed = MiniMind(loaded.config.replace(qk_norm=True))
        normed.load_state_dict(loaded.model.state_dict(), strict=False)  # the gains stay one
        normed = normed.to(ctx.device, loaded.model.dtype).eval()
        partials, bound = [], math.sqrt(loaded.config.head_dim)
        models = dict(zip(WAYS, (loaded.model, normed), strict=True))
        for index, (way, scale) in enumerate((way, scale) for scale in SCALES for way in WAYS):
            ctx.progress((index + 1) / (len(SCALES) * len(WAYS) + 1), "scale", scale=scale)
            with torch.inference_mode(), before_each_layer(models[way], ctx.check_cancelled):
                probe = _probe(models[way], ids, scale)
            partials.append({"way": way, "scale": scale, "probe": probe, "bound": bound})
            ctx.emit(partials[-1])
        return self.so_far(params, partials)

    def so_far(self, params: QKNormParams, partials: Partials) -> QKNormResult:
        """The scales that were read."""
        probes: dict[str, dict[str, Probe]] = {way: {} for way in WAYS}
        for partial in partials:
            probes[partial["way"]][str(partial["scale"])] = partial["probe"]
        return {"probes": probes, "bound": partials[-1]["bound"]}

    def show(self, result: QKNormResult, text: Words) -> Shown:
        """`score`: the largest score over the scale; `evenness`: how even attention is."""
        probes, bound = result["probes"], result["bound"]
        figures = {"score": _scores(result, text), "evenness": _evenness(result, text)}
        if str(SCALES[-1]) not in probes["normed"]:
            return Shown(figures)
        rows: list[Row] = [
            {
                text("axis.scale"): scale,
                **{
                    f"{text(f'qk.{way}')}: {text(f'qk.{fact}')}": probes[way][str(scale)][fact]
                    for way in WAYS
                    for fact in ("score", "evenness")
                },
            }
            for scale in SCALES
        ]
        asked = {way: probes[way][str(ASKED)]["score"] for way in WAYS}
        return Shown(
            figures,
            rows,
            notes=[text("qk.sentence", scale=ASKED), text("qk.change")],
            numbers={text(f"qk.{way}"): asked[way] for way in WAYS},
            sentence={"said": asked["plain"], "formula": bound, "measured": asked["normed"], "unit": ""},
        )


def _scores(result: QKNormResult, text: Words) -> Figure:
    """The largest score, beside the square of the scale and the bound, both axes logarithmic."""
    figure, probes = Figure(), result["probes"]
    lines, base = NamedLines(figure), probes["plain"]["1"]["score"]
    squares = {scale: base * scale**2 for scale in SCALES}
    lines.draw(squares, "formula", text("qk.square"), showlegend=False)
    lines.draw({scale: result["bound"] for scale in SCALES}, "formula", text("qk.bound"), showlegend=False)
    for way, by_scale in _known(result).items():
        scores = {scale: probe["score"] for scale, probe in by_scale.items()}
        lines.draw(scores, "measured", name=text(f"qk.{way}"), **_look(way))
    low, high = lines.fit(SCALES)
    figure.x_axis(text("axis.scale"), ticks={scale: f"{scale}×" for scale in SCALES})
    figure.y_axis(text("axis.score"), ticks=power_ticks(low, high))
    return figure


def _evenness(result: QKNormResult, text: Words) -> Figure:
    figure = Figure(height=280)
    for way, by_scale in _known(result).items():
        evenness = [probe["evenness"] for probe in by_scale.values()]
        figure.line(
            [f"{scale}×" for scale in by_scale], evenness, "measured", text(f"qk.{way}"), **_look(way)
        )
    figure.x_axis(text("axis.scale"), category=True)
    figure.y_axis(text("axis.evenness"), span=(0, 1))
    return figure


def _known(result: QKNormResult) -> dict[str, dict[int, Probe]]:
    """The ways that were probed so far, by scale."""
    return {
        way: {int(scale): probe for scale, probe in by_scale.items()}
        for way, by_scale in result["probes"].items()
        if by_scale
    }


def _look(way: str) -> dict[str, Any]:
    return {"symbol": WAYS[way], "size": 9, "hover": "%{x}: %{y:.3g}"}


def _probe(model: MiniMind, ids: Tensor, scale: int) -> Probe:
    """One forward whose queries and keys are `scale` times as long before a norm, if there is one."""
    import torch

    from labs.q05_shapes.stepwise import Stepwise, attention_replaced
    from labs.tools.models import hooked

    scores: list[float] = []
    evenness: list[float] = []

    def note(name: str, tensor: torch.Tensor) -> None:
        if name == "scores":  # [B, H, T, T]
            scores.append(float(tensor.tril().abs().max()))
        elif name == "weights":
            entropy = torch.special.entr(tensor.float()).sum(-1)[..., 1:]  # [B, H, T - 1]
            visible = torch.arange(2, tensor.shape[-1] + 1, device=tensor.device)
            evenness.append(float((entropy / visible.log()).mean()))

    multiplied = hooked(
        projection.register_forward_hook(lambda _module, _inputs, output: output * scale)
        for layer in model.model.layers
        for projection in (layer.self_attn.q_proj, layer.self_attn.k_proj)
    )
    with multiplied, attention_replaced(model, functools.partial(Stepwise, note=note)):
        model(ids)
    return {"score": max(scores), "evenness": sum(evenness) / len(evenness)}
