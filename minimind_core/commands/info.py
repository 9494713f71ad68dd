"""`info`: what a checkpoint is, what it costs to run and how it was trained.

    python -m minimind_core info --model nano-rope

Reads config.json alone where the checkpoint is one of ours, so it needs no torch.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from minimind_core.command_options import add_json_argument, add_model_arguments, print_json, table
from minimind_core.files.checkpoint_config import is_native, locate, read_config
from minimind_core.model import cost
from minimind_core.model.config import ModelConfig

HELP = "tell shape, parameters, costs and training of a checkpoint"
MEGA = 1e6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `info`."""
    add_model_arguments(parser)
    add_json_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Print the card of one checkpoint."""
    path = locate(options.model)
    if is_native(path):
        config, meta = read_config(path)
    else:
        from minimind_core.files.import_minimind import import_minimind

        config, _, _, meta = import_minimind(path, options.tokenizer)
    card = {
        "name": meta["name"],
        "path": str(path),
        "stored_bytes": _stored_bytes(path),
        "checkpoint": {key: value for key, value in meta.items() if key not in ("name", "model")},
        "config": config.to_dict(),
        "num_parameters": cost.num_parameters(config),
        "active_parameters": cost.active_parameters(config),
        "parameters": cost.parameter_counts(config),
        "costs": _costs(config),
    }
    if options.json:
        print_json(card)
    else:
        print(_text(card))
    return 0


def _costs(config: ModelConfig) -> dict[str, int]:
    """Bytes and operations at the trained length, batch 1, each name with its unit."""
    length = config.max_length
    return {
        "weight_bytes_fp32": cost.weight_bytes(config, 4),
        "weight_bytes_bf16": cost.weight_bytes(config, 2),
        "kv_cache_bytes_per_token_bf16": cost.kv_cache_bytes(config, 1, 1, 2),
        "kv_cache_bytes_trained_length_bf16": cost.kv_cache_bytes(config, 1, length, 2),
        "prefill_flops_trained_length": cost.forward_flops(config, 1, length, "last"),
        "decode_flops_at_trained_length": cost.decode_flops(config, 1, length),
        "training_flops_per_token": cost.training_flops_per_token(config, length),
    }


def _stored_bytes(path: Path) -> int:
    files = [path] if path.is_file() else list(path.iterdir())
    return sum(file.stat().st_size for file in files)


def _text(card: dict[str, Any]) -> str:
    checkpoint, total = card["checkpoint"], card["num_parameters"]
    trained = checkpoint.get("trained") or {}
    parts = [
        (name.replace("_", " "), f"{count:,}", f"{count / total:.1%}")
        for name, count in card["parameters"].items()
        if count
    ]
    meets = card["active_parameters"]
    active = [("active a token", f"{meets:,}", f"{meets / total:.1%}")] if meets < total else []
    sections = {
        "": _pairs(
            {
                "name": card["name"],
                "path": card["path"],
                "stored as": f"{checkpoint.get('dtype')}, {card['stored_bytes'] / MEGA:.1f} MB",
                "tokenizer": checkpoint.get("tokenizer", "its own"),
            }
        ),
        "Shape": _pairs({key: value for key, value in card["config"].items() if value is not None}),
        "Parameters": table([*parts, ("total", f"{total:,}", ""), *active]),
        f"Costs at {card['config']['max_length']} tokens, one row": _pairs(_costs_text(card["costs"])),
        "Training": _pairs(
            {key: value for key, value in trained.items() if not isinstance(value, dict | list)}
        ),
    }
    return "\n\n".join(f"{title}\n{body}".strip() for title, body in sections.items() if body)


def _costs_text(costs: dict[str, int]) -> dict[str, str]:
    return {
        "weights, fp32": f"{costs['weight_bytes_fp32'] / MEGA:.1f} MB",
        "weights, bf16": f"{costs['weight_bytes_bf16'] / MEGA:.1f} MB",
        "KV cache, bf16": f"{costs['kv_cache_bytes_trained_length_bf16'] / MEGA:.2f} MB, "
        f"{costs['kv_cache_bytes_per_token_bf16']:,} bytes a token",
        "reading the prompt": f"{costs['prefill_flops_trained_length'] / 1e9:.2f} GFLOP",
        "one more token": f"{costs['decode_flops_at_trained_length'] / MEGA:.1f} MFLOP",
        "training": f"{costs['training_flops_per_token'] / MEGA:.1f} MFLOP a token",
    }


def _pairs(values: dict[str, Any]) -> str:
    """Names and values, both aligned to the left."""
    width = max((len(name) for name in values), default=0)
    shown = {name: f"{value:g}" if isinstance(value, float) else value for name, value in values.items()}
    return "\n".join(f"{name.replace('_', ' '):{width}}  {value}" for name, value in shown.items())
