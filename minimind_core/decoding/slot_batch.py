"""The engine's rows on the device: prompts read into slots in chunks, and one more token for many rows.

Each row is somebody's slot. A row that decodes is `active`; any other takes part in the step as well, since
a program has a fixed shape, and must do no harm. The last place of a row is nobody's, because a request's
last token is chosen but never read: that is where a row writes while its prompt is being read. A row without
a request writes into its own first place, or into the block that belongs to nobody.

A prompt's last token is read by the first decode step, so that there is one place that chooses tokens.
Knows no queue, no blocks and no end of text (`scheduler.py`, `engine.py`), and never waits for the device.

Shapes: B slots, R rows, T tokens of a chunk, M blocks of a row, S places of a row, V vocabulary ids.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from minimind_core.decoding.blocks import BlockTables
from minimind_core.decoding.choose import OFF, Chooser
from minimind_core.decoding.cpu_products import prompt_products
from minimind_core.decoding.cpu_step import CpuStep, read_prompts
from minimind_core.decoding.cuda_graph import CudaGraph
from minimind_core.decoding.engine_cache import ChosenRows, PagedCache
from minimind_core.decoding.host_copy import HostCopy
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.decoding.step import Step, StepKind
from minimind_core.decoding.step_model import make_step_model
from minimind_core.device import upload
from minimind_core.model.kv_cache import EMPTY, StaticCache
from minimind_core.model.minimind import MiniMind

CHUNK_ROWS = 32
"""Prompts that a GPU reads at once; a CPU reads them one by one, without padding."""
EAGER_PLACES = 64
"""A step on a CPU looks at a multiple of this many places."""
LEVELS: tuple[tuple[str, ...], ...] = ((), ("temperature",), tuple(OFF))
"""Sets of sampling settings that a program serves; a batch takes the first that serves all its requests."""
NO_TOKEN = -1
"""Stands for the token of a row whose logits held no candidate."""


class SlotBatch:
    """B slots of `max_length` tokens: static, or paged where there are `blocks`."""

    def __init__(
        self,
        model: MiniMind,
        num_slots: int,
        max_length: int,
        prefill_chunk: int,
        kind: StepKind,
        blocks: BlockTables | None = None,
    ) -> None:
        where = (model.device, model.dtype)
        cache = (
            StaticCache(model.config, num_slots, max_length, *where)
            if blocks is None
            else PagedCache(model.config, num_slots, max_length, blocks.num_blocks, blocks.block_size, *where)
        )
        self.model, self.device, self.kind = model, model.device, kind
        self.last_place = max_length - 1
        eager_on_cpu = kind == "eager" and self.device.type == "cpu"
        self.forward = make_step_model(model, num_slots) if eager_on_cpu else None
        self.step = Step(model, num_slots, max_length, kind, cache, self.forward)
        self.chooser = Chooser(num_slots, model.config.vocab_size, self.device)
        self.active = torch.zeros(num_slots, 1, dtype=torch.int64, device=self.device)
        self.tokens = torch.zeros(num_slots, dtype=torch.int64, device=self.device)
        self.buckets = _buckets(num_slots, kind)
        self.on_cuda = self.device.type == "cuda"
        self._levels = [0] * num_slots  # of each row's request, 0 without one
        self._chunk_shape = (CHUNK_ROWS, max(2, prefill_chunk))  # one token alone would be taken for a step
        self._programs: dict[tuple[int, int], Callable[[], object]] = {}
        self._read_program: Callable[[], object] | None = None

    @torch.inference_mode()
    def admit(self, rows: Sequence[int], found: Sequence[int]) -> None:
        """Let new requests have these rows; the first `found` tokens of each prompt are there already."""
        index, lengths = upload(rows, self.device), upload(found, self.device)[:, None]  # [R], [R, 1]
        places = torch.arange(self.step.cache.positions.shape[1], device=self.device)  # [S]
        self.step.cache.positions[index] = torch.where(places < lengths, places, EMPTY)
        self.step.positions.index_fill_(0, index, self.last_place)

    @torch.inference_mode()
    def set_tables(self, rows: Sequence[int], tables: Sequence[Sequence[int]]) -> None:
        """Point the rows of a paged cache at their blocks."""
        cache = self._paged
        width = cache.tables.shape[1]
        full = [[*table, *[cache.nobody] * (width - len(table))] for table in tables]
        cache.tables[upload(rows, self.device)] = upload(full, self.device)  # [R, M]

    @torch.inference_mode()
    def read(self, rows: Sequence[int], starts: Sequence[int], chunks: Sequence[Sequence[int]]) -> None:
        """Read a chunk of a prompt into each of these rows, from place `start` on."""
        if isinstance(self.forward, CpuStep):
            read_prompts(self.forward, self.step.cache, rows, starts, chunks)
            return
        size = self._chunk_shape[0] if self.on_cuda else 1
        for first in range(0, len(rows), size):
            part = slice(first, first + size)
            self._read(rows[part], starts[part], chunks[part])

    @torch.inference_mode()
    def start(
        self, rows: Sequence[int], prompts: Sequence[Sequence[int]], sampling: Sequence[SamplingParams]
    ) -> None:
        """Let rows decode from the next step on; all of each prompt but its last token is read."""
        index = upload(rows, self.device)
        self.step.ids[index] = upload([[prompt[-1]] for prompt in prompts], self.device)
        self.step.positions[index] = upload([[len(prompt) - 1] for prompt in prompts], self.device)
        self.active.index_fill_(0, index, 1)
        self.chooser.assign(rows, sampling, prompts)
        for row, params in zip(rows, sampling, strict=True):
            self._levels[row] = _level(params)

    @torch.inference_mode()
    def clean(self, held: Sequence[int]) -> None:
        """Make zero what is not finite in these rows, or in these blocks of a paged cache.

        Whoever has them next weighs the places that it does not see with zero, and zero times NaN is NaN.
        """
        cache, index = self.step.cache, upload(held, self.device)
        for memory in (*cache.keys, *cache.values):
            memory[index] = memory[index].nan_to_num(0.0, 0.0, 0.0)

    @torch.inference_mode()
    def release(self, rows: Sequence[int]) -> None:
        """Take rows out of the steps that follow."""
        index = upload(rows, self.device)
        self.active.index_fill_(0, index, 0)
        self.step.positions.index_fill_(0, index, 0)
        if isinstance(self.step.cache, PagedCache):
            self.step.cache.tables[index] = self.step.cache.nobody
        for row in rows:
            self._levels[row] = 0

    def decode(self, rows: Sequence[int], places: int) -> HostCopy:
        """One more token for these rows, all that are active; nobody needs more than `places` of a row.

        Returns the tokens int64 [B] of all rows; of a row that was not active, anything.
        """
        most, level = max(rows) + 1, max(self._levels)
        whole = isinstance(self.forward, CpuStep)
        if self.kind == "eager" and not whole:
            self._eager(most, level, places)()
            return HostCopy(self.tokens)
        # a whole step serves as many rows as there are, and looks at no place that is not taken
        bucket = most if whole else next(bucket for bucket in self.buckets if bucket >= most)
        if (bucket, level) not in self._programs:
            self._programs[bucket, level] = self._program(self.step.first(bucket), bucket, level)
        self._programs[bucket, level]()
        return HostCopy(self.tokens)

    @property
    def _paged(self) -> PagedCache:
        assert isinstance(self.step.cache, PagedCache), "only a paged cache has tables"
        return self.step.cache

    def _eager(self, rows: int, level: int, places: int) -> Callable[[], object]:
        step = self.step.first(rows)
        if not self.on_cuda:
            places = -(-places // EAGER_PLACES) * EAGER_PLACES
            step.cache = step.cache.first(min(places, self.last_place + 1))
        return self._program(step, rows, level)

    def _program(self, step: Step, rows: int, level: int) -> Callable[[], object]:
        """Step and choice for the first rows; recorded while no row is active, so that none moves on."""
        chooser = self.chooser.first(rows, LEVELS[level])
        choose = partial(_choose, chooser, step, self.active[:rows], self.tokens[:rows])
        if self.kind == "eager":
            return step.then(choose)
        with torch.inference_mode():
            active = self.active.clone()
            self.active.zero_()
            program = step.then(choose, chooser.state)
            self.active.copy_(active)
        return program

    def _read(self, rows: Sequence[int], starts: Sequence[int], chunks: Sequence[Sequence[int]]) -> None:
        if not self.on_cuda:
            (row,), (start,), (chunk,) = rows, starts, chunks
            slots = torch.arange(start, start + len(chunk), device=self.device)[None]  # [1, T]
            cache = ChosenRows(self.step.cache, upload([row], self.device), start + len(chunk))
            # nothing but the chunk is visible at the beginning of a prompt, which has a faster kernel
            with prompt_products(self.device):
                self.model.model(upload([chunk], self.device), slots if start else None, slots, cache=cache)
            return
        self._chunk_inputs(rows, starts, chunks)
        read_inputs = partial(_read_inputs, self.model, self.step.cache, self.last_place, *self._chunk)
        if self.kind == "eager":
            read_inputs()
            return
        if self._read_program is None:
            self._read_program = CudaGraph(read_inputs, (self.step.cache.positions,))
        self._read_program()

    def _chunk_inputs(
        self, rows: Sequence[int], starts: Sequence[int], chunks: Sequence[Sequence[int]]
    ) -> None:
        """Fill the fixed tensors that a GPU reads chunks from: rows [R], ids, positions, slots [R, T].

        What is left over is padding, which writes into a row's last place.
        """
        height, width = self._chunk_shape
        padding, last = [0] * width, [self.last_place] * width
        table = [
            [*chunk, *padding[len(chunk) :], *range(start, start + len(chunk)), *last[len(chunk) :]]
            for start, chunk in zip(starts, chunks, strict=True)
        ]
        table += [padding + last] * (height - len(rows))
        inputs = upload(table, self.device)  # [R, 2T]
        chosen = upload([*rows, *[rows[0]] * (height - len(rows))], self.device)
        if not hasattr(self, "_chunk"):
            self._chunk = (chosen, inputs)
        for tensor, value in zip(self._chunk, (chosen, inputs), strict=True):
            tensor.copy_(value)


def _read_inputs(model: MiniMind, cache: StaticCache, last_place: int, rows: Tensor, inputs: Tensor) -> None:
    """Read the chunks of `inputs`, ids and slots side by side [R, 2T], into the rows [R] of the cache."""
    ids, slots = inputs.chunk(2, dim=1)  # [R, T] each
    positions = torch.where(slots == last_place, EMPTY, slots)
    model.model(ids, positions, slots, cache=ChosenRows(cache, rows, last_place + 1))


def _choose(chooser: Chooser, step: Step, active: Tensor, tokens: Tensor, logits: Tensor) -> None:
    """Choose from logits [B, V]; active rows take the token as their next input, one position further."""
    chosen = chooser(logits)  # [B]
    usable = logits.amax(-1).isfinite()  # NaN and +inf win amax; -inf is left only where nothing else is
    tokens.copy_(torch.where(usable, chosen, NO_TOKEN))
    step.ids.copy_(torch.where(active > 0, chosen[:, None], step.ids))
    step.positions.add_(active)


def _level(params: SamplingParams) -> int:
    used = {name for name, off in OFF.items() if getattr(params, name) != off}
    if params.greedy and "repetition_penalty" not in used:
        return 0
    return next(level for level, names in enumerate(LEVELS) if used <= set(names))


def _buckets(num_slots: int, kind: StepKind) -> list[int]:
    """Numbers of rows that have a program: few where each has to be compiled."""
    ratio = 8 if kind == "compiled" else 2
    buckets = [num_slots]
    while buckets[-1] > 1:
        buckets.append(-(-buckets[-1] // ratio))
    return buckets[::-1]
