"""The model behind every question: a small Llama-like decoder, trained, measured and run here.

Names are loaded when they are first used, so that importing the package, its configuration or its cost
accounting never loads torch. Knows nothing of labs, questions or pages.

The rooms: `model/` the forward pass, `decoding/` writing with it, `training/` teaching it, `files/` models on
disk, `commands/` the command line.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "ModelConfig": "model.config",
    "RopeScaling": "model.config",
    "PRESETS": "model.config",
    "MiniMindError": "errors",
    "ConfigError": "errors",
    "CheckpointError": "errors",
    "TokenizerError": "errors",
    "DataError": "errors",
    "DeviceError": "errors",
    "FileError": "errors",
    "NumericsError": "errors",
    "MiniMind": "model.minimind",
    "StaticCache": "model.kv_cache",
    "ByteTokenizer": "tokenizer",
    "Tokenizer": "tokenizer",
    "load_tokenizer": "tokenizer",
    "LoadedModel": "files.checkpoint",
    "load_model": "files.checkpoint",
    "save_checkpoint": "files.checkpoint",
    "Engine": "decoding.engine",
    "QueueFull": "decoding.engine",
    "TokenEvent": "decoding.engine",
    "Generation": "decoding.generate",
    "Generator": "decoding.generate",
    "stream": "decoding.stream",
    "SamplingParams": "decoding.sampling_params",
    "filter_logits": "decoding.sampling",
    "Document": "training.data",
    "ReadReport": "training.data",
    "read_documents": "training.data",
    "PretrainDataset": "training.data",
    "PackedCorpus": "training.packing",
    "pack_documents": "training.packing",
    "PackedBatches": "training.batches",
    "PaddedBatches": "training.batches",
    "Trainer": "training.trainer",
    "StepRecord": "training.trainer",
    "TrainingConfig": "training.training_config",
    "LanguageScore": "training.evaluate",
    "evaluate": "training.evaluate",
    "export_hf": "files.export_hf",
    "generate": "decoding.generate",
    "forward_flops": "model.cost",
    "kv_cache_bytes": "model.cost",
    "num_parameters": "model.cost",
    "parameter_counts": "model.cost",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
