"""Which token comes next, for every row of a batch: settings, noise and seen tokens as static buffers.

Nothing here waits for the device, so that a chooser may be compiled and captured together with a step. The
rules themselves are in `sampling.py`; stopping is the business of `generate.py`.

Shapes: B rows, V vocabulary ids.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from minimind_core.decoding.request_noise import RequestNoise
from minimind_core.decoding.sampling import (
    apply_repetition_penalty,
    batch_settings,
    filter_logits,
    sample,
    seen_tokens,
)
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.device import upload

OFF: dict[str, float] = {"temperature": 0, "top_k": 0, "top_p": 1, "min_p": 0, "repetition_penalty": 1}
"""The value of each setting that needs no work; for the temperature that is greedy."""


class Chooser:
    """Turns logits into the next tokens of B requests, each by its own settings, seed and seen tokens.

    >>> chooser = Chooser(batch_size=1, vocab_size=4)
    >>> chooser.start([SamplingParams(temperature=0)], torch.tensor([[2, 0]]))
    >>> chooser(torch.tensor([[1.0, 5.0, 2.0, 3.0]]))
    tensor([1])
    """

    def __init__(self, batch_size: int, vocab_size: int, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        greedy = [SamplingParams(temperature=0)] * batch_size
        self.noise = RequestNoise([0] * batch_size, vocab_size, device)
        self.seen = torch.zeros(batch_size, vocab_size, dtype=torch.bool, device=device)
        self.settings: dict[str, Any] = dict(OFF)
        self._buffers: dict[str, Tensor] = batch_settings(greedy, device, as_tensors=True)  # [B, 1]
        self._users: dict[str, set[int]] = {name: set() for name in OFF}  # rows that need work for a setting

    @property
    def used(self) -> frozenset[str]:
        """The settings that need work for some row; a compiled or captured choice serves these only."""
        return frozenset(name for name, value in self.settings.items() if isinstance(value, Tensor))

    @property
    def state(self) -> tuple[Tensor, ...]:
        """The tensors that choosing changes and reads again."""
        return self.seen, self.noise.steps

    def start(self, requests: Sequence[SamplingParams], ids: Tensor) -> None:
        """Give every row to a new request; its prompt is a row of ids int64 [B, T], negative where padded."""
        self.seen.copy_(seen_tokens(ids, self.seen.shape[1]))
        everyone = torch.arange(len(requests), device=self.device)
        self.noise.assign_rows(everyone, [request.seed for request in requests])
        for name, value in batch_settings(requests, self.device, as_tensors=True).items():
            self._buffers[name].copy_(value)
        self._use_settings(range(len(requests)), requests)

    def assign(
        self, rows: Sequence[int], requests: Sequence[SamplingParams], prompts: Sequence[Sequence[int]]
    ) -> None:
        """Give some rows to new requests; the others go on as they were. Does not wait for the device."""
        index = upload(rows, self.device)  # [R]
        self.noise.assign_rows(index, [request.seed for request in requests])
        for name, buffer in self._buffers.items():
            values = [[getattr(request, name)] for request in requests]
            buffer[index] = upload(values, self.device, buffer.dtype)  # [R, 1]
        for row, request, prompt in zip(rows, requests, prompts, strict=True):
            if request.repetition_penalty != OFF["repetition_penalty"]:  # nothing else looks at what was seen
                self.seen[row] = seen_tokens(upload([prompt], self.device), self.seen.shape[1])[0]
        self._use_settings(rows, requests)

    def first(self, rows: int, used: Collection[str]) -> Chooser:
        """The first rows as a chooser of their own, which shares this one's memory and serves `used` only."""
        first = copy.copy(self)
        first.noise, first.seen = self.noise.first(rows), self.seen[:rows]
        first._buffers = {name: buffer[:rows] for name, buffer in self._buffers.items()}
        first.settings = {name: first._buffers[name] if name in used else OFF[name] for name in OFF}
        return first

    def __call__(self, logits: Tensor) -> Tensor:
        """The next tokens int64 [B] for logits [B, V]; counts them as seen and moves each row's noise on."""
        if self._is_off("temperature"):
            return self._noted(self._penalized(logits).argmax(-1))
        return self.draw(self.probabilities(logits))

    def probabilities(self, logits: Tensor) -> Tensor:
        """What the next tokens are drawn from: logits [B, V] after every setting, fp32 [B, V]."""
        filters = {name: value for name, value in self.settings.items() if name != "repetition_penalty"}
        return filter_logits(self._penalized(logits), **filters)

    def draw(self, probabilities: Tensor) -> Tensor:
        """Tokens int64 [B] drawn from probabilities [B, V]; counts them as seen and moves the noise on.

        Greedy requests alone need no noise.
        """
        if self._is_off("temperature"):
            return self._noted(probabilities.argmax(-1))
        return self._noted(sample(probabilities, self.noise.draw()))

    def _penalized(self, logits: Tensor) -> Tensor:
        if self._is_off("repetition_penalty"):
            return logits
        return apply_repetition_penalty(logits, self.seen, self.settings["repetition_penalty"])

    def _noted(self, chosen: Tensor) -> Tensor:
        if not self._is_off("repetition_penalty"):
            self.seen.scatter_(1, chosen[:, None], True)
        return chosen

    def _is_off(self, name: str) -> bool:
        return not isinstance(self.settings[name], Tensor)

    def _use_settings(self, rows: Iterable[int], requests: Sequence[SamplingParams]) -> None:
        """Settings that no row uses become numbers, which skip their work; others are their tensors."""
        for row, request in zip(rows, requests, strict=True):
            for name, users in self._users.items():
                change = users.discard if getattr(request, name) == OFF[name] else users.add
                change(row)
        for name, users in self._users.items():
            self.settings[name] = self._buffers[name] if users else OFF[name]
