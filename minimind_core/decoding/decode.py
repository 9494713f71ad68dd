"""One decode step on static buffers, run eagerly, compiled, or as a captured CUDA graph.

Everything that a step reads and writes has a fixed address, so the same step serves all three. It
chooses tokens but does not know when to stop, and no text (that is `generate.py`).

Shapes: B rows, V vocabulary ids.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from minimind_core.decoding.request_noise import RequestNoise
from minimind_core.decoding.sampling import batch_settings, next_tokens, seen_tokens
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.decoding.step_model import make_step_model
from minimind_core.model.kv_cache import EMPTY, StaticCache
from minimind_core.model.minimind import MiniMind

StepKind = Literal["eager", "compiled"]

COMPILE_OPTIONS = {"cuda": {"coordinate_descent_tuning": True}, "cpu": {}}
"""With coordinate descent, inductor turns one-row products into fused reductions: fewer kernels a token."""
OFF: dict[str, float] = {"temperature": 0, "top_k": 0, "top_p": 1, "min_p": 0, "repetition_penalty": 1}
"""The value of each setting that needs no work; for the temperature that is greedy."""


class Decoding:
    """B requests being continued: their cache, their newest tokens and how each chooses the next."""

    def __init__(self, model: MiniMind, batch_size: int, capacity: int, kind: StepKind = "eager") -> None:
        weight = model.model.embed_tokens.weight
        self.model, self.device, self.kind = model, weight.device, kind
        self.step_model = make_step_model(model, batch_size) if kind == "compiled" else model
        self.cache = StaticCache(model.config, batch_size, capacity, self.device, weight.dtype)
        self.ids = torch.zeros(batch_size, 1, dtype=torch.int64, device=self.device)
        self.positions = torch.zeros(batch_size, 1, dtype=torch.int64, device=self.device)
        self.history = torch.zeros(batch_size, capacity + 1, dtype=torch.int64, device=self.device)
        self.seen = torch.zeros(batch_size, model.config.vocab_size, dtype=torch.bool, device=self.device)
        self.noise = RequestNoise([0] * batch_size, model.config.vocab_size, self.device)
        self.settings: dict[str, float | Tensor] = {}
        self._buffers: dict[str, Tensor] = {}
        self._runs: dict[frozenset[str], Callable[[], None]] = {}

    @torch.inference_mode()
    def start(self, prompts: Sequence[Sequence[int]], params: Sequence[SamplingParams]) -> None:
        """Read the prompts (ids, any lengths) into the cache and choose each request's first token."""
        self._set_params(params)
        lengths = torch.tensor([len(prompt) for prompt in prompts], device=self.device)[:, None]  # [B, 1]
        longest = max(len(prompt) for prompt in prompts)
        ids = torch.tensor(
            [[*prompt, *[-1] * (longest - len(prompt))] for prompt in prompts], device=self.device
        )
        self.seen.copy_(seen_tokens(ids, self.model.config.vocab_size))
        self.cache.reset()
        hidden = self._prefill(ids, lengths)  # [B, T, C]
        last = hidden.gather(1, (lengths - 1)[..., None].expand(-1, -1, hidden.shape[-1]))  # [B, 1, C]
        self.positions.copy_(lengths - 1)
        self._choose(self.model.head(last)[:, 0])

    def _prefill(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """ids [B, T], -1 on the right of short rows."""
        slots = torch.arange(ids.shape[1], device=self.device)
        if bool((lengths == ids.shape[1]).all()):
            return self.model.model(ids, slots=slots, cache=self.cache)
        positions = torch.where(slots < lengths, slots, EMPTY)  # [B, T]
        return self.model.model(ids.clamp(min=0), positions, slots, cache=self.cache)

    def _set_params(self, params: Sequence[SamplingParams]) -> None:
        """A filter that no request uses is a number, which skips it; others are tensors of fixed address."""
        for name, value in batch_settings(params, self.device, as_tensors=True).items():
            held = self.settings.get(name)
            if all(getattr(request, name) == OFF[name] for request in params):
                self.settings[name] = OFF[name]
            elif isinstance(held, Tensor):
                held.copy_(value)
            else:
                self.settings[name] = self._buffers.setdefault(name, value).copy_(value)
        for row, request in enumerate(params):
            self.noise.assign(row, request.seed)

    @torch.inference_mode()
    def advance(self, steps: int) -> None:
        """Choose `steps` more tokens for every row, without waiting for the device."""
        run = self._run()
        for _ in range(steps):
            run()

    def new_ids(self, first_position: Tensor, count: int) -> Tensor:
        """The `count` tokens chosen from `first_position` int64 [B, 1] on, [B, count]."""
        return self.history.gather(1, first_position + torch.arange(count, device=self.device))

    def _step(self) -> None:
        logits = self.step_model(self.ids, self.positions, cache=self.cache)  # [B, 1, V]
        self._choose(logits[:, 0])

    def _choose(self, logits: Tensor) -> None:
        """logits [B, V]: choose, then move on by one position."""
        greedy = not isinstance(self.settings["temperature"], Tensor)
        noise = None if greedy else self.noise.draw()
        chosen = next_tokens(logits, noise, seen_mask=self.seen, **self.settings)[:, None]  # [B, 1]
        if isinstance(self.settings["repetition_penalty"], Tensor):
            self.seen.scatter_(1, chosen, True)
        self.ids.copy_(chosen)
        self.positions.add_(1)
        self.history.scatter_(1, self.positions, chosen)

    def _run(self) -> Callable[[], None]:
        """The step as it is run for these settings, compiled and captured when it is first needed."""
        if self.kind == "eager":
            return self._step
        used = frozenset(name for name, value in self.settings.items() if isinstance(value, Tensor))
        if used not in self._runs:
            step = self._compiled_step()
            self._runs[used] = self._captured(step) if self.device.type == "cuda" else step
        return self._runs[used]

    def _compiled_step(self) -> Callable[[], None]:
        """The step through the compiler; of a fused one only the choice, its forward is kernels already."""
        options = COMPILE_OPTIONS.get(self.device.type, {})
        compiled = partial(torch.compile, dynamic=False, fullgraph=True, options=options)
        if isinstance(self.step_model, nn.Module):
            return compiled(self._step)
        forward, choose = self.step_model, compiled(self._choose)
        return lambda: choose(forward(self.ids, self.positions, cache=self.cache)[:, 0])

    def _captured(self, step: Callable[[], None]) -> Callable[[], None]:
        """Record one step as a CUDA graph. The warm-up steps are undone: nothing was chosen."""
        before = [tensor.clone() for tensor in self._moving()]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        for tensor, saved in zip(self._moving(), before, strict=True):
            tensor.copy_(saved)
        return graph.replay

    def _moving(self) -> tuple[Tensor, ...]:
        """What a step changes and the next one reads; keys and values are overwritten by the real step."""
        return self.ids, self.positions, self.history, self.seen, self.noise.steps, self.cache.positions
