"""The loop that continues a batch: a step, a chooser, and the tokens chosen so far.

Once started, it runs ahead of the host: nothing in it waits for the device. It does not know when to stop,
and no text (that is `generate.py`).

Shapes: B rows, V vocabulary ids.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Literal

import torch
from torch import Tensor

from minimind_core.decoding.choose import Chooser
from minimind_core.decoding.fastest import fastest_step, has_one_kernel
from minimind_core.decoding.persistent_step import LONGEST_PROMPT, PersistentStep, make_persistent_step
from minimind_core.decoding.sampling import check_logits
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.decoding.step import Step, StepKind, Way, padded
from minimind_core.model.minimind import MiniMind
from minimind_core.progress import OnProgress, unheard


class Decoding:
    """B requests being continued together, all from the same moment on."""

    def __init__(
        self,
        model: MiniMind,
        batch_size: int,
        capacity: int,
        kind: StepKind | Literal["fastest"] = "eager",
        persistent: bool = False,
    ) -> None:
        """`kind` "fastest": what `fastest.py` says, `persistent` included."""
        if kind == "fastest":
            self.step = fastest_step(model, batch_size, capacity)
            persistent = has_one_kernel(model, batch_size)
        else:
            self.step = Step(model, batch_size, capacity, kind)
        self._is_persistent = persistent
        self.device = self.step.device
        self.chooser = Chooser(batch_size, model.config.vocab_size, self.device)
        self.history = torch.zeros(batch_size, capacity + 1, dtype=torch.int64, device=self.device)
        # holds the tensors and not this object, so a stored program makes no reference cycle
        self._choice = partial(_choose, self.chooser, self.step.ids, self.step.positions, self.history)
        self._programs: dict[frozenset[str], Callable[[], None]] = {}

    @torch.inference_mode()
    def start(
        self,
        prompts: Sequence[Sequence[int]],
        params: Sequence[SamplingParams],
        on_prefill: OnProgress = unheard,
    ) -> None:
        """Read the prompts (ids, any lengths) into the cache and choose each request's first token.

        `on_prefill`: see `Step.prefill`. Raises CheckpointError for weights that give no candidate.
        """
        self.chooser.start(params, padded(prompts, self.device))
        logits = self._read(prompts, on_prefill)
        check_logits(logits)
        self._choice(logits)

    def _read(self, prompts: Sequence[Sequence[int]], on_prefill: OnProgress) -> Tensor:
        """The logits after each prompt's last token, [B, V]."""
        if not self._is_greedy or len(prompts[0]) > LONGEST_PROMPT or self.persistent is None:
            return self.step.prefill(prompts, on_progress=on_prefill)
        on_prefill(0, len(prompts[0]))
        self.step.reset()
        return self.persistent.read(prompts[0], self.step.ids, self.step.positions, self.history)

    def advance(self, steps: int) -> None:
        """Choose `steps` more tokens for every row, without waiting for the device."""
        if self._is_greedy and self.persistent is not None:
            self.persistent.advance(steps, self.step.ids, self.step.positions, self.history)
            return
        run = self._program()
        for _ in range(steps):
            run()

    @cached_property
    def persistent(self) -> PersistentStep | None:
        """The kernel for greedy tokens, compiled when it is first needed, if it was asked for and can run."""
        return make_persistent_step(self.step.model, self.step.cache) if self._is_persistent else None

    @property
    def way(self) -> Way | Literal["one_kernel"]:
        """How the tokens after the first are made, for the settings that it was started with."""
        return "one_kernel" if self._is_greedy and self.persistent is not None else self.step.way

    @property
    def _is_greedy(self) -> bool:
        return not self.chooser.used

    def _program(self) -> Callable[[], None]:
        """Step and choice as one program for the settings in use; what was compiled or captured is kept."""
        used = self.chooser.used
        if used not in self._programs:
            self._programs[used] = self.step.then(self._choice, (self.history, *self.chooser.state))
        return self._programs[used]

    def new_ids(self, first_position: Tensor, count: int) -> Tensor:
        """The `count` tokens chosen from `first_position` int64 [B, 1] on, [B, count]."""
        return self.history.gather(1, first_position + torch.arange(count, device=self.device))


def _choose(chooser: Chooser, ids: Tensor, positions: Tensor, history: Tensor, logits: Tensor) -> None:
    """Choose from logits [B, V] and make the tokens the next step's input, one position further."""
    chosen = chooser(logits)[:, None]  # [B, 1]
    ids.copy_(chosen)
    positions.add_(1)
    history.scatter_(1, positions, chosen)
