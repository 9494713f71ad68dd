"""`bench`: how fast the model is here, beside transformers on the same weights in the same run.

    python -m minimind_core bench
    python -m minimind_core bench --device cpu --json
    python -m minimind_core bench --engine         many requests at once, beside transformers' own batching
    python -m minimind_core bench --native         on a CPU, beside llama.cpp and ONNX Runtime where installed

Every line is a ratio of medians after warm-up, the device synchronised, with the slowest and fastest run.
"""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from minimind_core.command_options import (
    DEFAULT_MODEL,
    add_device_arguments,
    add_json_argument,
    positive,
    print_json,
    table,
)
from minimind_core.progress import progress_bar

HELP = "measure speed beside transformers, as ratios with spread"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `bench`."""
    parser.add_argument("--model", default=DEFAULT_MODEL, help="checkpoint to decode with")
    parser.add_argument("--engine", action="store_true", help="measure the engine under many requests only")
    parser.add_argument(
        "--native", action="store_true", help="measure beside llama.cpp and ONNX Runtime only, on a CPU"
    )
    parser.add_argument("--repeats", type=positive, default=5, help="timed runs of each line")
    add_device_arguments(parser)
    add_json_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Measure every line that this device has a budget for; 1 if one is missed."""
    from minimind_core.benchmark import Row, benchmark
    from minimind_core.device import describe, pick_device, pick_dtype
    from minimind_core.engine_benchmark import engine_benchmark
    from minimind_core.files.checkpoint import load_model
    from minimind_core.native_benchmark import native_benchmark
    from minimind_core.native_peers import missing

    device = pick_device("cpu" if options.native else options.device)
    dtype = pick_dtype(options.dtype, device)
    loaded = load_model(options.model, device, dtype)
    facts = describe(device, dtype)
    rows: list[Row] = []
    with progress_bar("measuring", "run", options.json) as on_progress:
        if options.native:
            measured = native_benchmark(loaded, options.repeats, on_progress)
        else:
            measure = engine_benchmark if options.engine else benchmark
            measured = measure(loaded.model, device, options.repeats, on_progress)
        for row in measured:
            rows.append(row)
            if not options.json:
                print(f"measured {row.name}", flush=True)
    absent = missing() if options.native else {}
    if options.json:
        print_json(
            {"model": options.model, **facts, "rows": [_plain(row) for row in rows], "missing": absent}
        )
    else:
        print(table([["", "tokens/s", "peer", "ratio", "budget", "met"], *map(_cells, rows)]))
        where = f"{options.model} in {facts['dtype']} on {facts['device_name']}"
        print(
            f"{where}, torch {facts['versions']['torch']}; "
            f"median of {options.repeats} runs, slowest to fastest in brackets"
        )
        for peer, line in absent.items():
            print(f"{peer} is not here; to measure beside it: {line}")
    return 0 if all(row.met for row in rows) else 1


def _plain(row: Any) -> dict[str, Any]:
    return {**dataclasses.asdict(row), "ratio": row.ratio, "met": row.met}


def _cells(row: Any) -> list[str]:
    budgets = [] if row.budget_rate is None else [f"{row.budget_rate:,.0f}/s"]
    budgets += [] if row.budget_ratio is None else [f"{row.budget_ratio:g}x"]
    peer = "" if row.peer is None else f"{row.peer_name} {_rate(row.peer)}"
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
    return [row.name, _rate(row.ours), peer, ratio, " and ".join(budgets), "yes" if row.met else "NO"]


def _rate(rate: dict[str, float]) -> str:
    return f"{rate['median']:,.0f} [{rate['low']:,.0f}-{rate['high']:,.0f}]"
