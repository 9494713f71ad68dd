"""The same weights in llama.cpp and ONNX Runtime, which our speed on a CPU is compared with.

Both are optional: `missing` says how to install what is not there. llama.cpp keeps its cache in fp32 here, as
we do, so that tokens can be compared. Times nothing (`native_benchmark.py`).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from minimind_core.files.checkpoint import LoadedModel
from minimind_core.files.export_gguf import GgufDtype, export_gguf
from minimind_core.files.export_hf import export_hf
from minimind_core.native_packages import PACKAGES

CELLS = 256
"""llama.cpp gives each sequence a multiple of so many places."""
FP32 = 0
"""A type of llama.cpp's cache (ggml_type)."""


def missing() -> dict[str, str]:
    """For each peer that is not installed, the line that installs what it needs."""
    absent = {
        peer: [wanted for module, wanted in needed.items() if importlib.util.find_spec(module) is None]
        for peer, needed in PACKAGES.items()
    }
    return {peer: f"pip install {' '.join(wanted)}" for peer, wanted in absent.items() if wanted}


class LlamaCpp:
    """llama.cpp with `rows` sequences of at most `capacity` tokens each; its file is put into `folder`."""

    def __init__(
        self, loaded: LoadedModel, dtype: GgufDtype, folder: Path, rows: int = 1, capacity: int = 512
    ) -> None:
        import llama_cpp
        from llama_cpp._logger import set_verbose

        set_verbose(False)
        path = folder / f"{dtype}.gguf"
        if not path.exists():
            export_gguf(loaded, path, dtype)
        self.api, self.vocab_size = llama_cpp, loaded.config.vocab_size
        self.model = llama_cpp.llama_model_load_from_file(
            str(path).encode(), llama_cpp.llama_model_default_params()
        )
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx, settings.n_seq_max = rows * -(-capacity // CELLS) * CELLS, rows
        settings.n_batch = settings.n_ubatch = rows * capacity
        settings.n_threads = settings.n_threads_batch = torch.get_num_threads()
        settings.type_k = settings.type_v = FP32
        self.context = llama_cpp.llama_init_from_model(self.model, settings)
        self.batch = llama_cpp.llama_batch_init(rows * capacity, 0, 1)

    def generate(self, prompts: Sequence[Sequence[int]], count: int) -> list[list[int]]:
        """The `count` likeliest tokens after each prompt (ids, one length)."""
        self.forget(0)
        start, rows = len(prompts[0]), len(prompts)
        chosen = self.logits(prompts, 0).argmax(-1)  # [B]
        written = [chosen]
        for position in range(start, start + count - 1):
            chosen = self.logits(chosen.reshape(rows, 1).tolist(), position).argmax(-1)
            written.append(chosen)
        return np.stack(written, 1).tolist()

    def logits(self, ids: Sequence[Sequence[int]], position: int) -> np.ndarray:
        """Read ids [B, T] from that position on; the logits after the last of each, [B, V]."""
        batch, length = self.batch, len(ids[0])
        for row, tokens in enumerate(ids):
            for place, token in enumerate(tokens):
                index = row * length + place
                batch.token[index], batch.pos[index] = token, position + place
                batch.n_seq_id[index], batch.seq_id[index][0] = 1, row
                batch.logits[index] = place == length - 1
        batch.n_tokens = len(ids) * length
        code = self.api.llama_decode(self.context, batch)
        assert code == 0, f"llama_decode returned {code}"
        last = [row * length + length - 1 for row in range(len(ids))]
        return np.stack([self._row(index) for index in last])

    def forget(self, position: int) -> None:
        """Drop what was read from that position on, in every row."""
        memory = self.api.llama_get_memory(self.context)
        self.api.llama_memory_seq_rm(memory, -1, position, -1)

    @property
    def num_bytes(self) -> int:
        """Of all weights in the file."""
        return int(self.api.llama_model_size(self.model))

    def close(self) -> None:
        """Give back what Python does not free."""
        self.api.llama_batch_free(self.batch)
        self.api.llama_free(self.context)
        self.api.llama_model_free(self.model)

    def _row(self, index: int) -> np.ndarray:
        pointer = self.api.llama_get_logits_ith(self.context, index)
        return np.ctypeslib.as_array(pointer, (self.vocab_size,)).copy()


class OnnxRuntime:
    """ONNX Runtime on a graph that reads `length` tokens at once: without a cache, it only reads prompts."""

    def __init__(self, loaded: LoadedModel, folder: Path, length: int) -> None:
        from minimind_core.files.onnx_llama import session

        if not (folder / "config.json").exists():
            export_hf(loaded, folder)
        self.session: Any = session(folder, length, torch.get_num_threads())

    def logits(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        """ids [B, T] -> logits at every place, [B, T, V]."""
        return self.session.run(None, {"ids": np.array(ids, np.int64)})[0]
