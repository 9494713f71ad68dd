"""One of two ranks: a process of its own that joins the other one and reports line by line.

    python -m labs.q02_empty_text.rank_process '{"rank": 0, ...}'

runs a module that ends with `take_part(train)`. Each line of standard output is a JSON object: `launched`
(an all-reduce, by the step that it belongs to), `step` with whatever belongs to it, `done` or `error`. The
process then waits, as a job that ends with a checkpoint or a barrier would, until standard input is closed.
`rank_pair.py` starts two of them. Imports torch.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist


def take_part(train: Callable[[dict[str, Any], torch.device], None]) -> None:
    """Join the group and train as told on the command line; an error is a report, not an exit code."""
    told = json.loads(sys.argv[1])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    try:
        train(told, _join(told))
        report(done=True)
    except RuntimeError as error:
        report(error=f"{type(error).__name__}: {error}".splitlines()[0])
    threading.Event().wait()


def report(**what: Any) -> None:
    """Tell the parent."""
    print(json.dumps(what), flush=True)


def _join(told: dict[str, Any]) -> torch.device:
    """NCCL where told["device"] is "cuda", one GPU a rank; else gloo.

    The ranks meet at the file told["store"], and a collective gives up after told["timeout"] seconds.
    """
    on_cuda = told["device"] == "cuda"
    dist.init_process_group(
        "nccl" if on_cuda else "gloo",
        store=dist.FileStore(told["store"], 2),
        rank=told["rank"],
        world_size=2,
        timeout=timedelta(seconds=told["timeout"]),
    )
    return torch.device("cuda", told["rank"]) if on_cuda else torch.device("cpu")


def _end_with_parent() -> None:
    """Standard input ends when the parent closes it or is no more; a hanging collective ends with it."""
    sys.stdin.read()
    os._exit(0)
