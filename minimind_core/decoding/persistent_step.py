"""Greedy tokens of one request by one kernel that stays on the GPU for several steps: Hopper only.

Forty kernels a token are bound by their launches and by the way of every number through memory and back.
Here all of a step is one kernel, `persistent/decode.cu`, compiled at run time by the NVRTC that torch ships.
This module says where it can run, packs the weights as its blocks read them, compiles and launches it. It
samples nothing and does not know when to stop: `decode.py` uses it in place of the step and the choice where
the request is greedy.

Its blocks wait for each other, so all of them must be on the GPU at once: nothing else may hold a
multiprocessor for good, and two such kernels never run at the same time (one stream a process keeps that).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from minimind_core.model.config import ModelConfig
from minimind_core.model.kv_cache import StaticCache
from minimind_core.model.minimind import Layer, MiniMind

FOLDER = Path(__file__).with_name("persistent")
MACHINE = FOLDER / "hopper.cuh"
SOURCES = ("layout.cuh", "exchange.cuh", "products.cuh", "attention.cuh", "stream.cuh", "decode.cu")
"""What is compiled below it, in this order."""
HOPPER = 9
"""Major compute capability."""
WARPS = 16
SPLITS = 4
"""Blocks that share the cache of one head; where there are fewer blocks, fewer."""
COPIES = 4
"""Of what the blocks exchange, each read by so many blocks fewer."""
SLOTS = 2
"""Least units of the weights (a layer, or the head) in shared memory: one in use, the next on its way."""
MARGIN = 1024
"""Bytes of shared memory for what is small or aligned."""
LONGEST_PROMPT = 32
"""Tokens that the kernel reads sooner, one by one, than Python launches the kernels of the plain model."""
HEAD_DIMS = (16, 32, 64, 128)
"""Eight dimensions a thread, in teams that divide a warp."""

_log = logging.getLogger(__name__)

Launch = Callable[[Sequence[Tensor | int]], None]
"""Runs the kernel with its arguments."""


@dataclass(frozen=True)
class Plan:
    """How one model is laid over one GPU."""

    config: ModelConfig
    dtype: torch.dtype
    blocks: int
    """A divisor of everything that is dealt out to them."""
    splits: int
    slots: int
    shared_bytes: int

    @property
    def exchange_bytes(self) -> int:
        """Of what the blocks give each other, all copies."""
        config = self.config
        queries, heads = config.num_heads * config.head_dim, config.num_heads + 2 * config.num_kv_heads
        numbers = heads * config.head_dim + 2 * config.hidden_size + config.intermediate_size
        numbers += self.splits * (queries + config.num_heads)
        return COPIES * -(-(8 * self.blocks + 4 * numbers + 16) // 16) * 16

    def source(self, rotary_factor: float, machine: Path = MACHINE) -> str:
        """The kernel's text for this plan, on top of what `machine` says of the instructions."""
        config = self.config
        constants = {
            "HIDDEN": config.hidden_size,
            "LAYERS": config.num_layers,
            "HEADS": config.num_heads,
            "KV_HEADS": config.num_kv_heads,
            "HEAD_DIM": config.head_dim,
            "INTERMEDIATE": config.intermediate_size,
            "VOCAB": config.vocab_size,
            "EPS": f"{config.rms_norm_eps!r}f",
            "ROPE_FACTOR": f"{float(rotary_factor)!r}f",
            "ELEMENT_BYTES": self.dtype.itemsize,
            "BLOCKS": self.blocks,
            "WARPS": WARPS,
            "SPLITS": self.splits,
            "SLOTS": self.slots,
            "COPIES": COPIES,
            "SHARED_BYTES": self.shared_bytes,
        }
        defined = [f"#define {name} {value}\n" for name, value in constants.items()]
        files = [machine, *(FOLDER / name for name in SOURCES)]
        return "".join(defined + [file.read_text("utf-8") for file in files])


def make_plan(
    config: ModelConfig, dtype: torch.dtype, multiprocessors: int, shared_bytes: int, splits: int = SPLITS
) -> Plan | str:
    """How the kernel would run on a GPU with so many multiprocessors of so much shared memory.

    Where it cannot, the reason, as the end of a sentence.
    """
    if config.position != "rope" or config.qk_norm or config.num_experts:
        return "it knows rotated positions, no norm of queries and keys, and no experts"
    if dtype not in (torch.bfloat16, torch.float32):
        return f"it reads bf16 and fp32, not {dtype}"
    widths = (config.hidden_size, config.intermediate_size, config.num_heads * config.head_dim)
    if config.head_dim not in HEAD_DIMS or any(width % 8 for width in widths):
        return "a head or a width of the model is not made of groups of eight numbers that fill a warp evenly"
    pairs = (config.num_heads + 2 * config.num_kv_heads) * config.head_dim // 2
    common = math.gcd(pairs, config.hidden_size, config.intermediate_size, config.vocab_size)
    blocks = max(count for count in range(1, multiprocessors + 1) if common % count == 0)
    if blocks < config.num_heads:
        return f"the model's sizes can be dealt out evenly to {blocks} multiprocessors only"
    unit = max(_layer_elements(config, blocks), _head_elements(config, blocks)) * dtype.itemsize
    other = 4 * (
        2 * config.hidden_size + config.intermediate_size + widths[2] + 2 * (pairs // blocks + blocks)
    )
    other += 4 * (3 * config.head_dim + WARPS * (config.head_dim + 4)) + MARGIN
    slots = min((shared_bytes - other) // unit, 4)
    if slots < SLOTS:
        return (
            f"a layer takes {unit} bytes of each multiprocessor's shared memory, too many to fetch one ahead"
        )
    return Plan(config, dtype, blocks, min(splits, blocks // config.num_heads), slots, slots * unit + other)


def _layer_elements(config: ModelConfig, blocks: int) -> int:
    """Of one layer's weights for one block; both norms are there whole."""
    hidden, queries = config.hidden_size, config.num_heads * config.head_dim
    rows = queries + 2 * config.num_kv_heads * config.head_dim + 3 * config.intermediate_size
    return 2 * hidden + (rows * hidden + hidden * queries) // blocks


def _head_elements(config: ModelConfig, blocks: int) -> int:
    return config.hidden_size * (1 + config.vocab_size // blocks)


def plan_for(model: MiniMind) -> Plan | str:
    """`make_plan` for the GPU that the model is on, or the reason why not."""
    weight = model.head_weight
    if weight.device.type != "cuda" or torch.cuda.get_device_capability(weight.device)[0] != HOPPER:
        return "it is written for Hopper GPUs"
    if model.model.attention_kind != "sdpa":
        return "attention was asked to be written out"
    gpu = torch.cuda.get_device_properties(weight.device)
    return make_plan(model.config, weight.dtype, gpu.multi_processor_count, gpu.shared_memory_per_block_optin)


def compiled(plan: Plan, rotary_factor: float, device: torch.device) -> Launch:
    """The kernel for this plan, compiled now, which takes some seconds.

    Raises RuntimeError or OSError where NVRTC is not there or does not like the text.
    """
    with torch.cuda.device(device):
        kernel = torch.cuda._compile_kernel(plan.source(rotary_factor), "decode")
        kernel.set_shared_memory_config(plan.shared_bytes)

    def launch(arguments: Sequence[Tensor | int]) -> None:
        with torch.cuda.device(device):
            kernel((plan.blocks, 1, 1), (32 * WARPS, 1, 1), list(arguments), plan.shared_bytes)

    return launch


def make_persistent_step(model: MiniMind, cache: StaticCache) -> PersistentStep | None:
    """The kernel for one request over `cache`; None, with a line in the log why, where it cannot run."""
    plan = plan_for(model) if cache.positions.shape[0] == 1 else "it serves one request"
    if isinstance(plan, Plan):
        try:
            rotary = model.model.rotary
            assert rotary is not None, "checked by the plan: positions are rotated"
            return PersistentStep(model, cache, plan, compiled(plan, rotary.attention_factor, model.device))
        except (AttributeError, OSError, RuntimeError) as error:  # no NVRTC, or another torch's
            plan = f"it could not be compiled here ({error})"
    _log.warning("The persistent kernel does not run: %s. Decoding takes the compiled step instead.", plan)
    return None


class PersistentStep:
    """A model being decoded by the kernel: its weights as the blocks read them, and their exchange."""

    def __init__(self, model: MiniMind, cache: StaticCache, plan: Plan, launch: Launch) -> None:
        decoder, weight = model.model, model.head_weight
        assert decoder.rotary is not None, "checked before: positions are rotated"
        self.config, self.cache, self.launch = model.config, cache, launch
        self.weights = packed(model, plan.blocks)
        self.embedding, self.inv_freq = decoder.embed_tokens.weight.detach(), decoder.rotary.inv_freq
        self.logits = torch.zeros(self.config.vocab_size, device=weight.device)
        """Of the newest step, fp32."""
        self._addresses = torch.tensor(
            [tensor.data_ptr() for tensor in (*cache.keys, *cache.values)], device=weight.device
        )
        self._exchange = torch.zeros(plan.exchange_bytes, dtype=torch.uint8, device=weight.device)
        self._steps = 0

    def read(self, prompt: Sequence[int], ids: Tensor, positions: Tensor, history: Tensor) -> Tensor:
        """Read a prompt into the cache, which is empty; returns the logits after it, [1, V] in fp32.

        Takes the time of a step for each token. Leaves the last token's position in `positions`; the other
        tensors are those of `advance`.
        """
        known = torch.tensor(prompt, device=ids.device)
        history[0, : len(known)] = known
        ids.copy_(known[:1])
        positions.zero_()
        self._run(len(known), len(known), ids, positions, history)
        positions.sub_(1)
        return self.logits[None]

    def advance(self, steps: int, ids: Tensor, positions: Tensor, history: Tensor) -> None:
        """Choose `steps` more tokens without waiting for the device.

        ids, positions int64 [1, 1]: the newest token and its position, which is not in the cache yet; both
        are moved on. history int64 [1, capacity + 1] gets the new tokens, by position.
        """
        self._run(0, steps, ids, positions, history)

    def _run(self, known: int, steps: int, ids: Tensor, positions: Tensor, history: Tensor) -> None:
        cache, addresses, exchange = self.cache, self._addresses, self._exchange
        tensors = [self.weights, self.embedding, self.inv_freq, addresses, cache.positions]
        tensors += [ids, positions, history, self.logits, exchange]
        self.launch([*tensors, cache.capacity, known, steps, self._steps])
        self._steps += steps


def packed(model: MiniMind, blocks: int) -> Tensor:
    """All weights as [blocks, what one block reads], in the order of use; see `persistent/layout.cuh`."""
    parts = [part for layer in model.model.layers for part in _layer_parts(layer, blocks)]
    parts += [model.model.norm.weight.expand(blocks, -1), model.head_weight]
    return torch.cat([part.detach().reshape(blocks, -1) for part in parts], dim=1)


def _layer_parts(layer: Layer, blocks: int) -> list[Tensor]:
    """A layer's weights, rows that are used together side by side: the two of a rotated pair, gate and up."""
    attention, mlp = layer.self_attn, layer.mlp
    heads = torch.cat([attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight])
    pairs = heads.unflatten(0, (-1, 2, attention.head_dim // 2)).transpose(1, 2)  # [heads, D / 2, 2, C]
    return [
        layer.input_layernorm.weight.expand(blocks, -1),
        pairs,
        attention.o_proj.weight,
        layer.post_attention_layernorm.weight.expand(blocks, -1),
        torch.stack((mlp.gate_proj.weight, mlp.up_proj.weight), dim=1),
        mlp.down_proj.weight,
    ]
