"""New tokens of a batch on a CPU as a single call into C++ (`cpu_step.cpp`): fp32, read from int8.

`step_model.py` takes it where it can run: a processor with AVX-512 and VNNI, a compiler, and a model whose
weights int8 holds exactly, as shipped ones are. The products are of integers and as precise as fp32
(`int8_rows.h`), attention looks only at places that are taken, and a row's logits are the same bits
alone and in any batch. Prompts are read by it as well: a token of a prompt is one more row. It chooses no
tokens and trains nothing.

Shapes: B rows, V vocabulary ids, C hidden_size, K num_kv_heads, D head_dim, G = in / GROUP_SIZE groups.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Sequence
from ctypes import c_int64, c_void_p
from pathlib import Path
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from minimind_core.decoding import cpu_layout as layout
from minimind_core.decoding.native_library import is_built, load_library
from minimind_core.files.quantize import GROUP_SIZE
from minimind_core.model.kv_cache import StaticCache
from minimind_core.model.minimind import Layer, MiniMind

SOURCE = Path(__file__).with_name("cpu_step.cpp")
HEADERS = [SOURCE.with_name(name) for name in ("int8_rows.h", "int8_pack.h")]
NEEDED = ("avx512_f", "avx512_bw", "avx512_vl", "avx512_dq", "avx512_vnni", "fma3")
"""What the processor must know, by torch's names."""
FLAGS = [f"-m{name.replace('_', '').replace('fma3', 'fma')}" for name in NEEDED]
TILE = 32
"""Outputs that are multiplied at once."""
LANES = 16
"""Numbers of a vector."""
MOST_READ = 256
"""Tokens of prompts that are read by one call: enough for its products, and its memory stays small."""
WORTH_SHARING = 2**22
"""Products in a step for which threads are woken; for fewer they would cost more than they do."""


class CpuStep:
    """Logits of the next tokens, as `MiniMind.forward` gives them for one new token a row.

    Keeps a copy of the weights as int8: a quarter of their bytes in fp32.
    """

    def __init__(self, model: MiniMind) -> None:
        """Raises ValueError for weights that int8 does not hold exactly."""
        decoder = model.model
        assert serves(model) and decoder.rotary is not None
        self.config = model.config
        self._kept: list[Tensor] = []  # whatever the structures point at
        self._products = 0  # of a row
        self._embedding = decoder.embed_tokens.weight.shape
        layers = (layout.Layer * model.config.num_layers)(*(self._layer(layer) for layer in decoder.layers))
        self._model = layout.Model(
            num_layers=len(layers),
            vocab=model.config.vocab_size,
            hidden=model.config.hidden_size,
            intermediate=model.config.intermediate_size,
            num_heads=model.config.num_heads,
            num_kv_heads=model.config.num_kv_heads,
            head_dim=model.config.head_dim,
            embedding=self._address(decoder.embed_tokens.weight),
            final_norm=self._address(decoder.norm.weight),
            inv_freq=self._address(decoder.rotary.inv_freq),
            layers=layers,
            head=self._matrix(model.head_weight),
            eps=model.config.rms_norm_eps,
            attention_factor=decoder.rotary.attention_factor,
        )

    def __call__(self, ids: Tensor, positions: Tensor, *, cache: StaticCache) -> Tensor:
        """ids and positions int64 [B, 1]: the tokens, and their positions and slots; logits [B, 1, V].

        Raises IndexError for an id or a position that is out of range.
        """
        logits = torch.empty(len(ids), 1, self.config.vocab_size)
        self._run(ids[:, 0], positions[:, 0], torch.arange(len(ids)), cache, logits)
        return logits

    def read(self, ids: Tensor, positions: Tensor, owners: Tensor, *, cache: StaticCache) -> None:
        """Read tokens int64 [N] at positions [N] into rows [N] of the cache: of any prompts, in their order.

        A token sees what its owner has read, and what it reads here at earlier positions. Raises IndexError
        as a step does.
        """
        for start in range(0, len(ids), MOST_READ):
            part = slice(start, start + MOST_READ)
            self._run(ids[part], positions[part], owners[part], cache)

    @property
    def num_bytes(self) -> int:
        """Of all weights that a step reads; of the embedding that is a row, which is nothing."""
        return sum(kept.nbytes for kept in self._kept if kept.shape != self._embedding)

    def _run(
        self, ids: Tensor, positions: Tensor, owners: Tensor, cache: StaticCache, logits: Tensor | None = None
    ) -> None:
        rows, (ids, positions, owners) = len(ids), [t.contiguous() for t in (ids, positions, owners)]
        addresses = [None if t is None else t.data_ptr() for t in (ids, positions, owners, logits)]
        batch, step = layout.Batch(rows, *addresses), _library().minimind_step
        structures = map(ctypes.byref, (self._model, layout.addresses(cache), batch))
        threads = torch.get_num_threads() if rows * self._products > WORTH_SHARING else 1
        if not step(*structures, c_int64(threads)):
            raise IndexError("a token or a position is out of range")

    def _layer(self, layer: Layer) -> layout.Layer:
        attention, mlp = layer.self_attn, layer.mlp
        return layout.Layer(
            attention_norm=self._address(layer.input_layernorm.weight),
            feed_forward_norm=self._address(layer.post_attention_layernorm.weight),
            query_norm=self._norm(attention.q_norm),
            key_norm=self._norm(attention.k_norm),
            qkv=self._matrix(attention.q_proj.weight, attention.k_proj.weight, attention.v_proj.weight),
            output=self._matrix(attention.o_proj.weight),
            gate_up=self._matrix(mlp.gate_proj.weight, mlp.up_proj.weight),
            down=self._matrix(mlp.down_proj.weight),
        )

    def _norm(self, norm: nn.Module) -> int | None:
        return None if isinstance(norm, nn.Identity) else self._address(norm.weight)

    def _matrix(self, *parts: Tensor) -> layout.Matrix:
        """Matrices of one input, one below the other, as tiles of 32 outputs."""
        kept = [part.detach().contiguous() for part in parts]
        outputs, inputs = sum(map(len, kept)), kept[0].shape[1]
        self._products += outputs * inputs
        tiles = (outputs // TILE, inputs // GROUP_SIZE)
        weights = self._address(torch.empty(*tiles, GROUP_SIZE // 4, TILE, 4, dtype=torch.uint8))
        scales = self._address(torch.empty(*tiles, TILE))
        source, threads = layout.parts(kept), c_int64(torch.get_num_threads())
        if not _library().minimind_pack(ctypes.byref(source), threads, c_void_p(weights), c_void_p(scales)):
            raise ValueError("int8 does not hold these weights exactly")
        return layout.Matrix(weights, scales, outputs, inputs)

    def _address(self, tensor: Tensor) -> int:
        self._kept.append(tensor.detach().contiguous())
        return self._kept[-1].data_ptr()


def read_prompts(
    step: CpuStep,
    cache: StaticCache,
    rows: Sequence[int],
    starts: Sequence[int],
    chunks: Sequence[Sequence[int]],
) -> None:
    """Read a chunk of a prompt into each of these rows of the cache, from its start on."""
    tokens = [
        (token, start + index, row)
        for row, start, chunk in zip(rows, starts, chunks, strict=True)
        for index, token in enumerate(chunk)
    ]
    step.read(*torch.tensor(tokens, dtype=torch.int64).view(-1, 3).unbind(1), cache=cache)


_steps: WeakKeyDictionary[MiniMind, tuple[object, CpuStep | None]] = WeakKeyDictionary()
"""The step of each model while it lives, with the state of the weights that it was packed from."""


def make_cpu_step(model: MiniMind, *, wait: bool = True) -> CpuStep | None:
    """The step of this model, where the machine, its shape and its weights allow one.

    It is packed once and kept as long as the model, until its weights change; what is written to them
    through `.data` is not noticed. Without `wait` there is none as long as it still has to be compiled,
    which then begins. `MINIMIND_CPU_STEP=off` leaves everything to torch.
    """
    if os.environ.get("MINIMIND_CPU_STEP") == "off" or not serves(model):
        return None
    if not (is_available() if wait else is_ready()):
        return None
    state, kept = _state(model), _steps.get(model)
    if kept is None or kept[0] != state:
        _steps[model] = kept = state, _packed(model)
    return kept[1]


def _packed(model: MiniMind) -> CpuStep | None:
    try:
        return CpuStep(model)
    except ValueError:
        return None


def _state(model: MiniMind) -> object:
    """Equal as long as nothing that a step is packed from was changed; never where torch cannot tell."""
    rotary = model.model.rotary
    tensors = [*model.parameters(), *model.buffers()]
    if rotary is None or any(tensor.is_inference() for tensor in tensors):
        return object()
    return rotary.attention_factor, [(tensor.data_ptr(), tensor._version) for tensor in tensors]


def serves(model: MiniMind) -> bool:
    """Whether the kernel knows the model: RoPE, no experts, fp32 on a CPU, sizes that divide."""
    config, weight = model.config, model.head_weight
    groups = (config.hidden_size, config.intermediate_size, config.num_heads * config.head_dim)
    plain = config.position == "rope" and not config.num_experts and model.model.attention_kind == "sdpa"
    return (
        plain
        and (weight.device.type, weight.dtype) == ("cpu", torch.float32)
        and all(size % GROUP_SIZE == 0 for size in groups)
        and config.head_dim % LANES == config.vocab_size % TILE == 0
    )


@functools.cache
def is_available() -> bool:
    """Whether this machine can run it; compiled on a machine's first call, which takes some seconds."""
    if not _has_instructions():
        return False
    try:
        _library()
    except OSError:
        return False
    return True


def is_ready() -> bool:
    """Whether this machine can run it now; where it has to be compiled first, that begins beside."""
    if not _has_instructions():
        return False
    try:
        return is_built(SOURCE, HEADERS, FLAGS) and is_available()
    except OSError:
        return False


def _has_instructions() -> bool:
    known: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return all(known.get(name) for name in NEEDED)


@functools.cache
def _library() -> ctypes.CDLL:
    library = load_library(SOURCE, HEADERS, FLAGS)
    library.minimind_step.restype = library.minimind_pack.restype = ctypes.c_bool
    return library
