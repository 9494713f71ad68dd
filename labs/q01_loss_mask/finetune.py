"""A minute of training by another rule, watched live: a model learns to stop, or forgets it, or learns PAD.

The three models with EOS in their data can be the start; the data are short sentences of Python's help and of
our own answers, which they never saw. What is watched are sentences in two languages that nobody trains on.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, Words, choice, whole
from labs.contract.drawing import Figure, Role
from labs.q01_loss_mask.rows import make_rows, mask_of
from labs.q01_loss_mask.toys import LENGTH, TOYS, WITH_EOS, Scores, Toy, framing, score
from labs.tools.budgets import PerDevice
from labs.tools.sampler import seed

if TYPE_CHECKING:
    from minimind_core.files.checkpoint import LoadedModel
    from minimind_core.training.batches import Batch

ROWS = 16
"""Sentences of a step."""
LOOKS = 24
"""How often the watched sentences are read, the start included."""
LEARNT = 50.0
"""Percent at which one would call the end of a sentence learnt."""
WATCHED = ("eos_after_text", "pad_after_text", "text_loss", "training_loss")


@dataclass(frozen=True)
class FinetuneParams(Params):
    """Where it starts, and the rule that it is trained by from there."""

    start: str = choice("toy-pad-is-eos", WITH_EOS, primary=True)
    rule: str = choice("toy-masked", WITH_EOS, primary=True)
    steps: int = whole(120, 20, 600, primary=True)
    learning_rate: float = choice(1e-3, (1e-4, 3e-4, 1e-3, 3e-3))
    seed: int = seed()


class FinetuneResult(TypedDict, total=False):
    """Float32 by step: probabilities in percent at the end of a sentence, losses in nats."""

    steps: NDArray[np.float32]
    curves: dict[str, NDArray[np.float32]]
    planned_steps: int
    start: str
    rule: str
    eos_percent: float
    """At the end of the run."""
    learnt_at: int | None
    """The first step at which EOS was likelier than not."""
    sentences: int


class Finetune(Experiment[FinetuneParams, FinetuneResult]):
    """A toy model goes on learning by another rule; its EOS, its PAD and its losses are watched."""

    def seconds(self, params: FinetuneParams, device: DeviceClass) -> float:
        return PerDevice(cpu=2 + 0.06 * params.steps, cuda=2 + 0.015 * params.steps).on(device)

    def measure(self, params: FinetuneParams, ctx: Context) -> FinetuneResult:
        """Trains a copy in FP32 with AdamW; the shipped model stays as it is."""
        from labs.tools.models import copied
        from minimind_core.training.trainer import Trainer
        from minimind_core.training.training_config import TrainingConfig

        ctx.progress(0.0, "loading")
        loaded, toy = ctx.model(params.start), TOYS[params.rule]
        ctx.progress(0.02, "reading")
        source = Sentences(toy, loaded, params.seed)
        model = copied(loaded.model)
        config = TrainingConfig(
            steps=params.steps,
            batch_size=ROWS,
            seq_len=LENGTH,
            learning_rate=params.learning_rate,
            warmup_steps=5,
            log_every=1,
        )
        before, pieces, losses = score(model, toy, loaded), [], []
        for record in Trainer(model, source, config).steps():
            step = record.step + 1
            ctx.progress(0.05 + 0.95 * step / params.steps, "step", step=step)
            losses.append(record.loss)
            if step == 1:
                pieces.append(_look(0, before, losses))
                ctx.emit(pieces[-1])
            if step % max(1, params.steps // LOOKS) == 0 or step == params.steps:
                pieces.append(_look(step, score(model, toy, loaded), losses))
                ctx.emit(pieces[-1])
                losses = []
        eos = [piece["eos_after_text"] for piece in pieces]
        learnt = (int(piece["step"]) for piece in pieces if piece["eos_after_text"] > LEARNT)
        return {
            **self.so_far(params, pieces),
            "eos_percent": eos[-1],
            "learnt_at": next(learnt, None),
            "sentences": sum(map(len, source.texts)),
        }

    def so_far(self, params: FinetuneParams, partials: Partials) -> FinetuneResult:
        """The curves as far as they go."""
        return {
            "steps": np.array([piece["step"] for piece in partials], np.float32),
            "curves": {name: np.array([piece[name] for piece in partials], np.float32) for name in WATCHED},
            "planned_steps": params.steps,
            "start": params.start,
            "rule": params.rule,
        }

    def show(self, result: FinetuneResult, text: Words) -> Shown:
        """`ends`: EOS and PAD after the last word, by step; `losses`: in training and on the watched text."""
        figures = {"ends": _ends(result, text), "losses": _losses(result, text)}
        if "eos_percent" not in result:
            return Shown(figures)
        names = {"start": text(f"specimen.{result['start']}"), "rule": text(f"specimen.{result['rule']}")}
        curves = result["curves"]
        rows: list[Row] = [
            {
                text("axis.step"): int(step),
                "P(EOS) (%)": float(curves["eos_after_text"][index]),
                "P(PAD) (%)": float(curves["pad_after_text"][index]),
                text("watched_loss"): float(curves["text_loss"][index]),
                text("training_loss"): float(curves["training_loss"][index]),
            }
            for index, step in enumerate(result["steps"])
        ]
        return Shown(
            figures,
            rows=rows,
            notes=[_verdict(result, text), text("finetune.note", sentences=result["sentences"], **names)],
            numbers={"P(EOS) (%)": result["eos_percent"]},
        )


def _verdict(result: FinetuneResult, text: Words) -> str:
    """Whether EOS was learnt, forgotten, kept or never learnt; and what would change that."""
    steps, eos = result["steps"], result["curves"]["eos_after_text"] > LEARNT
    taught = TOYS[result["rule"]].rule != "by_id"
    if not eos[-1]:
        why = text("finetune.more_steps" if taught else "finetune.rule_matters")
        return text("finetune.forgot" if eos.any() else "finetune.never", why=why)
    if eos.all():
        return text("finetune.kept", why=text("finetune.kept_taught" if taught else "finetune.kept_untaught"))
    since = steps[int(np.flatnonzero(~eos)[-1]) + 1]
    return text("finetune.learnt", step=int(since), why=text("finetune.rule_matters"))


class Sentences:
    """Batches of short sentences, half of them English, drawn anew for every step and padded by a rule."""

    def __init__(self, toy: Toy, loaded: LoadedModel, seed: int) -> None:
        self.toy, self.seed = toy, seed
        self.framing = framing(toy, loaded)
        self.texts = [
            [ids for ids in loaded.tokenizer.encode_batch(found) if 4 <= len(ids) <= LENGTH - 2]
            for found in (english_sentences(), chinese_sentences())
        ]

    def batch(self, step: int) -> Batch:
        """ROWS sentences; targets outside the rule's mask are ignored."""
        import torch

        from minimind_core.training.batches import IGNORE, Batch

        draw = random.Random(f"{self.seed} {step}")
        rows = make_rows([draw.choice(texts) for texts in self.texts for _ in range(ROWS // 2)], self.framing)
        mask = torch.tensor(mask_of(self.toy.rule, rows, self.framing.pad_id))  # [B, T - 1]
        ids = torch.tensor(rows.ids, dtype=torch.int64)  # [B, T]
        return Batch(ids[:, :-1], ids[:, 1:].masked_fill(~mask, IGNORE))


def english_sentences() -> list[str]:
    """Sentences of Python's help, without its tables, code and headings."""
    from labs.tools import heldout

    prose = (" ".join(part.split()) for topic in heldout.training("english") for part in topic.split("\n\n"))
    return [one for part in prose for one in re.findall(r"[A-Z][a-z][^.!?`*|:]{10,110}[.!?](?= |$)", part)]


def chinese_sentences() -> list[str]:
    """Sentences of our own answers that are Chinese from end to end."""
    from labs.tools import heldout

    return re.findall(r"[\u4e00-\u9fff][\u4e00-\u9fff，、：]{5,40}。", heldout.held_out("chinese")[0])


def _look(step: int, scores: Scores, losses: Sequence[float]) -> dict[str, float]:
    """What is watched at one step; `losses` are those that the trainer reported since the last look."""
    return {
        "step": step,
        "eos_after_text": 100 * scores["eos_after_text"],
        "pad_after_text": 100 * scores["pad_after_text"],
        "text_loss": scores["text_loss"],
        "training_loss": fmean(losses),
    }


def _ends(result: FinetuneResult, text: Words) -> Figure:
    figure, steps, curves = Figure(), result["steps"], result["curves"]
    ends = []
    lines: tuple[tuple[str, Role, str, str], ...] = (
        ("eos_after_text", "measured", "EOS", "circle"),
        ("pad_after_text", "said", "PAD", "x"),
    )
    for name, role, label, symbol in lines:
        figure.line(steps, curves[name], role, label, hover="%{x}: %{y:.2f}%", symbol=symbol, size=6)
        ends.append((float(steps[-1]), float(curves[name][-1]), label))
    figure.name_ends(ends, 0, 105, log=False)
    _step_axis(figure, result, text)
    figure.y_axis(text("axis.probability"), span=(-3, 105), ticksuffix="%")
    return figure


def _losses(result: FinetuneResult, text: Words) -> Figure:
    figure, steps, curves = Figure(), result["steps"], result["curves"]
    lines: tuple[tuple[str, Role, str, str], ...] = (
        ("text_loss", "measured", text("watched_loss"), "circle"),
        ("training_loss", "said", text("training_loss"), "diamond"),
    )
    top = 1.15 * max(float(curves[name].max()) for name in ("text_loss", "training_loss"))
    ends = []
    for name, role, label, symbol in lines:
        figure.line(steps, curves[name], role, label, hover="%{x}: %{y:.3f}", symbol=symbol, size=6)
        ends.append((float(steps[-1]), float(curves[name][-1]), label))
    figure.name_ends(ends, 0, top, log=False)
    _step_axis(figure, result, text)
    figure.y_axis(text("axis.mean_loss"), span=(0, top))
    return figure


def _step_axis(figure: Figure, result: FinetuneResult, text: Words) -> None:
    """As long as the run will be, with room for the lines' names."""
    figure.x_axis(text("axis.step"), span=(0, 1.4 * result["planned_steps"]))
    figure.layout["showlegend"] = False
