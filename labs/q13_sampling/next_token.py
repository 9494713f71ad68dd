"""The model's next token: the prompt is read once, and every setting acts on the same logits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NotRequired, TypedDict, cast, get_args

import numpy as np

from labs.contract import Context, DeviceClass, Experiment, Figure, Floats, Ints, Params, Role, Shown, Words
from labs.contract.fields import choice, order, real, text
from labs.q13_sampling.candidates import DTYPES, Candidates, bars, candidates, rows
from labs.q13_sampling.filters import (
    DEFAULT_ORDER,
    BoundaryRule,
    Mask,
    Stage,
    filter_chain,
    penalize,
    softmax,
)
from labs.q13_sampling.texts import visible
from labs.tools.budgets import PerDevice
from labs.tools.sampler import min_p, repetition_penalty, temperature, top_k, top_p
from labs.tools.writing import prompt_seconds

PROMPT = "今天天气"
"""The default prompt, which predictions and recorded runs are about."""
OPENINGS = {"zh": PROMPT, "en": "The weather today is"}
"""What a page begins with, by the reader's language."""
NAMED_SHARE = 0.07
"""A token's part of the mass that is wide enough for its name."""
CANDIDATES = 256
"""Most likely tokens that come with their text."""


@dataclass(frozen=True)
class NextTokenParams(Params):
    """Only the prompt needs the model; the rest refilters its logits."""

    prompt: str = text(PROMPT, primary=True, openings=OPENINGS)
    temperature: float = temperature(view=True)
    top_p: float = top_p(view=True)
    top_k: int = top_k(view=True)
    min_p: float = min_p(view=True)
    repetition_penalty: float = repetition_penalty(view=True)
    typical_p: float = real(
        1.0,
        0,
        1,
        above_minimum=True,
        step=0.01,
        view=True,
        sentence="Typical-p must be in (0, 1]; 1 keeps all tokens.",
    )
    rule: str = choice("definition", get_args(BoundaryRule), view=True)
    order: str = order(*DEFAULT_ORDER, view=True)
    dtype: str = choice("float64", DTYPES, view=True)


class NextTokenView(Candidates):
    """Of the candidates also what top-p cuts, [N], and where."""

    cut: Floats
    top_p: float


class NextTokenResult(TypedDict):
    """Logits of the token after the prompt of T tokens, and the texts of the N most likely ones."""

    prompt_ids: Ints
    logits: Floats
    candidate_ids: Ints
    candidate_texts: list[str]
    vocab_size: int
    empty_prompt: bool
    beyond_trained_length: bool
    trained_length: int
    view: NotRequired[NextTokenView]


class NextToken(Experiment[NextTokenParams, NextTokenResult]):
    """Which tokens may follow a prompt, and what each setting of the sampler leaves of them."""

    def seconds(self, params: NextTokenParams, device: DeviceClass) -> float:
        """One forward pass."""
        return PerDevice(cpu=0.2, cuda=0.05).on(device) + prompt_seconds(params.prompt, device)

    def measure(self, params: NextTokenParams, ctx: Context) -> NextTokenResult:
        """Reads the prompt."""
        import torch

        from minimind_core.decoding.generate import check_prompts
        from minimind_core.decoding.sampling import check_logits
        from minimind_core.decoding.step import Step

        ctx.progress(0.0, "loading")
        loaded = ctx.model()
        prompt_ids = loaded.prompt_ids(params.prompt)
        check_prompts(loaded.config, [prompt_ids], 1)
        reading = ctx.part(0.3, 1.0, "prompt")
        with torch.inference_mode():
            step = Step(loaded.model, 1, len(prompt_ids))
            logits = step.prefill([prompt_ids], on_progress=lambda done, total: reading(done / total))[0]
            logits = logits.float()  # [V]
            check_logits(logits)
            likely = logits.topk(min(CANDIDATES, len(logits))).indices.tolist()  # [N]
        return {
            "prompt_ids": np.array(prompt_ids, np.int32),
            "logits": logits.cpu().numpy(),
            "candidate_ids": np.array(likely, np.int32),
            "candidate_texts": [loaded.tokenizer.token_text(token) for token in likely],
            "vocab_size": loaded.config.vocab_size,
            "empty_prompt": not params.prompt,
            "beyond_trained_length": len(prompt_ids) > loaded.config.max_length,
            "trained_length": loaded.config.max_length,
        }

    def view(self, params: NextTokenParams, result: NextTokenResult) -> NextTokenView:
        """The distribution of the measured logits after the settings."""
        logits = result["logits"].astype(np.float64)  # [V]
        seen = np.zeros(len(logits), dtype=bool)
        seen[result["prompt_ids"]] = True
        scores = penalize(logits, seen, params.repetition_penalty)
        stages = cast(list[Stage], params.order.split(","))
        settings: dict[str, Any] = {stage: getattr(params, stage) for stage in stages}
        rule, dtype = cast(BoundaryRule, params.rule), np.dtype(params.dtype)
        chain = partial(filter_chain, scores, rule=rule, order=stages, dtype=dtype)
        filtered = chain(**settings)
        earlier = {stage: settings[stage] for stage in stages[: stages.index("top_p")]}
        cut = chain(**earlier).probabilities
        ids = result["candidate_ids"]
        ranked = np.lexsort((ids, -scores[ids]))
        shown = candidates(
            ids[ranked],
            [result["candidate_texts"][index] for index in ranked],
            alone=softmax(logits),
            before=filter_chain(scores, params.temperature).probabilities,
            kept=filtered.kept,
            final=filtered.probabilities.astype(np.float64),
        )
        return {**shown, "cut": cut[ids[ranked]].astype(np.float32), "top_p": params.top_p}

    def show(self, result: NextTokenResult, text: Words) -> Shown:
        """The most likely tokens, kept and removed, beside what the model alone gives them; their mass."""
        view = result["view"]
        labels = list(map(visible, view["texts"]))
        drawn = view, labels, text("alone"), text
        return Shown({"candidates": bars(*drawn), "mass": _mass(view, labels, text)}, rows(*drawn))


def _mass(view: NextTokenView, labels: list[str], text: Words) -> Figure:
    """What top-p cuts, end to end from the likeliest token on, and the line at p, which one token crosses."""
    figure, kept = Figure(height=112, barmode="overlay"), view["kept"].astype(bool)
    starts = view["cut"].cumsum() - view["cut"]
    names = [label if share > NAMED_SHARE else "" for label, share in zip(labels, view["cut"], strict=True)]
    sides: tuple[tuple[Role, Mask], ...] = (("measured", kept), ("removed", ~kept))
    for role, among in sides:
        figure.bars(
            view["cut"][among],
            np.zeros(among.sum()),
            role,
            base=starts[among],
            labels=[name for name, side in zip(names, among, strict=True) if side],
            inside=True,
            horizontal=True,
            showlegend=False,
            marker={"line": {"width": 1}},
            textangle=0,
        )
    p = view["top_p"]
    figure.line(
        [p, p],
        [-0.5, 0.75],
        "peer",
        text=["", f"p = {p:g} "],
        textposition="middle left",
        width=2,
        showlegend=False,
    )
    figure.drag("top_p", "p = {value} ")
    figure.x_axis(text("axis.mass"), span=(0, 1), tickformat=".0%")
    figure.y_axis(hidden=True, span=(-0.5, 1))
    return figure
