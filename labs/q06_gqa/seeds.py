"""MHA, GQA and MQA models trained from scratch from several seeds each: does their order survive the seed?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NotRequired

from labs.contract import Context, DeviceClass, Experiment, Partials, Shown, Words
from labs.q06_gqa.cache_bytes import VARIANTS
from labs.tools.seeds import plans, shown
from labs.tools.seeds.judging import Judged, judged


@dataclass(frozen=True)
class SeedsParams(plans.SeedsParams):
    """Steps 0 are as many as suit the size."""

    default_steps: ClassVar = {"toy": 130, "nano-rope": 300, "minimind-26m": 300}


class SeedsResult(plans.SeriesFacts):
    """`loss` by kind, one number a seed, and what they say (`judging.py`); after it the trainings' facts."""

    loss: dict[str, list[float]]
    judged: NotRequired[Judged]


class Seeds(Experiment[SeedsParams, SeedsResult]):
    """Trains every kind from every seed and reads the same held-out text with all."""

    def seconds(self, params: SeedsParams, device: DeviceClass) -> float:
        return params.seconds(len(VARIANTS), device)

    def measure(self, params: SeedsParams, ctx: Context) -> SeedsResult:
        """Emits {"kind", "seed", "loss"} for every finished model."""
        from labs.tools.heldout import window_losses
        from labs.tools.seeds.training import prepared

        heads = plans.plan_of(params.size, ctx.device).config.num_heads
        kinds = {name: {"num_kv_heads": min(count, heads)} for name, count in VARIANTS.items()}
        series = prepared(params, ctx, kinds)
        losses: dict[str, list[float]] = {name: [] for name in kinds}
        for trained in series.models(ctx):
            by_window = window_losses(trained.model, series.scored, lambda _share: ctx.check_cancelled())
            losses[trained.kind].append(float(by_window.mean()))
            ctx.emit({"kind": trained.kind, "seed": trained.seed, "loss": losses[trained.kind][-1]})
        return {**series.described(), "loss": losses, "judged": judged(losses)}

    def so_far(self, params: SeedsParams, partials: Partials) -> SeedsResult:
        """Losses of the models that are finished, by kind."""
        return {"loss": shown.finished(partials, "loss"), "seeds": params.seeds}

    def show(self, result: SeedsResult, text: Words) -> Shown:
        """`loss`: held-out loss by kind, one dot a seed; at the end the verdict and what it rests on."""
        names = {kind: text(f"seeds.{kind}") for kind in VARIANTS}
        figures = {"loss": shown.dots(result["loss"], names, result["seeds"], text("seeds.axis"), text)}
        if "judged" not in result:
            return Shown(figures)
        judgement = result["judged"]
        return Shown(
            figures,
            rows=shown.table(result["loss"], names, text),
            notes=[shown.verdict(judgement, names, text), *shown.conditions(result, text)],
            numbers={names[kind]: mean for kind, mean in judgement["mean"].items()},
        )
