"""One decode step of a batch over a static cache: a token a row in, logits out.

Everything that a step reads and writes has a fixed address, so the same step can be launched operation by
operation, compiled, or replayed as a CUDA graph. It chooses no tokens (`choose.py`) and does not know when
to stop (`decode.py`, `generate.py`).

Shapes: B rows, T tokens of the longest prompt, V vocabulary ids, C hidden_size.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from minimind_core.decoding.cpu_step import CpuStep, read_prompts
from minimind_core.decoding.cuda_graph import CudaGraph
from minimind_core.decoding.prefill import CHUNK_TOKENS, read_in_chunks
from minimind_core.decoding.step_model import make_step_model
from minimind_core.model.config import ModelConfig
from minimind_core.model.kv_cache import EMPTY, StaticCache
from minimind_core.model.minimind import MiniMind
from minimind_core.progress import OnProgress, unheard

StepKind = Literal["eager", "graph", "compiled"]
"""How a step is run: operation by operation; the same as a CUDA graph; or in the layout of `step_model.py`
through the compiler, and as a CUDA graph too. Where there is no CUDA, a graph is left out."""
Way = Literal["one_call", "graph", "compiled", "eager"]
"""What a step came to on this machine: one call into the kernel for CPUs, or a kind that could be had."""
Result = TypeVar("Result")
Forward = Callable[..., Tensor]

COMPILE_OPTIONS = {"cuda": {"coordinate_descent_tuning": True}, "cpu": {}}
"""With coordinate descent, inductor turns one-row products into fused reductions: fewer kernels a token."""

MAX_PROGRAMS = 64
"""Compiled programs of a process: batch sizes times sets of sampling settings in use."""


class Step:
    """B rows being decoded: their cache, their newest tokens, and the forward pass in one of three forms.

    >>> from minimind_core.model.config import PRESETS
    >>> step = Step(MiniMind(PRESETS["toy"]), batch_size=2, capacity=8)
    >>> step.prefill([[1, 5, 7], [1]]).shape
    torch.Size([2, 1024])
    >>> step(torch.tensor([[9], [4]]), torch.tensor([[3], [1]])).shape
    torch.Size([2, 1024])
    """

    def __init__(
        self,
        model: MiniMind,
        batch_size: int,
        capacity: int,
        kind: StepKind = "eager",
        cache: StaticCache | None = None,
        forward: Forward | None = None,
    ) -> None:
        """`forward` reads the new tokens in the place of `model`, which then reads prompts only."""
        self.model, self.device, self.kind = model, model.device, kind
        self.cache = cache or StaticCache(model.config, batch_size, capacity, self.device, model.dtype)
        self.ids = torch.zeros(batch_size, 1, dtype=torch.int64, device=self.device)
        self.positions = torch.zeros_like(self.ids)
        if runs_eagerly(model.config, self.device):
            self.kind = "eager"
        if forward is None:
            forward = make_step_model(model, batch_size) if self.kind == "compiled" else model
        self._forward = forward

    @property
    def way(self) -> Way:
        """How this step is run, whatever was asked for."""
        if isinstance(self._forward, CpuStep):
            return "one_call"
        return "eager" if self.kind == "graph" and self.device.type != "cuda" else self.kind

    def reset(self, rows: Sequence[int] | None = None) -> None:
        """Forget what all rows, or only these, have read."""
        self.cache.reset(rows)

    def first(self, rows: int) -> Step:
        """The first rows as a step of their own, which shares this one's memory and weights."""
        first = copy.copy(self)
        first.__dict__.pop("_program", None)
        first.cache = self.cache.part(0, rows)
        first.ids, first.positions = self.ids[:rows], self.positions[:rows]
        return first

    @torch.inference_mode()
    def prefill(
        self, prompts: Sequence[Sequence[int]], first_row: int = 0, on_progress: OnProgress = unheard
    ) -> Tensor:
        """Read prompts (ids, at least one each, any lengths) into the rows from `first_row` on.

        Those rows forget what they held; the others stay as they are. Long prompts are read in chunks, and
        before each `on_progress` is given the tokens read and those of the longest prompt; what it raises
        ends the reading. Returns the logits after each prompt's last token, [number of prompts, V], and
        leaves that token's position in `positions`.
        """
        last_row = first_row + len(prompts)
        ids, lengths = padded(prompts, self.device), [len(prompt) for prompt in prompts]
        last = torch.tensor(lengths, device=self.device)[:, None] - 1  # [B, 1]
        cache = self.cache if len(prompts) == len(self.ids) else self.cache.part(first_row, last_row)
        cache.reset()
        if isinstance(self._forward, CpuStep):
            self.positions[first_row:last_row] = last
            return self._read_by_step(self._forward, prompts, cache, on_progress)
        final = last.new_empty(0)
        for start, hidden in read_in_chunks(self.model, ids.clamp(min=0), lengths, cache, on_progress):
            index = (last - start)[..., None].expand(-1, -1, hidden.shape[-1])  # [B, 1, C]
            inside = (index >= 0) & (index < hidden.shape[1])
            here = hidden.gather(1, index.clamp(0, hidden.shape[1] - 1))  # [B, 1, C]
            final = here if start == 0 else torch.where(inside, here, final)
        self.positions[first_row:last_row] = last
        return self.model.head(final)[:, 0]

    def _read_by_step(
        self, step: CpuStep, prompts: Sequence[Sequence[int]], cache: StaticCache, on_progress: OnProgress
    ) -> Tensor:
        """Read all but the last tokens, without padding; then these, whose logits [B, V] it returns."""
        rows, longest = range(len(prompts)), max(map(len, prompts))
        size = max(1, CHUNK_TOKENS["cpu"] // len(prompts))
        for start in range(0, max(longest - 1, 1), size):
            on_progress(start, longest)
            chunks = [prompt[start : min(start + size, len(prompt) - 1)] for prompt in prompts]
            read_prompts(step, cache, rows, [start] * len(prompts), chunks)
        ids, last = ([[value] for value in values] for values in zip(*map(_last, prompts), strict=True))
        return step(torch.tensor(ids), torch.tensor(last), cache=cache)[:, 0]

    @torch.inference_mode()
    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        """Read tokens `ids` int64 [B, 1] at `positions` int64 [B, 1]; returns the logits after them, [B, V].

        As a graph it returns the same tensor every time: copy what must outlive the next step.
        """
        self.ids.copy_(ids)
        self.positions.copy_(positions)
        return self._logits() if self.kind == "eager" else self._program()

    @cached_property
    def _program(self) -> Callable[[], Tensor]:
        return self.then(lambda logits: logits)

    def then(self, use: Callable[[Tensor], Result], state: Sequence[Tensor] = ()) -> Callable[[], Result]:
        """This step on its own `ids` and `positions`, and `use(logits [B, V])` after it, as one program.

        Both are compiled and captured together, so `use` must not wait for the device. `state` are the
        tensors that `use` changes and reads again at the next step. The program keeps the step.
        """

        # nothing here refers to this object, so a program that is stored in it makes no reference cycle
        logits = partial(_logits, self._forward, self.ids, self.positions, self.cache)
        program = self._compiled(logits, use) if self.kind == "compiled" else partial(_used, logits, use)
        run = torch.inference_mode()(program)
        if self.kind == "eager" or self.device.type != "cuda":
            return run
        return CudaGraph(run, (self.ids, self.positions, self.cache.positions, *state))

    def _logits(self) -> Tensor:
        return _logits(self._forward, self.ids, self.positions, self.cache)

    def _compiled(
        self, logits: Callable[[], Tensor], use: Callable[[Tensor], Result]
    ) -> Callable[[], Result]:
        """`use(logits())` compiled; of a fused step only `use`: its forward is kernels already.

        On a CPU nothing is left of that which would repay a compiler's guards.
        """
        if isinstance(self._forward, CpuStep):
            return partial(_used, logits, use)
        # one piece of code here makes every program, and the compiler counts them by their code
        torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, MAX_PROGRAMS)
        options = COMPILE_OPTIONS.get(self.device.type, {})
        compiled = partial(torch.compile, dynamic=False, fullgraph=True, options=options)
        if isinstance(self._forward, nn.Module):
            return compiled(lambda: use(logits()))
        return partial(_used, logits, compiled(use))


def _logits(forward: Forward, ids: Tensor, positions: Tensor, cache: StaticCache) -> Tensor:
    return forward(ids, positions, cache=cache)[:, 0]  # [B, 1, V] -> [B, V]


def _used(logits: Callable[[], Tensor], use: Callable[[Tensor], Result]) -> Result:
    return use(logits())


def _last(prompt: Sequence[int]) -> tuple[int, int]:
    """The last token and its position."""
    return prompt[-1], len(prompt) - 1


def runs_eagerly(config: ModelConfig, device: torch.device) -> bool:
    """Whether a step is run operation by operation, whatever was asked for: a mixture of experts on a CPU.

    Each expert then reads its own tokens only; a program made beforehand reads every expert for each token.
    """
    return config.num_experts > 0 and device.type == "cpu"


def padded(rows: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """Rows of ids as one int64 tensor [B, T], short ones with -1 on their right."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[EMPTY] * (longest - len(row))] for row in rows], device=device)
