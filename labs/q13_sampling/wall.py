"""Many texts with the same settings: how varied they are, how often each repeats itself, how likely it is."""

from __future__ import annotations

import html
import textwrap
from dataclasses import dataclass
from statistics import fmean
from typing import NotRequired, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Figure, Shown, Words, table, text, whole
from labs.q13_sampling.continuation import ContinuationParams
from labs.q13_sampling.next_token import PROMPT
from labs.q13_sampling.texts import distinct_pairs, repetition, visible
from labs.tools.budgets import PerDevice
from labs.tools.sampler import settings
from labs.tools.writing import ROWS, mean_log_probabilities, prompt_seconds, write


@dataclass(frozen=True)
class WallParams(ContinuationParams):
    """The i-th text has the seed `seed` + i."""

    prompt: str = text(PROMPT)
    samples: int = whole(20, 1, 200, primary=True)


class Sample(TypedDict):
    """One text."""

    text: str
    distinct: float
    """Distinct-2."""
    repetition: float
    """seq-rep-4."""
    log_probability: NotRequired[float]
    """Mean of its tokens under the model alone, in nats; missing while the run goes on."""


class WallResult(TypedDict):
    """Every text; diversity of all of them together, and the means of the rest."""

    samples: list[Sample]
    distinct: float
    repetition: float
    log_probability: float


class Wall(Experiment[WallParams, WallResult]):
    """Diversity, repetition and likelihood of many texts, each with a seed of its own."""

    def seconds(self, params: WallParams, device: DeviceClass) -> float:
        """Chunks of rows, one after the other; each prompt is read twice, to write on and to score."""
        rows = min(params.samples, ROWS.on(device))
        step = 0.02 + PerDevice(cpu=0.003, cuda=0.0).on(device) * rows
        reading = 2 * params.samples * prompt_seconds(params.prompt, device)
        return 0.2 + reading + -(-params.samples // ROWS.on(device)) * params.max_new_tokens * step

    def measure(self, params: WallParams, ctx: Context) -> WallResult:
        """Emits each text as its chunk is written, then reads all of them with the model alone."""
        loaded = ctx.model()
        prompts = [loaded.prompt_ids(params.prompt)] * params.samples
        requests = [settings(params, params.seed + row) for row in range(params.samples)]
        on_progress = ctx.part(0.0, 0.8, "writing")
        samples: list[Sample] = []
        written: list[list[int]] = []
        for ids in write(loaded, prompts, requests, params.max_new_tokens, ctx.device, on_progress):
            sample: Sample = {
                "text": loaded.tokenizer.decode(ids).rstrip("\N{REPLACEMENT CHARACTER}"),
                "distinct": distinct_pairs([ids]),
                "repetition": repetition(ids),
            }
            ctx.emit(sample)
            samples.append(sample)
            written.append(ids)
        on_progress = ctx.part(0.8, 1.0, "scoring")
        likely = mean_log_probabilities(loaded, prompts, written, ctx.device, on_progress)
        for sample, mean in zip(samples, likely, strict=True):
            sample["log_probability"] = mean
        return {
            "samples": samples,
            "distinct": distinct_pairs(written),
            "repetition": fmean(sample["repetition"] for sample in samples),
            "log_probability": fmean(likely),
        }

    def show(self, result: WallResult, text: Words) -> Shown:
        """Each text by its diversity and by how likely the model alone finds it."""
        samples = result["samples"]
        distinct, repeated = text("axis.distinct"), text("axis.repetition")
        likely = text("axis.log_probability")
        columns = {
            distinct: [sample["distinct"] for sample in samples],
            repeated: [sample["repetition"] for sample in samples],
            likely: [sample["log_probability"] for sample in samples],
        }
        figure = Figure()
        figure.marks(
            columns[distinct],
            columns[likely],
            "measured",
            size=10,
            marker={"opacity": 0.75},
            text=["<br>".join(textwrap.wrap(html.escape(sample["text"]), 48)[:6]) for sample in samples],
            hover="%{text}",
        )
        figure.x_axis(distinct)
        figure.y_axis(likely)
        return Shown(
            {"likely": figure},
            rows=table({text("text"): [visible(sample["text"]) for sample in samples], **columns}),
            numbers={
                distinct: result["distinct"],
                repeated: result["repetition"],
                likely: result["log_probability"],
            },
        )
