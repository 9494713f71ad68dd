"""What QK-norm is for: queries and keys grow, and attention with and without the norm is watched."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, Words
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

    id = "q05/qk_norm"

    def seconds(self, params: QKNormParams, device: DeviceClass) -> float:
        return PerDevice(cpu=2.5, cuda=0.7).on(device)

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
        normed = normed.to(ctx.device, loaded.model.head_weight.dtype).eval()
        partials = []
        models = dict(zip(WAYS, (loaded.model, normed), strict=True))
        for index, (way, scale) in enumerate((way, scale) for scale in SCALES for way in WAYS):
            ctx.progress((index + 1) / (len(SCALES) * len(WAYS) + 1), "scale", scale=scale)
            with torch.inference_mode(), before_each_layer(models[way], ctx.check_cancelled):
                partials.append({"way": way, "scale": scale, "probe": _probe(models[way], ids, scale)})
            ctx.emit(partials[-1] | {"bound": math.sqrt(loaded.config.head_dim)})
        return self.so_far(
            params, [{**partial, "bound": math.sqrt(loaded.config.head_dim)} for partial in partials]
        )

    def so_far(self, params: QKNormParams, partials: Partials) -> QKNormResult:
        """The scales that were read."""
        probes: dict[str, dict[str, Probe]] = {way: {} for way in WAYS}
        for partial in partials:
            probes[partial["way"]][str(partial["scale"])] = partial["probe"]
        return {"probes": probes, "bound": partials[-1]["bound"]}

    def show(self, result: QKNormResult, text: Words) -> Shown:
        """`score`: the largest score over the scale; `evenness`: how even attention is."""
        probes, bound = result["probes"], result["bound"]
        score, evenness = Figure(), Figure(height=280)
        lines = NamedLines(score)
        base = probes["plain"]["1"]["score"]
        lines.draw(
            {scale: base * scale**2 for scale in SCALES}, "formula", text("qk.square"), showlegend=False
        )
        lines.draw({scale: bound for scale in SCALES}, "formula", text("qk.bound"), showlegend=False)
        for way, symbol in WAYS.items():
            by_scale = {int(scale): probe for scale, probe in probes[way].items()}
            look: dict[str, Any] = {"symbol": symbol, "size": 9, "hover": "%{x}×: %{y:.3g}"}
            lines.draw(
                {scale: probe["score"] for scale, probe in by_scale.items()},
                "measured",
                name=text(f"qk.{way}"),
                **look,
            )
            evenness.line(
                [str(scale) for scale in by_scale],
                [probe["evenness"] for probe in by_scale.values()],
                "measured",
                text(f"qk.{way}"),
                **look,
            )
        low, high = lines.fit(SCALES)
        score.x_axis(text("axis.scale"), ticks={scale: f"{scale}×" for scale in SCALES})
        score.y_axis(text("axis.score"), ticks=power_ticks(low, high))
        evenness.x_axis(text("axis.scale"), category=True)
        evenness.y_axis(text("axis.evenness"), span=(0, 1))
        scales = list(probes["plain"])
        rows: list[Row] = [
            {
                text("axis.scale"): int(scale),
                **{
                    f"{text(f'qk.{way}')}: {text(f'qk.{fact}')}": probes[way][scale][fact]
                    for way in WAYS
                    for fact in ("score", "evenness")
                    if scale in probes[way]
                },
            }
            for scale in scales
        ]
        if str(SCALES[-1]) not in probes["normed"]:
            return Shown({"score": score, "evenness": evenness})
        asked = {way: probes[way][str(ASKED)]["score"] for way in WAYS}
        return Shown(
            {"score": score, "evenness": evenness},
            rows,
            notes=[text("qk.sentence", scale=ASKED), text("qk.change")],
            numbers={text(f"qk.{way}"): asked[way] for way in WAYS},
            sentence={"said": asked["plain"], "formula": bound, "measured": asked["normed"], "unit": ""},
        )


def _probe(model: MiniMind, ids: Tensor, scale: int) -> Probe:
    """One forward whose queries and keys are `scale` times as long before a norm, if there is one."""
    import torch

    from labs.q05_shapes.stepwise import Stepwise, attention_replaced

    scores: list[float] = []
    evenness: list[float] = []

    def note(name: str, tensor: torch.Tensor) -> None:
        if name == "scores":  # [B, H, T, T]
            scores.append(float(tensor.tril().abs().max()))
        elif name == "weights":
            entropy = torch.special.entr(tensor.float()).sum(-1)[..., 1:]  # [B, H, T - 1]
            visible = torch.arange(2, tensor.shape[-1] + 1, device=tensor.device)
            evenness.append(float((entropy / visible.log()).mean()))

    handles = [
        projection.register_forward_hook(lambda _module, _inputs, output: output * scale)
        for layer in model.model.layers
        for projection in (layer.self_attn.q_proj, layer.self_attn.k_proj)
    ]
    try:
        with attention_replaced(model, functools.partial(Stepwise, note=note)):
            model(ids)
    finally:
        for handle in handles:
            handle.remove()
    return {"score": max(scores), "evenness": sum(evenness) / len(evenness)}
