"""A spike, gone back from and trained over again: is it the data, or that these met this state?

The small model trains until its loss first spikes. From a state of before it the training is repeated: with
the same batches, with later ones (as in Chowdhery et al. 2022, PaLM), and with the same batches from a still
earlier state. What comes back at the very batch is compared with the height of the spike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NotRequired

import numpy as np
from numpy.typing import NDArray

from labs.contract import (
    Context,
    Data,
    DeviceClass,
    Experiment,
    OnProgress,
    Params,
    Partials,
    Row,
    Shown,
    ThreeNumbers,
    Words,
)
from labs.contract.fields import choice, whole
from labs.q11_nan import rewind_figures
from labs.q11_nan.rewind_figures import ARMS, Runs, Training
from labs.tools.budgets import PerDevice

LENGTH = 32
STEPS, WARMUP = 300, 20
"""Updates after which a run that did not spike is given up; those of the warm-up."""
RATES = (1e-3, 3e-3, 1e-2, 3e-2)
EVERY = 10
"""Updates between kept states."""
AFTER = 10
"""Updates that a replay goes on beyond the spike."""
CHUNK = 10
"""Updates between two pieces of the live plot."""
WINDOW, THRESHOLD = 50, 6.0
"""Losses that a spike is judged by, and deviations above their median from which it is one."""


@dataclass(frozen=True)
class RewindParams(Params):
    """Trainings, each with a seed of its own; the updates gone back, and those to the earlier state."""

    seeds: int = whole(3, 1, 10, primary=True, label="trainings")
    back: int = choice(20, (10, 20, 50), primary=True)
    rows: int = choice(2, (1, 2, 4, 8), primary=True, label="rows_a_batch")
    learning_rate: float = choice(3e-3, RATES)
    earlier: int = choice(50, (20, 50, 100), label="further_back")
    shown: int = whole(1, 1, 10, view=True, label="training_shown")


class RewindResult(Runs):
    """At the end `complete`."""

    complete: bool
    view: NotRequired[dict[str, int]]


class Rewind(Experiment[RewindParams, RewindResult]):
    """First spikes of several trainings, and what comes of going back."""

    def seconds(self, params: RewindParams, device: DeviceClass) -> float:
        replays = len(ARMS) * (params.back + EVERY / 2 + AFTER)
        update = PerDevice(cpu=0.03, cuda=0.02).on(device)
        return 3 + params.seeds * (STEPS / 2 + replays) * update

    def measure(self, params: RewindParams, ctx: Context) -> RewindResult:
        import torch

        from labs.q11_nan.spiky_run import SpikyRun
        from labs.tools import heldout
        from labs.tools.models import untrained
        from minimind_core.training.monitor import LossMonitor
        from minimind_core.training.training_config import TrainingConfig

        ctx.progress(0.0, "reading")
        loaded = ctx.model("nano-rope")
        texts = heldout.training()[:4]
        rows = heldout.windows(loaded.tokenizer, texts, 10**6, LENGTH, 0, ctx.check_cancelled)
        pieces: list[Data] = []

        def send(piece: Data) -> None:
            pieces.append(piece)
            ctx.emit(piece)

        for index, part in ctx.parts(range(params.seeds)):
            on_progress = part("spiky", number=index + 1)
            order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(index))
            training = TrainingConfig(
                STEPS + AFTER + 1,
                params.rows,
                LENGTH,
                learning_rate=params.learning_rate,
                warmup_steps=WARMUP,
                schedule="constant",
            )
            run = SpikyRun(
                untrained(loaded.config, ctx.device, index),
                rows[order],
                training,
                every=EVERY,
                most=(params.back + params.earlier) // EVERY + 2,
            )
            told = {"training": index, "arm": "first", "start": 0}
            updates, spiked = _sent(run.first(STEPS, LossMonitor(WINDOW, THRESHOLD)), told, send, on_progress)
            for arm, (start, skip, length) in plan(params, updates - 1).items() if spiked else ():
                told = {"training": index, "arm": arm, "start": start}
                _sent(run.replay(start, skip, length), told, send, on_progress)
        return {**self.so_far(params, pieces), "complete": True}

    def so_far(self, params: RewindParams, partials: Partials) -> RewindResult:
        trainings = [_training(index, partials) for index in range(params.seeds)]
        percents = {arm: heights_percent(trainings, arm) for arm in ARMS}
        return {
            "trainings": trainings,
            "spikes": sum(one["spike"] >= 0 for one in trainings),
            "percents": percents,
            "height_percent": {
                arm: float(np.mean(some)) if (some := percents[arm]) else None for arm in ARMS
            },
            "complete": False,
        }

    def view(self, params: RewindParams, result: RewindResult) -> dict[str, int]:
        return {"shown": min(params.shown, len(result["trainings"]))}

    def show(self, result: RewindResult, text: Words) -> Shown:
        """`curves` of the chosen training and its replays; `heights`: what comes back of a spike, by arm."""
        figures = {
            "curves": rewind_figures.curves(result["trainings"][result["view"]["shown"] - 1], text),
            "heights": rewind_figures.heights(result, text),
        }
        if not result["complete"]:
            return Shown(figures)
        rows: list[Row] = [
            {
                text("training_number"): number,
                text("first_spike"): str(one["spike"]) if one["spike"] >= 0 else "–",
                text("loss_there"): rewind_figures.loss_at_spike(one, one["losses"], 0),
                **{text(f"replay.{arm}"): rewind_figures.replayed(one, arm) for arm in ARMS},
            }
            for number, one in enumerate(result["trainings"], start=1)
        ]
        percent = {arm: share for arm, share in result["height_percent"].items() if share is not None}
        notes = rewind_figures.notes(result, text)
        sentence: ThreeNumbers | None = None
        if "earlier" in percent:
            notes = [text("rewind.sentence", earlier=text("replay.earlier")), *notes]
            sentence = {"said": 0.0, "formula": 100.0, "measured": percent["earlier"], "unit": "%"}
        numbers = {f"{text(f'replay.{arm}')}, {text('axis.height')}": share for arm, share in percent.items()}
        return Shown(figures, rows, [*notes, text("rewind.change")], numbers, sentence)


def plan(params: RewindParams, spike: int) -> dict[str, tuple[int, int, int]]:
    """By arm the update whose state it starts from, the batches that it leaves out, and its updates.

    Without the last arm where there is no earlier state.

    >>> plan(RewindParams(back=20, earlier=50), 107)
    {'same': (80, 0, 38), 'later': (80, 38, 38), 'earlier': (30, 50, 38)}
    """
    start = max(0, spike - params.back) // EVERY * EVERY
    before = max(0, start - params.earlier) // EVERY * EVERY
    updates = spike + AFTER + 1 - start
    arms = {"same": (start, 0, updates), "later": (start, updates, updates)}
    return arms | ({"earlier": (before, start - before, updates)} if before < start else {})


def heights_percent(trainings: list[Training], arm: str) -> list[float]:
    """Of each training that spiked: how far the replay's loss stands above those before it, at the update of
    the spike, in percent of how far the spike did."""
    found = []
    for one in trainings:
        replay, at = one["replays"].get(arm), one["spike"]
        if replay is not None and len(replay["losses"]) > (place := at - one["replays"]["same"]["start"]):
            spike = height(one["losses"][at - place :], place)
            found.append(100 * height(replay["losses"], place) / spike)
    return found


def height(losses: NDArray[np.float32], place: int) -> float:
    """How far the loss there stands above the median of those before it.

    >>> height(np.array([2.0, 1.0, 3.0, 7.0, 2.0], np.float32), 3)
    5.0
    """
    return float(losses[place] - np.median(losses[:place]))


def _sent(
    steps: Iterable[tuple[float, bool]], told: Data, send: Callable[[Data], None], on_progress: OnProgress
) -> tuple[int, bool]:
    """Send the losses on in pieces; returns how many there were, and whether one was a spike."""
    losses: list[float] = []
    spiked = False
    for loss, alarm in steps:
        losses.append(loss)
        spiked |= alarm
        on_progress(min(1.0, len(losses) / STEPS))
        if len(losses) % CHUNK == 0:
            send({**told, "losses": losses[-CHUNK:], "spiked": spiked})
    send({**told, "losses": losses[len(losses) // CHUNK * CHUNK :], "spiked": spiked})
    return len(losses), spiked


def _training(index: int, pieces: Partials) -> Training:
    """What the pieces say of one training."""
    own = [piece for piece in pieces if piece["training"] == index]

    def losses(arm: str) -> NDArray[np.float32]:
        return np.array(
            [loss for piece in own if piece["arm"] == arm for loss in piece["losses"]], np.float32
        )

    starts = {piece["arm"]: piece["start"] for piece in own}
    first = losses("first")
    return {
        "losses": first,
        "spike": len(first) - 1 if any(piece["spiked"] for piece in own) else -1,
        "replays": {arm: {"start": starts[arm], "losses": losses(arm)} for arm in ARMS if arm in starts},
    }
