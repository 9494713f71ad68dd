"""The model behind every question: a small Llama-like decoder, trained, measured and run here.

Names are loaded when they are first used, so that importing the package, its configuration or its cost
accounting never loads torch. Knows nothing of labs, questions or pages.

`generate`, `evaluate` and `export_hf` are functions of the modules of the same name and are imported from
there (`from minimind_core.generate import generate`): in the package a module hides what shares its name.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "ModelConfig": "config",
    "RopeScaling": "config",
    "PRESETS": "config",
    "MiniMindError": "errors",
    "ConfigError": "errors",
    "CheckpointError": "errors",
    "TokenizerError": "errors",
    "DataError": "errors",
    "DeviceError": "errors",
    "MiniMind": "model",
    "StaticCache": "kv_cache",
    "ByteTokenizer": "tokenizer",
    "Tokenizer": "tokenizer",
    "load_tokenizer": "tokenizer",
    "LoadedModel": "checkpoint",
    "load_model": "checkpoint",
    "save_checkpoint": "checkpoint",
    "Generation": "generate",
    "Generator": "generate",
    "stream": "generate",
    "SamplingParams": "sampling_params",
    "filter_logits": "sampling",
    "Document": "data",
    "ReadReport": "data",
    "read_documents": "data",
    "PretrainDataset": "data",
    "PackedCorpus": "packing",
    "pack_documents": "packing",
    "PackedBatches": "batches",
    "PaddedBatches": "batches",
    "Trainer": "trainer",
    "StepRecord": "trainer",
    "TrainingConfig": "training_config",
    "LanguageScore": "evaluate",
    "forward_flops": "cost",
    "kv_cache_bytes": "cost",
    "num_parameters": "cost",
    "parameter_counts": "cost",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
