"""Ten things to look at before a run is started, on one's own settings and one's own text.

Some follow from the settings, some from the data; for three of them a fresh model of that shape makes one
real update under watch. Judges nothing that it has not computed. Sentences are English; `Item.values` are the
numbers in them, for other languages.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from minimind_core.errors import ConfigError, DataError
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import num_parameters
from minimind_core.model.minimind import MiniMind
from minimind_core.tokenizer import Tokenizer
from minimind_core.training.batches import IGNORE, Batch
from minimind_core.training.nonfinite import TensorWatch, nonfinite_state
from minimind_core.training.trainer import Trainer
from minimind_core.training.training_config import TrainingConfig
from minimind_core.written_settings import as_table, built, read_object

State = Literal["ok", "note", "mend"]
LARGEST_MODEL = 200_000_000
"""Parameters up to which a fresh model is built and makes a step."""
ROWS, LENGTH = 4, 128
"""Of the one step."""
HIGH_RATE = 3e-3
"""Above it a learning rate for AdamW is worth a sweep; no bound holds for every width and schedule."""
HALF_LARGEST = 65504.0
"""The largest number of fp16."""
SENTENCES = {
    "learning_rate.ok": "Learning rate {rate:g}.",
    "learning_rate.note": "Learning rate {rate:g} is above {limit:g}: sweep it on a short run first.",
    "warmup.ok": "Warm-up over {steps} steps; twice AdamW's memory is {wanted}.",
    "warmup.note": "Warm-up over {steps} steps is short of {wanted}, twice the memory of AdamW.",
    "clipping.ok": "Gradients are clipped at norm {norm:g}.",
    "clipping.note": "Gradients are not clipped; set clip_norm to 1.",
    "precision.ok": "Trained in {dtype}, which has the range of FP32.",
    "precision.note": "Trained in fp16, which ends at 65,504; use bf16 where the device has it.",
    "empty.ok": "None of {count:,} texts is empty.",
    "empty.note": "{empty:,} of {count:,} texts are empty; leave them out when the data are built.",
    "targets.ok": "Every text has something to predict.",
    "targets.note": "{bare:,} of {count:,} texts have nothing to predict; a batch of only these is 0/0.",
    "targets.mend": "No text has anything to predict.",
    "first_loss.ok": "A fresh model has a loss of {loss:.2f}; a uniform guess has {guess:.2f}.",
    "first_loss.mend": "A fresh model has a loss of {loss:.2f}, a uniform guess {guess:.2f}: see its init.",
    "length.ok": "The longest text has {longest:,} tokens, a row {row:,}.",
    "length.note": "{over:,} of {count:,} texts exceed a row of {row:,}; the longest has {longest:,} tokens.",
    "range.ok": "In the first step no number is above {largest:.3g}: FP16 would hold it.",
    "range.note": "In the first step {module} reaches {largest:.3g}; FP16 ends at 65,504.",
    "range.mend": "In the first step: {where}.",
    "state.ok": "After one update all weights and all that the optimizer remembers are finite.",
    "state.mend": "After one update {count} tensors are not finite, first {name}.",
    "large.note": "A model of {parameters:,} parameters is too large to be tried here.",
}


@dataclass(frozen=True)
class Item:
    """One of the ten, with what was found."""

    name: str
    state: State
    values: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    """Names the sentence where that is not the item's own."""

    def sentence(self) -> str:
        """English, with the numbers filled in."""
        return SENTENCES[f"{self.reason or self.name}.{self.state}"].format(**self.values)


def settings_from(data: str | bytes) -> tuple[ModelConfig, TrainingConfig]:
    """What a JSON text, or the content of a file, says of a model and its training.

    Its keys are those of ModelConfig, or "model" and "training" (also as in a checkpoint's config.json); what
    it leaves out has its default. Raises ConfigError with one sentence.
    """
    values = read_object(data or "{}")
    trained = as_table("trained", values.get("trained") or {})
    training = values.get("training", trained.get("training", {}))
    alone = {name: value for name, value in values.items() if name not in ("training", "trained")}
    return (
        ModelConfig.from_dict(values.get("model", alone)),
        built(TrainingConfig, "training", {"steps": 1000, **as_table("training", training)}),
    )


def checklist(
    model: ModelConfig, training: TrainingConfig, tokenizer: Tokenizer, texts: Sequence[str]
) -> list[Item]:
    """The ten items in order. Raises DataError where there is no text at all."""
    if not texts:
        raise DataError("There is no text to look at; give at least one line.", key="checklist.no_text")
    lengths = [len(tokenizer.encode(text)) for text in texts]
    first_loss, numbers, state = _one_update(model, training, tokenizer, texts)
    return [
        _learning_rate(training),
        _warmup(training),
        Item("clipping", "ok" if training.clip_norm else "note", {"norm": training.clip_norm}),
        Item("precision", "note" if training.dtype == "fp16" else "ok", {"dtype": training.dtype}),
        _empty(texts),
        _targets(lengths),
        first_loss,
        _length(lengths, training.seq_len),
        numbers,
        state,
    ]


def _learning_rate(training: TrainingConfig) -> Item:
    rate = training.learning_rate
    return Item("learning_rate", "note" if rate > HIGH_RATE else "ok", {"rate": rate, "limit": HIGH_RATE})


def _warmup(training: TrainingConfig) -> Item:
    wanted = math.ceil(2 / (1 - training.beta2) - 1e-6)
    state: State = "note" if training.warmup_steps < wanted else "ok"
    return Item("warmup", state, {"steps": training.warmup_steps, "wanted": wanted})


def _empty(texts: Sequence[str]) -> Item:
    empty = sum(not text.strip() for text in texts)
    return Item("empty", "note" if empty else "ok", {"empty": empty, "count": len(texts)})


def _targets(lengths: Sequence[int]) -> Item:
    """A text of n tokens has n - 1 of them to predict."""
    bare = sum(length < 2 for length in lengths)
    state: State = "mend" if bare == len(lengths) else "note" if bare else "ok"
    return Item("targets", state, {"bare": bare, "count": len(lengths)})


def _length(lengths: Sequence[int], row: int) -> Item:
    over = sum(length > row + 1 for length in lengths)
    values = {"over": over, "count": len(lengths), "row": row, "longest": max(lengths)}
    return Item("length", "note" if over else "ok", values)


def _one_update(
    config: ModelConfig, training: TrainingConfig, tokenizer: Tokenizer, texts: Sequence[str]
) -> tuple[Item, Item, Item]:
    """The first loss, the largest number on the way to it, and the state after one update in fp32."""
    names = ("first_loss", "range", "state")
    if (parameters := num_parameters(config)) > LARGEST_MODEL:
        large = [Item(name, "note", {"parameters": parameters}, "large") for name in names]
        return large[0], large[1], large[2]
    batch = _batch(tokenizer, texts, config.vocab_size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(training.seed)
        model = MiniMind(config)
    once = dataclasses.replace(
        training, dtype="fp32", compile=False, grad_accum=1, batch_size=len(batch.inputs), steps=1
    )
    trainer = Trainer(model, _Always(batch), once)
    with TensorWatch(model) as watch:
        [record] = trainer.steps()
    guess = math.log(config.vocab_size)
    is_near = abs(record.loss - guess) < 1  # NaN is not
    first = Item("first_loss", "ok" if is_near else "mend", {"loss": record.loss, "guess": guess})
    wrong = nonfinite_state(model, trainer.optimizers)
    after = Item("state", "mend", {"count": len(wrong), "name": wrong[0]}) if wrong else Item("state", "ok")
    return first, _range(watch), after


def _range(watch: TensorWatch) -> Item:
    if (bad := watch.first_nonfinite()) is not None:
        return Item("range", "mend", {"where": bad.sentence()})
    largest = max(
        (one for one in watch.read() if one.phase == "forward"), key=lambda one: _size(one.low, one.high)
    )
    size = _size(largest.low, largest.high)
    state: State = "note" if size > HALF_LARGEST / 4 else "ok"
    return Item("range", state, {"largest": size, "module": largest.module or "the logits"})


def _size(low: float, high: float) -> float:
    return max(abs(low), abs(high))


def _batch(tokenizer: Tokenizer, texts: Sequence[str], vocab_size: int) -> Batch:
    """The first texts that have something to predict, cut and padded. [ROWS, LENGTH] at most."""
    rows = [ids for text in texts[:1000] if len(ids := tokenizer.encode(text)[: LENGTH + 1]) > 1][:ROWS]
    if not rows:
        rows = [[0, 0]]
    if max(max(row) for row in rows) >= vocab_size:
        raise ConfigError(
            f"The tokenizer has ids up to {tokenizer.vocab_size - 1:,}, the model only {vocab_size:,} words; "
            "set vocab_size to that of the tokenizer.",
            key="checklist.vocabulary",
            ids=tokenizer.vocab_size,
            words=vocab_size,
        )
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])  # [B, T + 1]
    real = torch.tensor([[index < len(row) for index in range(1, width)] for row in rows])
    return Batch(ids[:, :-1], ids[:, 1:].masked_fill(~real, IGNORE))


@dataclass(frozen=True)
class _Always:
    """The same batch at every step."""

    one: Batch

    def batch(self, step: int) -> Batch:
        return self.one
