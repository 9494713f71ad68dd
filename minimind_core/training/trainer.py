"""Pretraining as an iterator: every update yields a record, whoever consumes it.

Prints nothing and draws no progress bar; the command line and the labs do. The gradient of an
update is the mean over all its scored tokens, however they are spread over micro-batches and
processes. An update whose gradient is not finite is skipped whole. A run that was killed continues from its
last checkpoint with bit-identical losses.
"""

from __future__ import annotations

import contextlib
import dataclasses
import operator
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from minimind_core.errors import CheckpointError, ConfigError, NumericsError
from minimind_core.files.tensor_files import check_values
from minimind_core.model.minimind import MiniMind
from minimind_core.training.batches import Batch, BatchSource
from minimind_core.training.cross_entropy import summed_cross_entropy
from minimind_core.training.distributed import Processes
from minimind_core.training.optimizer import clip_gradients, make_optimizers, set_learning_rate
from minimind_core.training.training_config import TrainingConfig, learning_rate_factor
from minimind_core.training.training_state import check_moments, not_whole, read_state, write_state

MAX_SKIPS = 20
"""Updates in a row without a finite gradient, after which a run is given up."""
AUTOCAST_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class StepRecord:
    """What one update did. Plain numbers, ready for a curve or a log line."""

    step: int
    loss: float
    """Mean over the update's scored tokens, in nats, before the update."""
    learning_rate: float
    grad_norm: float
    """Of the whole gradient before clipping."""
    loss_scale: float
    tokens: int
    """Scored tokens since step 0."""
    seconds: float
    """Of training, time before an interruption included."""
    skipped: int = 0
    """Updates since step 0 that changed nothing, because their gradient was not finite."""


class Trainer:
    """Holds a model and what its optimizers remember; `steps` moves it forward."""

    def __init__(
        self, model: MiniMind, source: BatchSource, config: TrainingConfig, processes: Processes | None = None
    ) -> None:
        self.model, self.source, self.config = model, source, config
        self.processes = processes or Processes()
        if config.batch_size % (config.grad_accum * self.processes.count):
            raise ConfigError(
                f"batch_size {config.batch_size} cannot be split over {config.grad_accum} micro-batches "
                f"in {self.processes.count} processes; choose a multiple."
            )
        self.device = model.device
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.optimizers = make_optimizers(model, config)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=config.dtype == "fp16")
        self.step, self.tokens = 0, 0
        self.rate_factor, self.batch_offset = 1.0, 0
        """On the schedule's rate, and batches left out so far: what going back after a spike changes."""
        self._skips = torch.zeros(2, dtype=torch.int64, device=self.device)  # in all, and in a row until now
        # on CUDA the host runs ahead of the device, and asking after each gradient costs a tenth of the speed
        self._host_decides = self.scaler.is_enabled() or self.device.type != "cuda"
        self.records: list[StepRecord] = []
        self._loss_sum = torch.compile(self._forward_loss) if config.compile else self._forward_loss

    def steps(self, until: int | None = None) -> Iterator[StepRecord]:
        """Update until the configured number of steps (or `until`); yields every `log_every` updates.

        Raises NumericsError instead, after MAX_SKIPS updates in a row without a finite gradient; in fp16
        never, as its loss scale may have far to fall.
        """
        begin, before = time.perf_counter(), self.records[-1].seconds if self.records else 0.0
        last = self.config.steps if until is None else min(until, self.config.steps)
        self.model.train()
        while self.step < last:
            learning_rate = self._schedule()
            loss_scale = self.scaler.get_scale()
            loss, grad_norm = self._update(self.batch())
            self.step += 1
            if self.step % self.config.log_every == 0 or self.step == last:
                self.records.append(
                    StepRecord(
                        self.step - 1,
                        float(loss),
                        learning_rate,
                        float(grad_norm),
                        loss_scale,
                        self.tokens,
                        before + time.perf_counter() - begin,
                        self._checked_skips(),
                    )
                )
                yield self.records[-1]

    def batch(self) -> Batch:
        """The global batch of the next update."""
        return self.source.batch(self.step + self.batch_offset)

    def _schedule(self) -> float:
        config = self.config
        factor = learning_rate_factor(
            config.schedule, self.step, config.steps, config.warmup_steps, config.final_factor
        )
        learning_rate = config.learning_rate * factor * self.rate_factor
        set_learning_rate(self.optimizers, learning_rate)
        return learning_rate

    def _update(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """One update from a global batch. Returns its mean loss and gradient norm, still on the device."""
        num_targets = max(batch.num_targets, 1)
        loss = torch.zeros((), device=self.device)
        for micro in self.own_micro_batches(batch):
            share = self.share(micro, num_targets)
            self.scaler.scale(share).backward()
            loss += share.detach()
        for parameter in self.parameters:
            if parameter.grad is None:  # unused here, perhaps used by another process
                parameter.grad = torch.zeros_like(parameter)
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        self.processes.sum_([*gradients, loss])
        for optimizer in self.optimizers:
            self.scaler.unscale_(optimizer)
        grad_norm = clip_gradients(gradients, self.config.clip_norm)
        self._step(grad_norm)
        self.tokens += num_targets
        return loss, grad_norm

    def _step(self, grad_norm: Tensor) -> None:
        """Let every optimizer step, or none of them where the gradient is not finite.

        `GradScaler.step` would decide for each optimizer by its own parameters; half a step is worse than
        none. The scale is halved once for what `unscale_` found, and grows as it would alone.
        """
        skip = ~grad_norm.isfinite()
        self._skips = torch.stack([self._skips[0] + skip, (self._skips[1] + 1) * skip])
        for optimizer in self.optimizers:
            if not self._host_decides:
                optimizer.found_inf = skip.float()  # as GradScaler tells it
                optimizer.step()
            elif not skip:
                optimizer.step()
        self.scaler.update()
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)

    def _checked_skips(self) -> int:
        """Updates skipped so far. Raises NumericsError where there was no other for too long."""
        skipped, in_a_row = self._skips.tolist()
        if in_a_row >= MAX_SKIPS and not self.scaler.is_enabled():
            raise NumericsError(
                f"The gradient was not finite in the last {in_a_row} updates, up to step {self.step}: "
                "look at the data or lower the learning rate; the weights are those from before."
            )
        return int(skipped)

    def own_micro_batches(self, batch: Batch) -> Iterator[Batch]:
        """This process's rows, one micro-batch after the other, on its device."""
        size = self.config.batch_size // (self.config.grad_accum * self.processes.count)
        first = self.processes.rank * self.config.grad_accum
        for index in range(first, first + self.config.grad_accum):
            yield batch.rows(index * size, (index + 1) * size).to(self.device)

    def share(self, micro: Batch, num_targets: int, *, compiled: bool = True) -> Tensor:
        """A micro-batch's part of the mean loss over all scored tokens of the update, under autocast."""
        loss_sum = self._loss_sum if compiled else self._forward_loss
        with self._autocast():
            return loss_sum(micro) / num_targets

    def _forward_loss(self, batch: Batch) -> Tensor:
        """Summed cross-entropy of a micro-batch, in nats."""
        logits = self.model(batch.inputs, positions=batch.positions, mask=batch.attention_mask())  # [B, T, V]
        return summed_cross_entropy(logits.flatten(0, 1), batch.targets.flatten())

    def _autocast(self) -> contextlib.AbstractContextManager[None]:
        dtype = AUTOCAST_DTYPES.get(self.config.dtype)
        return torch.autocast(self.device.type, dtype) if dtype else contextlib.nullcontext()

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on; the tensors are the run's own."""
        return {
            "training": self.config.to_dict(),
            "model_config": self.model.config.to_dict(),
            "model": self.model.state_dict(),
            "optimizers": [o.state_dict() for o in self.optimizers],
            "scaler": self.scaler.state_dict(),
            "step": self.step,
            "tokens": self.tokens,
            "skips": self._skips.tolist(),
            "records": [dataclasses.astuple(record) for record in self.records],
            "rate_factor": self.rate_factor,
            "batch_offset": self.batch_offset,
        }

    def save(self, path: Path) -> None:
        """Write the state; the file appears whole or not at all."""
        write_state(path, self.state())

    def load(self, path: Path) -> None:
        """Continue from `save`. Raises CheckpointError where the file is another run's or was changed."""
        state = read_state(path)
        if state.get("training") != self.config.to_dict() or state.get("model_config") != self._model_config:
            raise CheckpointError(
                f"{path} was saved by a run with other settings; resume with the same ones."
            )
        try:
            self.restore(state)
        except Exception as error:  # an edited state can be wrong in as many ways as there are lines in it
            raise not_whole(path) from error
        check_values(self.model.state_dict(), path)

    @property
    def _model_config(self) -> dict[str, Any]:
        return self.model.config.to_dict()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` gave. Raises whatever comes of one that was changed."""
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
            check_moments(optimizer)
        self.scaler.load_state_dict(state["scaler"])
        self.records = [_checked(StepRecord(*values)) for values in state["records"]]
        self.step, self.tokens = operator.index(state["step"]), operator.index(state["tokens"])
        self.rate_factor = float(state.get("rate_factor", 1.0))
        self.batch_offset = operator.index(state.get("batch_offset", 0))
        skips = state.get("skips", [0, 0])  # earlier versions did not count them
        self._skips = torch.tensor([operator.index(count) for count in skips], device=self.device)
        if self._skips.shape != (2,) or self._skips.min() < 0:
            raise ValueError(f"skips {self._skips}")
        if not 0 <= self.step <= self.config.steps or min(self.tokens, self.batch_offset) < 0:
            raise ValueError(f"step {self.step} of {self.config.steps}")
        if not 0 < self.rate_factor <= 1:
            raise ValueError(f"rate_factor {self.rate_factor}")


def _checked(record: StepRecord) -> StepRecord:
    """The record itself. Raises TypeError or ValueError where a field is no number."""
    for value in dataclasses.astuple(record):
        float(value)
    return record
