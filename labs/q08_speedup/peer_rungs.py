"""The same token by llama.cpp and ONNX Runtime, as rungs beside ours: on a CPU, where they are installed.

llama.cpp reads weights of 8 bits, as our int8 rungs do, and rounds what it multiplies as well. ONNX Runtime's
graph has no cache, so it reads the whole context, as the first rung does. Imports torch. Times nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import torch
from torch import Tensor

from labs.q08_speedup.aside import aside
from labs.q08_speedup.rungs import Rung, read_bytes
from minimind_core import native_peers
from minimind_core.files.checkpoint import LoadedModel
from minimind_core.model.cost import kv_cache_bytes

NAMES = {"llama_cpp": "llama.cpp", "onnx": "ONNX Runtime"}
"""What a rung is called here, and in `native_peers`."""


@contextmanager
def peer_rungs(
    loaded: LoadedModel, ids: Tensor, on_wait: Callable[[], object]
) -> Iterator[tuple[dict[str, Rung], dict[str, str]]]:
    """The rungs for contexts ids int64 [B, T], while it lasts, and for the others why not.

    `on_wait` is called while a peer is made, and may raise.
    """
    weight = loaded.model.head_weight
    if (weight.device.type, weight.dtype) != ("cpu", torch.float32):
        yield {}, dict.fromkeys(NAMES, "peers_on_cpu")
        return
    absent = native_peers.missing()
    missing = {name: f"no_{name}" for name, peer in NAMES.items() if peer in absent}
    makers = {"llama_cpp": _llama_cpp, "onnx": _onnx}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))

        def made(name: str) -> Rung:
            return aside(lambda: makers[name](loaded, ids, folder, stack), on_wait)

        yield {name: made(name) for name in makers if name not in missing}, missing


def _llama_cpp(loaded: LoadedModel, ids: Tensor, folder: Path, stack: ExitStack) -> Rung:
    """One token a call on top of a cache, from a file in Q8_0."""
    rows, length = ids.shape
    peer = stack.enter_context(closing(native_peers.LlamaCpp(loaded, "Q8_0", folder, rows, length)))
    if length > 1:
        peer.logits(ids[:, :-1].tolist(), 0)
    last = ids[:, -1:].tolist()

    def decode() -> Tensor:
        peer.forget(length - 1)
        return torch.from_numpy(peer.logits(last, length - 1))

    cache = kv_cache_bytes(loaded.config, rows, length, torch.float32.itemsize)
    return Rung(decode, peer.num_bytes + cache, None)


def _onnx(loaded: LoadedModel, ids: Tensor, folder: Path, _stack: ExitStack) -> Rung:
    """The whole context a call."""
    peer, context = native_peers.OnnxRuntime(loaded, folder / "hf", ids.shape[1]), ids.tolist()
    return Rung(lambda: torch.from_numpy(peer.logits(context)[:, -1]), read_bytes(loaded.model), None)
