"""What fewer KV heads cost in quality: our three specimens on held-out text, and what papers report.

The intervals come from resampling the windows of text. They do not contain the luck of the training seed,
of which there is one a model: a verdict needs at least that the intervals lie apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

from labs.contract import Context, DeviceClass, Experiment, Numbers, Params, Shown, Words, choice, whole
from labs.contract.drawing import Figure, error_bars
from labs.contract.table import table
from labs.q06_gqa.cache_bytes import SHARED, SYMBOLS, VARIANTS
from labs.tools.budgets import PerDevice
from labs.tools.ranking import intervals, verdict
from labs.tools.sampler import seed
from questions import load_question

SPECIMENS = {"mha": "nano-mha", "gqa": "nano-rope", "mqa": "nano-mqa"}
WINDOW = 256
"""Tokens of a scored window."""
PUBLISHED_CLAIMS = {"mqa": "Q6-C7", "gqa": "Q6-C8"}
PERPLEXITIES = ("shazeer",)
"""Published comparisons in which less is better; the others are scores."""


@dataclass(frozen=True)
class QualityParams(Params):
    """The windows are drawn from the text by `seed`."""

    windows: int = whole(32, 4, 200, primary=True)
    text: str = choice("both", ("both", "code", "english"), primary=True)
    seed: int = seed()


class QualityResult(TypedDict):
    """By variant. `verdict` is "unresolved" unless the best interval lies below all others."""

    perplexity: Numbers
    perplexity_interval: dict[str, Numbers]
    verdict: str


class Quality(Experiment[QualityParams, QualityResult]):
    """Held-out loss of the MHA, GQA and MQA specimens, of one recipe and one seed each."""

    def seconds(self, params: QualityParams, device: DeviceClass) -> float:
        return 0.5 + params.windows * PerDevice(cpu=0.25, cuda=0.01).on(device)

    def measure(self, params: QualityParams, ctx: Context) -> QualityResult:
        """Read the same windows with all three."""
        from labs.tools import heldout

        ctx.progress(0.0, "reading")
        tokenizer = ctx.model(SPECIMENS["mha"]).tokenizer  # the same for all three
        rows = heldout.held_out_windows(tokenizer, params.text, params.windows, WINDOW, ctx, seed=params.seed)
        by_window = {}
        for (name, specimen), part in ctx.parts(SPECIMENS.items()):
            part("loading_model", model=specimen)
            model = ctx.model(specimen).model
            by_window[name] = heldout.window_losses(model, rows, part("reading_with", model=specimen))
        losses = {name: float(values.mean()) for name, values in by_window.items()}
        spans = intervals(by_window, params.seed)
        return {
            "perplexity": {name: math.exp(loss) for name, loss in losses.items()},
            "perplexity_interval": {
                name: {end: math.exp(loss) for end, loss in span.items()} for name, span in spans.items()
            },
            "verdict": verdict(losses, spans),
        }

    def show(self, result: QualityResult, text: Words) -> Shown:
        """`perplexity`: the specimens with intervals; `published`: the change against MHA in papers."""
        ours, papers, perplexity = Figure(), Figure(), text("axis.perplexity")
        names, means = [text(name) for name in VARIANTS], [result["perplexity"][name] for name in VARIANTS]
        spans = [result["perplexity_interval"][name] for name in VARIANTS]
        ours.marks(
            names, means, "measured", size=11, hover="%{x}: %{y:.2f}", error_y=error_bars(means, spans)
        )
        ours.x_axis(span=(-0.5, len(VARIANTS) - 0.5))
        ours.y_axis(perplexity)
        for name in SHARED:
            changes = published_changes(name)
            papers.marks(
                list(changes.values()),
                [text(f"paper.{paper}") for paper in changes],
                "peer",
                text(f"paper.{name}"),
                hover="%{y}: %{x:+.1f}%",
                symbol=SYMBOLS[name],
                size=11,
            )
        papers.x_axis(text("axis.worse"), zeroline=True)
        between = [f"{span['low']:.4g}–{span['high']:.4g}" for span in spans]
        return Shown(
            {"perplexity": ours, "published": papers},
            rows=table({text("variant"): names, perplexity: means, text("interval"): between}),
            numbers={f"{name}: {perplexity}": mean for name, mean in zip(names, means, strict=True)},
        )


def published_changes(variant: str) -> Numbers:
    """Percent by which "mqa" or "gqa" is worse than MHA in each paper of the claim; negative where better.

    >>> round(published_changes("mqa")["shazeer"], 1), round(published_changes("gqa")["llama"], 1)
    (1.0, -0.3)
    """
    pairs = load_question("q06_gqa").claim(PUBLISHED_CLAIMS[variant]).value
    assert isinstance(pairs, Mapping)
    changes = {}
    for paper, pair in pairs.items():
        full, shared = (float(number) for number in pair)  # type: ignore[union-attr, arg-type]
        worse = shared - full if paper in PERPLEXITIES else full - shared
        changes[paper] = 100 * worse / full
    return changes
