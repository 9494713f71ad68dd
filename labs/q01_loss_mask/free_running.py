"""The prefix that training gives and the one that a model writes for itself: teacher forcing, exposure bias.

Texts that the model never saw are read once with their own tokens as the prefix, and once with what the model
wrote from the same beginning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, DeviceClass, Experiment, OnProgress, Params, Row, Shown, Words
from labs.contract.fields import choice, whole
from labs.q01_loss_mask.free_running_figures import by_place, still_true
from labs.q01_loss_mask.pieces import readable
from labs.tools.budgets import PerDevice
from labs.tools.sampler import seed

if TYPE_CHECKING:
    from torch import Tensor

    from minimind_core.files.checkpoint import LoadedModel
    from minimind_core.model.minimind import MiniMind

PROMPT, NEW = 16, 48
"""Tokens of the beginning, and of what comes after it."""
STRETCH = 6
"""Neighbouring places that a point is the mean of."""
ROWS_AT_ONCE = PerDevice(cpu=8, cuda=256)
TEMPERATURES = {"sampled": 1.0, "greedy": 0.0}
KINDS = ("forced", "free", "own")
"""The true token after the true prefix; the true token after the model's own; its own token after its own."""


@dataclass(frozen=True)
class FreeRunningParams(Params):
    """Sampled at temperature 1, as the loss sees the model, or always the likeliest token."""

    text: str = choice("both", ("both", "english", "code", "chinese"), primary=True)
    writes: str = choice("sampled", tuple(TEMPERATURES), primary=True)
    rows: int = whole(32, 8, 256, label="free_running.rows")
    seed: int = seed()


class Compared(TypedDict):
    """Mean losses in nats by kind and stretch of places, with standard errors; a text that ended is left out.

    `together` [NEW + 1] is the share of own texts that are still the true one after so many tokens, and
    `together_formula` the same from teacher-forced probabilities; `true_tokens` are their sums.
    """

    places: list[float]
    loss: dict[str, list[float]]
    spread: dict[str, list[float]]
    mean: dict[str, float]
    together: NDArray[np.float32]
    together_formula: NDArray[np.float32]
    true_tokens: float
    true_tokens_formula: float
    true_tokens_error: float
    """Standard error of the counted ones: beginnings differ, and sampling is luck."""


class FreeRunningResult(Compared):
    """What both prefixes lead to, over so many beginnings."""

    rows: int
    example: dict[str, str]
    """The beginning, how the text goes on, and how the model went on."""


class FreeRunning(Experiment[FreeRunningParams, FreeRunningResult]):
    """Losses by place after the true prefix and after the model's own, and how long the two are the same."""

    def seconds(self, params: FreeRunningParams, device: DeviceClass) -> float:
        """Writing a token for all rows, and reading each row twice."""
        writing, reading = PerDevice(cpu=(1.5e-3, 1e-3), cuda=(1e-4, 2e-5)).on(device)
        return 1.0 + params.rows * (NEW * writing + 2 * (PROMPT + NEW) * reading)

    def measure(self, params: FreeRunningParams, ctx: Context) -> FreeRunningResult:
        """The model writes; then both texts are read in one pass each, and the same targets compared."""
        from labs.tools import heldout
        from labs.tools.writing import write
        from minimind_core.decoding.sampling_params import SamplingParams

        ctx.progress(0.0, "reading")
        loaded = ctx.model()
        true = heldout.held_out_windows(
            loaded.tokenizer, params.text, params.rows, PROMPT + NEW - 1, ctx, seed=params.seed
        )  # [N, PROMPT + NEW]
        temperature = TEMPERATURES[params.writes]
        settings = [SamplingParams(temperature, seed=params.seed + row) for row in range(len(true))]
        prompts = true[:, :PROMPT].tolist()
        new_ids = list(write(loaded, prompts, settings, NEW, ctx.device, ctx.part(0.05, 0.7, "writing")))
        own = true.clone()
        for row, ids in enumerate(new_ids):
            own[row, PROMPT : PROMPT + len(ids)] = own.new_tensor(ids)
        lengths = np.array([len(ids) for ids in new_ids])
        written = np.arange(NEW)[None] < lengths[:, None]  # [N, NEW]
        on_progress = ctx.part(0.7, 1.0, "comparing")
        forced, match = _losses(loaded.model, true, [true], temperature, lambda done: on_progress(done / 2))
        free, _ = _losses(
            loaded.model, own, [true, own], temperature, lambda done: on_progress(0.5 + done / 2)
        )
        losses = {"forced": forced[0], "free": free[0], "own": free[1]}
        same = (own == true)[:, PROMPT:].numpy() & written
        return {
            **_summary(losses, written, same, match),
            "rows": len(true),
            "example": _example(true, new_ids, loaded),
        }

    def show(self, result: FreeRunningResult, text: Words) -> Shown:
        """`loss` by place in the continuation, and `together`: texts that are still the true one."""
        mean, example = result["mean"], result["example"]
        rows: list[Row] = [
            {
                text("axis.new_tokens"): place,
                **{text(f"free_running.{kind}"): result["loss"][kind][index] for kind in KINDS},
                **{f"{text(f'free_running.{kind}')} ±": result["spread"][kind][index] for kind in KINDS},
            }
            for index, place in enumerate(result["places"])
        ]
        return Shown(
            {"loss": by_place(result, text), "together": still_true(result, text)},
            rows=rows,
            notes=[
                text(
                    "free_running.sentence", new=NEW, rows=result["rows"], error=result["true_tokens_error"]
                ),
                text("free_running.lost", forced=mean["forced"], free=mean["free"], own=mean["own"]),
                text("free_running.example", **example),
            ],
            numbers={text(f"free_running.{kind}"): mean[kind] for kind in KINDS},
            sentence={
                "said": NEW,
                "formula": result["true_tokens_formula"],
                "measured": result["true_tokens"],
                "unit": text("unit.tokens"),
            },
        )


def expected_together(match: NDArray[np.float64]) -> NDArray[np.float64]:
    """Chance that a text written token by token is still the true one after 0, 1, 2 … tokens.

    `match` [N, K] has the probability of each true token after the true prefix; the mean over N is given.

    >>> expected_together(np.array([[0.5, 0.5, 0.0]])).tolist()
    [1.0, 0.5, 0.25, 0.0]
    """
    return np.concatenate([[1.0], np.cumprod(match, axis=1).mean(0)])


def _losses(
    model: MiniMind, prefixes: Tensor, targets: list[Tensor], temperature: float, on_progress: OnProgress
) -> tuple[list[NDArray[np.float64]], NDArray[np.float64]]:
    """Of the last NEW tokens of each of `targets` [N, T] after the tokens of `prefixes` before them.

    Also with what probability the way of writing would have written the first targets.
    """
    import torch
    import torch.nn.functional as F

    device = model.device
    losses: list[list[Tensor]] = [[] for _ in targets]
    match = []
    for rows in torch.arange(len(prefixes)).split(ROWS_AT_ONCE.on(device.type)):
        on_progress(int(rows[0]) / len(prefixes))
        with torch.inference_mode():
            hidden = model.model(prefixes[rows, :-1].to(device))[:, PROMPT - 1 :]  # [B, NEW, C]
            logits = model.head(hidden).float()  # [B, NEW, V]
            for kept, target in zip(losses, targets, strict=True):
                wanted = target[rows, PROMPT:].to(device)  # [B, NEW]
                kept.append(F.cross_entropy(logits.transpose(1, 2), wanted, reduction="none").cpu())
            if temperature == 0:
                first = targets[0][rows, PROMPT:].to(device)
                match.append((logits.argmax(-1) == first).double().cpu())
            else:
                match.append((-losses[0][-1].double()).exp())
    return [torch.cat(kept).double().numpy() for kept in losses], torch.cat(match).numpy()


def _summary(
    losses: dict[str, NDArray[np.float64]],
    written: NDArray[np.bool_],
    same: NDArray[np.bool_],
    match: NDArray[np.float64],
) -> Compared:
    """Means by stretch over the rows that still go on, and the two ways to say how long texts agree."""
    stretches = [
        slice(start, start + STRETCH) for start in range(0, NEW, STRETCH) if written[:, start].sum() > 1
    ]
    means = {
        kind: [_mean_and_error(each[:, part], written[:, part]) for part in stretches]
        for kind, each in losses.items()
    }
    still = np.cumprod(same, axis=1)  # [N, NEW]
    together, formula = still.mean(0), expected_together(match)
    return {
        "places": [part.start + (STRETCH + 1) / 2 for part in stretches],
        "loss": {kind: [mean for mean, _ in each] for kind, each in means.items()},
        "spread": {kind: [error for _, error in each] for kind, each in means.items()},
        "mean": {kind: float(each[written].mean()) for kind, each in losses.items()},
        "together": np.concatenate([[1.0], together]).astype(np.float32),
        "together_formula": formula.astype(np.float32),
        "true_tokens": float(together.sum()),
        "true_tokens_formula": float(formula[1:].sum()),
        "true_tokens_error": float(still.sum(1).std(ddof=1) / np.sqrt(len(still))),
    }


def _mean_and_error(losses: NDArray[np.float64], kept: NDArray[np.bool_]) -> tuple[float, float]:
    """Mean of the kept losses [N, K], and its standard error: tokens of a row are no independent draws."""
    going = kept.any(1)
    rows = (losses * kept).sum(1)[going] / kept.sum(1)[going]
    return float(losses[kept].mean()), float(rows.std(ddof=1) / np.sqrt(len(rows)))


def _example(true: Tensor, new_ids: list[list[int]], loaded: LoadedModel) -> dict[str, str]:
    """The first row, its line breaks as spaces."""
    tokenizer, ids = loaded.tokenizer, true[0].tolist()
    texts = {
        "beginning": tokenizer.decode(ids[1:PROMPT] if ids[0] == tokenizer.bos_id else ids[:PROMPT]),
        "true": tokenizer.decode(ids[PROMPT:]),
        "own": readable(tokenizer, new_ids[0]),
    }
    return {name: " ".join(each.split()) for name, each in texts.items()}
