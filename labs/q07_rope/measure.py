"""Question 7 on the device: invariance in four arithmetics, tables, a shifted model, lengths, seeds.

Each function is one experiment; the parts with names of their own are in `rotating.py`, `vectors.py`,
`twins.py`, `reading.py`, `bench_rows.py` and `labs/seeds`. Draws nothing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from labs.contract.columns import Context, Result
from labs.q07_rope import analytic
from labs.q07_rope.bench_rows import base_name, cost, rows
from labs.q07_rope.limits import lengths_for, long_documents, rope_model
from labs.q07_rope.params import (
    ANGLES,
    ARITHMETICS,
    OFFSETS,
    POSITIONS,
    InvarianceParams,
    LengthsParams,
    SeedsParams,
    ShiftParams,
    SpectrumParams,
)
from labs.q07_rope.reading import Losses, mean_losses, perplexity, read
from labs.q07_rope.rotating import interleaved_scores, rotated, scores, to_interleaved
from labs.q07_rope.shifting import compared, logits_at, text_rows
from labs.q07_rope.summary import summarised
from labs.q07_rope.twins import past_the_table, twin, with_longer_table
from labs.q07_rope.vectors import pairs_of_vectors
from labs.tools.seeds.judging import judged
from labs.tools.seeds.plans import check_size, plan_of
from labs.tools.seeds.training import Series, scored_rows, training_rows
from minimind_core.model.config import ModelConfig
from minimind_core.model.rope import scaled_inv_freq

LAYOUT_START = 1000
SHOWN_PAIRS = (0, 10, 20)
"""Pairs of a head of 32 that are drawn as turning arrows; of other heads the same shares."""
TURNED = 41
"""Positions from 0 on that the figure of arrows can be played through."""
DRAWN_SCORES = 64
SEEDS_LENGTHS = (1, 2, 4)
"""Chunks that models trained here read, in trained lengths."""


def invariance(params: InvarianceParams, ctx: Context) -> Result:
    """score(m, m + D) - score(0, D) for many pairs of vectors, over starts, in four arithmetics.

    "error" by arithmetic: float32 [starts], RMS over the scores' standard deviation; "largest" likewise.
    "first" the two scores of the first pair of vectors; "arrows" three of its pairs of dimensions as turned,
    float32 [1 + starts, 3, 4], position 0 first (query x, y, key x, y), and "turning" the same at the first
    `TURNED` positions; "layouts" the scores of both pairings in float64.
    """
    ctx.progress(0.0, "Drawing vectors")
    queries, keys, theta = pairs_of_vectors(params, ctx)  # [N, D], [N, D], [D/2]
    starts, zero = torch.tensor(analytic.GRID), torch.tensor([0])
    spread = float(scores(queries, keys, zero, params.distance, theta, "fp64", "cpu").std())
    parts = ("error", "largest", "first", "arrows", "turning")
    found: dict[str, dict[str, Any]] = {part: {} for part in parts}
    for place, name in enumerate(ARITHMETICS):
        ctx.progress((place + 0.5) / 5, f"Turning in {name}")
        here = (params.distance, theta, name, ctx.device)
        moved, unmoved = (scores(queries, keys, where, *here) for where in (starts, zero))
        error = (moved - unmoved).abs() / spread  # [M, N]
        found["error"][name] = error.square().mean(1).sqrt().float().numpy()
        found["largest"][name] = error.amax(1).float().numpy()
        found["first"][name] = {"unmoved": float(unmoved[0, 0]), "moved": moved[:, 0].tolist()}
        found["arrows"][name] = _arrows(queries, keys, torch.cat((zero, starts)), here)
        found["turning"][name] = _arrows(queries, keys, torch.arange(TURNED), here)
        ctx.emit({"arithmetic": name, "error": found["error"][name]})
    fp32 = float(found["error"]["fp32"][-1])
    formula = analytic.invariance(params)
    return {
        **formula,
        **found,
        "spread": spread,
        "vectors": params.vectors,
        "pairs": len(queries),
        "head_dim": queries.shape[1],
        "layouts": _layouts(queries, keys, params.distance, theta),
        "shown_pairs": _shown(len(theta)),
        "layer": params.layer,
        "head": params.head,
        "sentence": {
            "said": analytic.SAID_ERROR,
            "formula": 100 * float(formula["formula"]["fp32"][-1]),
            "measured": 100 * fp32,
            "unit": "%",
        },
    }


def _arrows(queries: torch.Tensor, keys: torch.Tensor, starts: torch.Tensor, here: tuple[Any, ...]) -> Any:
    distance, theta, arithmetic, device = here
    half, shown = len(theta), _shown(len(theta))
    turned = [
        rotated(x[:1], positions, theta, arithmetic, device)[:, 0]
        for x, positions in ((queries, starts), (keys, starts + distance))
    ]  # [M, D] each
    parts = [x[:, [pair + offset for pair in shown]] for x in turned for offset in (0, half)]  # [M, 3] each
    return torch.stack(parts, -1).float().numpy()


def _shown(num_pairs: int) -> list[int]:
    return [pair * num_pairs // 32 for pair in SHOWN_PAIRS]


def _layouts(queries: torch.Tensor, keys: torch.Tensor, distance: int, theta: torch.Tensor) -> Result:
    """Scores by halves and by neighbours, with the dimensions moved and as they are, and how far apart."""
    start = torch.tensor([LAYOUT_START])
    half = scores(queries, keys, start, distance, theta, "fp64", "cpu")[0]
    found = {
        "permuted": interleaved_scores(
            to_interleaved(queries), to_interleaved(keys), LAYOUT_START, distance, theta
        ),
        "unpermuted": interleaved_scores(queries, keys, LAYOUT_START, distance, theta),
    }
    return {
        "half_split": half[:DRAWN_SCORES].float().numpy(),
        "start": LAYOUT_START,
        **{name: each[:DRAWN_SCORES].float().numpy() for name, each in found.items()},
        "difference": {name: float((each - half).abs().max()) for name, each in found.items()},
    }


def spectrum(params: SpectrumParams, ctx: Context) -> Result:
    """The core's own tables beside the formula: wavelengths, full turns and multipliers of each treatment.

    "core" holds the largest relative difference of each from the formula.
    """
    ctx.progress(0.0, "Asking the model's code")
    formula = analytic.spectrum(params)
    plain, _ = scaled_inv_freq(params.head_dim, params.base, None)
    waves = 2 * torch.pi / plain
    measured, apart, factors = {}, {}, {}
    for name, scaling in analytic.scalings(params).items():
        stretched, factor = scaled_inv_freq(params.head_dim, params.base, scaling)
        measured[name], factors[name] = (stretched / plain).tolist(), factor
        expected = np.array(formula["multipliers"][name])
        apart[name] = float(np.abs(np.array(measured[name]) / expected - 1).max())
    apart["wavelength"] = float(np.abs(waves.numpy() / np.array(formula["wavelength"]) - 1).max())
    turned = int((params.length >= waves).sum())
    lesson = {"said": len(waves), "formula": formula["full_turns"], "measured": turned, "unit": ""}
    return {
        **formula,
        "full_turns": turned,
        "unfinished": len(waves) - turned,
        "core": apart,
        "sentence": lesson,
        "measured": measured,
        "factors": factors,
        "measured_wavelength": waves.tolist(),
    }


def shift(params: ShiftParams, ctx: Context) -> Result:
    """One text at position 0 and at `OFFSETS`, with angles in three types; all else is fp32.

    "difference" by type and offset: the largest change of any logit; "perplexity" likewise, with "0".
    """
    ctx.progress(0.0, "Loading the model")
    loaded = rope_model(ctx)
    ids = text_rows(loaded.tokenizer, params)
    difference: dict[str, dict[str, float]] = {name: {} for name in ANGLES}
    perplexities: dict[str, dict[str, float]] = {name: {} for name in ANGLES}
    unmoved: dict[str, torch.Tensor] = {}
    done, total = 0, len(ANGLES) * (1 + len(OFFSETS))
    for name in ANGLES:
        model = twin(loaded.model, angles=name, sharpen=params.sharpen).float()
        for offset in (0, *OFFSETS):
            ctx.progress(done / total, f"Angles in {name}, shifted by {offset:,}")
            logits = logits_at(model, ids, offset, ctx.check_cancelled)
            change, perplexities[name][str(offset)] = compared(logits, unmoved.setdefault(name, logits), ids)
            difference[name][str(offset)] = change
            ctx.emit(
                {
                    "angles": name,
                    "offset": offset,
                    "difference": change,
                    "perplexity": perplexities[name][str(offset)],
                }
            )
            done += 1
    return {
        "difference": difference,
        "perplexity": perplexities,
        "offsets": list(OFFSETS),
        "tokens": params.tokens,
        "sharpen": params.sharpen,
        "logit_std": float(unmoved["fp64"].std()),
        "model": loaded.name,
        "text": params.text,
        "dtype": "fp32",
    }


def lengths(params: LengthsParams, ctx: Context) -> Result:
    """Perplexity of the same tokens in chunks of growing length, for models and treatments of positions.

    Emits {"row", "length", "perplexity", "trained"} for each reading. What the result holds is said in
    `summary.py`.
    """
    ctx.progress(0.0, "Reading text")
    loaded = rope_model(ctx, params.model)
    steps, capped = lengths_for(params, loaded.config.max_length, ctx.device)
    documents = long_documents(params, loaded.tokenizer, steps[-1], ctx.device)
    every = list(rows(params, loaded.model, steps, ctx))
    readings = [(row, length) for row in every for length in row.lengths]
    total = sum(cost(row, length) for row, length in readings)
    losses: dict[str, dict[int, Losses]] = {row.name: {} for row in every}
    done = 0.0
    for row, length in readings:
        ctx.progress(done / total, f"{row.name}, {length:,} tokens")
        found = read(row, length, documents, ctx.check_cancelled)
        losses[row.name][length] = found
        done += cost(row, length)
        ctx.emit({"row": row.name, "length": length, "trained": steps[0], "perplexity": perplexity(found)})
    end = past_the_table(ctx.model("nano-learned").model)
    return {
        **summarised(losses, base_name(params.model), steps),
        "table_end": end,
        "model": loaded.name,
        "capped": capped,
        "asked_reach": params.reach,
        "documents": len(documents),
        "tokens": documents[:, 1:].numel(),
        "text": "pasted" if params.pasted.strip() else params.text,
        "factor": params.factor,
        "original": params.original or steps[0],
        "temperature": params.temperature,
    }


def seeds(params: SeedsParams, ctx: Context) -> Result:
    """Train every kind of positions from scratch from several seeds, and read longer and longer chunks.

    Emits {"kind", "seed", "loss", "growth"} for every finished model. "loss" by kind, one number a seed, at
    the trained length; "growth" by kind, for each seed the perplexity by length over that at the trained
    one. "judged" says what the losses say (`labs/tools/seeds/judging.py`), "judged_growth" what the growth
    to the longest chunks says; where ranges overlap "verdict" is "unresolved".
    """
    check_size(params.size, ctx.device)
    ctx.progress(0.0, "Reading text")
    plan, steps = plan_of(params.size, ctx.device), params.steps_on(ctx.device)
    tokenizer, trained = ctx.model(plan.tokenizer).tokenizer, plan.config.max_length
    lengths = tuple(trained * times for times in SEEDS_LENGTHS)
    documents = scored_rows(tokenizer, params.text, plan, lengths[-1])
    kinds: dict[str, ModelConfig] = {name: plan.config.replace(position=name) for name in POSITIONS}
    rows = training_rows(tokenizer, params.text, plan, steps, ctx.check_cancelled)
    series = Series(plan, kinds, params.seeds, steps, rows)
    losses: dict[str, list[float]] = {name: [] for name in kinds}
    growth: dict[str, list[dict[str, float]]] = {name: [] for name in kinds}
    for one in series.models(ctx):
        ends = one.kind == "learned"
        model = with_longer_table(one.model, lengths[-1], one.seed) if ends else one.model
        found = mean_losses(model, lengths, documents, ctx.check_cancelled)
        losses[one.kind].append(found[trained])
        growth[one.kind].append(
            {str(length): math.exp(loss - found[trained]) for length, loss in found.items()}
        )
        ctx.emit(
            {"kind": one.kind, "seed": one.seed, "loss": losses[one.kind][-1], "growth": growth[one.kind][-1]}
        )
    longest = {name: [each[str(lengths[-1])] for each in lines] for name, lines in growth.items()}
    return {
        **series.described(),
        "loss": losses,
        "judged": judged(losses),
        "growth": growth,
        "judged_growth": judged(longest),
        "lengths": list(lengths),
        "text": params.text,
        "scored_tokens": documents[:, 1:].numel(),
    }
