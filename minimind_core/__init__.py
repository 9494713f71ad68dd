"""The model behind every question: a small Llama-like decoder, trained, measured and run here.

Names are loaded when they are first used, so that importing the package, its configuration or its cost
accounting never loads torch. Knows nothing of labs, questions or pages.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "ModelConfig": "config", "RopeScaling": "config", "PRESETS": "config",
    "MiniMindError": "errors", "ConfigError": "errors", "CheckpointError": "errors", "TokenizerError": "errors",
    "DataError": "errors", "DeviceError": "errors",
    "MiniMind": "model", "StaticCache": "kv_cache",
    "Tokenizer": "tokenizer", "load_tokenizer": "tokenizer",
    "LoadedModel": "checkpoint", "load_model": "checkpoint", "save_checkpoint": "checkpoint",
    "SamplingParams": "sampling_params", "Generator": "generate", "generate": "generate", "stream": "generate",
    "Trainer": "trainer", "TrainingConfig": "training_config",
    "evaluate": "evaluate", "export_hf": "export_hf",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
