"""The shape X-ray: the real model is run once, and every tensor and every weight on the way is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NotRequired, Required, TypedDict

from labs.contract import DEFAULT_MODEL, Context, DeviceClass, Experiment, Params, Shown, Words
from labs.contract.drawing import Role
from labs.contract.fields import choice, switch, whole
from labs.contract.shapes import Shape, blank_shapes
from labs.q05_shapes.mistakes import mistakes_in, plausible_shapes, usual_mistakes
from labs.q05_shapes.outline import (
    MILLION,
    STEPS,
    Matrix,
    Typed,
    as_usually_drawn,
    matrices,
    shapes,
    total,
    typed_shapes,
)
from labs.q05_shapes.xray_figures import ledger_rows, parts, steps
from labs.tools.budgets import PerDevice
from labs.tools.written import small_number
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import forward_flops

if TYPE_CHECKING:
    from minimind_core.model.minimind import MiniMind

LONGEST = 512
SECONDS_A_TOKEN = PerDevice(cpu=0.004, cuda=1e-5)
"""Of two forwards, one of them written out."""


@dataclass(frozen=True)
class XRayParams(Params):
    """The batch and the shape of the model. `drawing` and `reveal` only say what is shown of it."""

    batch: int = whole(2, 1, 8, primary=True)
    tokens: int = whole(
        5,
        1,
        LONGEST,
        unit="tokens",
        primary=True,
        sentence=f"tokens must be 1 to {LONGEST}, what this checkpoint was trained to. Shapes would still be "
        "right beyond it; what becomes of the quality is Question 4's lab.",
    )
    drawing: str = blank_shapes(STEPS, label="step", reveal="reveal", view=True)
    reveal: bool = switch(False, view=True)
    kv_heads: int = choice(
        2, (1, 2, 4, 8), sentence="8 query heads cannot be split over {given} KV heads; choose 1, 2, 4 or 8."
    )
    feed_forward: int = choice(1408, (1365, 1408))
    tied: bool = switch(True)

    def config(self) -> ModelConfig:
        """The model's shape; at the defaults that of the shipped 26M."""
        return ModelConfig(
            num_kv_heads=self.kv_heads, intermediate_size=self.feed_forward, tie_word_embeddings=self.tied
        )

    def offered(self) -> dict[str, list[Shape]]:
        """The right shape of every box, and a few that are usually drawn in its place."""
        return plausible_shapes(self.config(), self.batch, self.tokens)


class Counts(TypedDict):
    """All weights of the model; and of its usual drawing, in which two things are wrong."""

    total: int
    millions: float
    formula_millions: float
    drawn_millions: float


class Flops(TypedDict):
    """Operations of one forward: by the formula; counted, with attention written out and with it fused."""

    formula: int
    counted: NotRequired[int]
    fused: NotRequired[int]


class XRayResult(TypedDict, total=False):
    """What the formula says too is required; the rest was measured.

    `shapes` are those of the first layer, `every_layer_equal` says that the others have the same;
    `attention_difference` is the largest of any logit with attention fused and written out.
    """

    shapes: Required[dict[str, list[int]]]
    matrices: Required[list[Matrix]]
    parameters: Required[Counts]
    feed_forward_width: Required[int]
    score_elements: Required[int]
    flops: Required[Flops]
    tensors: int
    linears: int
    every_layer_equal: bool
    attention_difference: float
    dtype: str
    view: XRayView


class XRayView(TypedDict):
    """The drawing as it was filled in, by step; what is right and what is wrong with it, once revealed."""

    typed: dict[str, Typed]
    answers: dict[str, Shape]
    reasons: dict[str, str]


class XRay(Experiment[XRayParams, XRayResult]):
    """Shapes by hooks, weights by adding up, operations by torch's counter."""

    drawn_by_formula = True

    def seconds(self, params: XRayParams, device: DeviceClass) -> float:
        return PerDevice(cpu=1.5, cuda=0.5).on(device) + params.batch * params.tokens * SECONDS_A_TOKEN.on(
            device
        )

    def formula(self, params: XRayParams) -> XRayResult:
        """Everything that follows from the model's shape."""
        config = params.config()
        shape, kinds = shapes(config, params.batch, params.tokens), matrices(config)
        batch, heads, queries, keys = shape["scores"]
        return {
            "shapes": shape,
            "matrices": kinds,
            "parameters": {
                "total": total(kinds),
                "millions": total(kinds) / MILLION,
                "formula_millions": total(kinds) / MILLION,
                "drawn_millions": as_usually_drawn(config) / MILLION,
            },
            "feed_forward_width": config.intermediate_size,
            "score_elements": batch * heads * queries * keys,
            "flops": {"formula": forward_flops(config, params.batch, params.tokens)},
        }

    def measure(self, params: XRayParams, ctx: Context) -> XRayResult:
        """Two forwards on random ids: the model as it is, and with its attention written out."""
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        from labs.q05_shapes.hooks import count_kinds, traced_shapes
        from labs.tools.models import before_each_layer

        ctx.progress(0.0, "building")
        model, formula = _model(params, ctx), self.formula(params)
        random = torch.Generator().manual_seed(0)
        size = (params.batch, params.tokens)
        ids = torch.randint(3, model.config.vocab_size, size, generator=random).to(ctx.device)
        with torch.inference_mode(), before_each_layer(model, ctx.check_cancelled):
            ctx.progress(0.3, "fused")
            with FlopCounterMode(display=False) as fused:
                logits = model(ids)
            ctx.progress(0.6, "tracing")
            with FlopCounterMode(display=False) as counted:
                layers, written = traced_shapes(model, ids)
        kinds, first = count_kinds(model), layers[0]
        return {
            "shapes": first,
            "matrices": kinds,
            "parameters": {
                **formula["parameters"],
                "total": total(kinds),
                "millions": total(kinds) / MILLION,
            },
            "feed_forward_width": model.model.layers[0].mlp.gate_proj.weight.shape[0],
            "score_elements": int(torch.Size(first["scores"]).numel()),
            "flops": {
                **formula["flops"],
                "counted": int(counted.get_total_flops()),
                "fused": int(fused.get_total_flops()),
            },
            "tensors": sum(1 for _ in model.parameters()),
            # a tied head is no module of its own, but it multiplies like one
            "linears": sum(isinstance(module, torch.nn.Linear) for module in model.modules()) + params.tied,
            "every_layer_equal": all(layer == first for layer in layers),
            "attention_difference": float((logits - written).abs().max()),
            "dtype": str(logits.dtype).removeprefix("torch."),
        }

    def view(self, params: XRayParams, result: XRayResult) -> XRayView:
        """What was filled in, box by box."""
        right = result["shapes"]
        typed = typed_shapes(params.drawing, right)
        if not params.reveal:
            return {"typed": typed, "answers": {}, "reasons": {}}
        found = mistakes_in(typed, usual_mistakes(params.config(), params.batch, params.tokens))
        reasons = {step: f"mistake.{name}" for step, name in found.items()}
        return {"typed": typed, "answers": dict(right), "reasons": reasons}

    def show(self, result: XRayResult, text: Words) -> Shown:
        """`steps`: the boxes as they were filled in, or as they are; `parts`: an area for each matrix."""
        view, measured = result["view"], "linears" in result
        role: Role = "measured" if measured else "formula"
        figures = {
            "steps": steps(result["shapes"], view["typed"], bool(view["answers"]), role, text),
            "parts": parts(result["matrices"], role, text),
        }
        rows = ledger_rows(result["matrices"], text)
        how = text("xray.how")
        if not measured:
            return Shown(figures, rows, notes=[how])
        counts, flops = result["parameters"], result["flops"]
        return Shown(
            figures,
            rows,
            notes=[
                text("xray.sentence"),
                how,
                text("xray.measured", **flops, difference=small_number(result["attention_difference"])),
                text("xray.change"),
            ],
            numbers={
                text("xray.parameters"): counts["millions"],
                text("xray.operations"): flops["counted"] / MILLION,
                text("xray.scores"): result["score_elements"],
            },
            sentence={
                "said": counts["drawn_millions"],
                "formula": counts["formula_millions"],
                "measured": counts["millions"],
                "unit": text("xray.million"),
            },
        )


def _model(params: XRayParams, ctx: Context) -> MiniMind:
    """The shipped 26M, or an untrained model where another shape is asked for."""
    from labs.tools.models import untrained
    from minimind_core.device import DTYPES

    config = params.config()
    if config == ModelConfig():
        model: MiniMind = ctx.model(DEFAULT_MODEL).model
        return model
    return untrained(config, ctx.device).to(DTYPES[ctx.dtype]).eval()
