"""The gradients of one window against the big batch, and the first update by every recipe.

The run is one backward pass a micro-batch and one of the whole window as a padded batch; recipe, optimizer
and clip are views of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from labs.contract import Context, Data, DeviceClass, Experiment, Params, Partials, Shown, ThreeNumbers, Words
from labs.contract.fields import choice, text
from labs.q09_accumulation import recipe_figures
from labs.q09_accumulation.against import AgainstBigBatch, Ratio, against
from labs.q09_accumulation.token_counts import read_counts
from labs.tools.budgets import PerDevice
from labs.tools.sampler import seed

RECIPES = ("loss", "end", "rate", "none", "tokens")
"""loss / A; .grad / A at the end; learning rate / A; no division; sum of losses / all tokens."""
OPTIMIZERS = ("sgd", "adamw")
CLIPS: dict[str, float | None] = {"off": None, "0.1": 0.1, "1.0": 1.0}
"""MiniMind clips at 1; at 0.1 the right gradient is clipped as well."""
DOCUMENTS = 2


@dataclass(frozen=True)
class AccumulateParams(Params):
    """Valid tokens by micro-batch decide the run."""

    tokens: str = text("64, 48, 32, 32, 24, 16, 8, 4", max_length=200, primary=True)
    normalization: str = choice("none", RECIPES, primary=True, view=True)
    optimizer: str = choice("adamw", OPTIMIZERS, primary=True, view=True)
    clip: str = choice("off", tuple(CLIPS), view=True)
    seed: int = seed()

    def check_together(self) -> None:
        """Raise ParamError for tokens that are no window."""
        read_counts(self.tokens)


class MicroBatches(TypedDict):
    """By micro-batch: valid tokens, mean loss, and what a token weighs in the mean of means (1 is right)."""

    counts: list[int]
    losses: list[Ratio]
    token_weights: list[Ratio]


class Selected(TypedDict, total=False):
    """First updates over that of loss / A by optimizer and recipe, and the chosen one as `update_ratio`."""

    update_ratio: Ratio
    formula: Ratio
    said: float
    optimizer: str
    normalization: str
    clip: str
    ratios: dict[str, dict[str, Ratio]]
    formulas: dict[str, dict[str, Ratio]]


class AccumulateResult(MicroBatches, total=False):
    """`gradients` by recipe, also summed in `bf16`; `updates` are norms by optimizer, clip and recipe;
    older runs have no clip at 0.1."""

    token_weight_ratio: float
    gradients: dict[str, AgainstBigBatch]
    reference_norm: float
    updates: dict[str, dict[str, dict[str, Ratio]]]
    end_is_equal: bool
    view: NotRequired[Selected]


class Accumulate(Experiment[AccumulateParams, AccumulateResult]):
    """Micro-batches of unequal length, added up in five ways, against one big batch."""

    def seconds(self, params: AccumulateParams, device: DeviceClass) -> float:
        counts = read_counts(params.tokens)
        tokens = sum(counts) + len(counts) * max(counts)
        return PerDevice(cpu=4.0 + tokens * 0.005, cuda=2.0 + tokens * 2e-4).on(device)

    def formula(self, params: AccumulateParams) -> Data:
        """What needs no gradient: the weights of tokens, and updates that nothing clips."""
        counts = [count for count in read_counts(params.tokens) if count]
        ratio = update_formula(params.optimizer, params.normalization, len(read_counts(params.tokens)))
        known = params.clip == "off" and params.normalization != "tokens"
        return {
            "token_weight_ratio": max(counts) / min(counts),
            "view": {"update_ratio": ratio if known else None},
        }

    def measure(self, params: AccumulateParams, ctx: Context) -> AccumulateResult:
        from labs.q09_accumulation import window_gradients as window
        from labs.tools import heldout
        from labs.tools.gradients import norm
        from labs.tools.models import copied

        ctx.progress(0.0, "reading")
        counts, loaded = read_counts(params.tokens), ctx.model()
        texts = heldout.held_out("code")[:DOCUMENTS]
        rows = heldout.windows(loaded.tokenizer, texts, len(counts), max(counts), params.seed).to(ctx.device)
        model = copied(loaded.model)
        grads = window.Accumulator(model, counts)
        pieces: list[dict[str, Any]] = []
        with window.heard_in_every_layer(model, ctx.check_cancelled):
            for index, count in enumerate(counts):
                ctx.progress(0.1 + 0.3 * index / len(counts), "micro_batch", index=index + 1)
                piece: dict[str, Any] = {"count": count, "loss": None, "weight": None}
                if count:
                    losses, summed, weight = window.micro_gradient(model, rows[index], count)
                    piece |= {"loss": float(losses.mean()), "weight": weight * sum(counts) / len(counts)}
                    grads.add(summed, count)
                else:
                    grads.add_empty()
                pieces.append(piece)
                ctx.emit(piece)
            ctx.progress(0.4, "big_batch")
            true = window.big_batch_gradient(model, rows, counts)
        by_recipe = grads.gradients()
        updates = window.first_updates(model, by_recipe, len(counts), CLIPS, ctx.part(0.6, 1.0, "updates"))
        weights = [piece["weight"] for piece in pieces if piece["weight"] is not None]
        return {
            **self.so_far(params, pieces),
            "token_weight_ratio": max(weights) / min(weights),
            "gradients": {recipe: against(gradient, true) for recipe, gradient in by_recipe.items()},
            "reference_norm": norm(true),
            "updates": updates,
            "end_is_equal": window.same_bits(by_recipe["end"], by_recipe["loss"]),
        }

    def so_far(self, params: AccumulateParams, partials: Partials) -> AccumulateResult:
        return {
            "counts": [piece["count"] for piece in partials],
            "losses": [piece["loss"] for piece in partials],
            "token_weights": [piece["weight"] for piece in partials],
        }

    def view(self, params: AccumulateParams, result: AccumulateResult) -> Selected:
        if "updates" not in result:  # the formula alone, or a run under way
            return result.get("view", {})
        updates = {
            optimizer: clips.get(params.clip, dict.fromkeys(RECIPES, None))
            for optimizer, clips in result["updates"].items()
        }
        ratios = {
            optimizer: {recipe: _over(size, sizes["loss"]) for recipe, size in sizes.items()}
            for optimizer, sizes in updates.items()
        }
        steps, norms = len(result["counts"]), gradient_norms(result)
        formulas = {
            optimizer: {
                recipe: update_formula(optimizer, recipe, steps, norms, CLIPS[params.clip])
                for recipe in RECIPES
            }
            for optimizer in OPTIMIZERS
        }
        return {
            "update_ratio": ratios[params.optimizer][params.normalization],
            "formula": formulas[params.optimizer][params.normalization],
            "said": recipe_figures.said(params.normalization, steps),
            "optimizer": params.optimizer,
            "normalization": params.normalization,
            "clip": params.clip,
            "ratios": ratios,
            "formulas": formulas,
        }

    def show(self, result: AccumulateResult, text: Words) -> Shown:
        """`update`: first updates by recipe; `error`: against the big batch; `weights`: of a token."""
        weights = recipe_figures.token_weights(result["counts"], result["token_weights"], text)
        if "updates" not in result:
            return Shown({"weights": weights})
        view, gradients = result["view"], result["gradients"]
        figures = {
            "update": recipe_figures.updates(view["ratios"], view["formulas"], len(result["counts"]), text),
            "error": recipe_figures.errors(gradients, text),
            "weights": weights,
        }
        sentence: ThreeNumbers | None = None
        measured, formula = view["update_ratio"], view["formula"]
        if measured is not None and formula is not None:
            sentence = {"said": view["said"], "formula": formula, "measured": measured, "unit": "×"}
        chosen = view["normalization"]
        numbers = {
            f"{text(f'optimizer.{optimizer}')}, {text(f'normalization.{chosen}')} (×)": ratio
            for optimizer, ratios in view["ratios"].items()
            if (ratio := ratios[chosen]) is not None
        }
        rows = recipe_figures.rows(gradients, view["ratios"], text)
        return Shown(figures, rows, recipe_figures.notes(result, text), numbers, sentence)


def gradient_norms(result: AccumulateResult) -> dict[str, Ratio]:
    """The norm of each recipe's gradient, from its ratio to the big batch's."""
    return {
        recipe: None if against["norm_ratio"] is None else against["norm_ratio"] * result["reference_norm"]
        for recipe, against in result["gradients"].items()
    }


def update_formula(
    optimizer: str,
    recipe: str,
    steps: int,
    norms: Mapping[str, Ratio] | None = None,
    clip: float | None = None,
) -> Ratio:
    """The first update over that of loss / A. SGD's follows the clipped norm, AdamW's no factor at all.

    Without `norms` nothing is clipped, and the token-normalized gradient counts as that of loss / A.

    >>> [update_formula("sgd", "none", 8), update_formula("adamw", "none", 8)]
    [8.0, 1.0]
    """
    factor = 1 / steps if recipe == "rate" else 1.0
    if optimizer == "adamw":
        return factor
    if norms is None:
        return factor * steps if recipe in ("none", "rate") else factor
    own, right = norms[recipe], norms["loss"]
    if own is None or right is None:
        return None
    limit = math.inf if clip is None else clip
    return factor * min(own, limit) / min(right, limit)


def _over(size: Ratio, right: Ratio) -> Ratio:
    return None if size is None or right is None else size / right
