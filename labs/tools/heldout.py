"""Text that is on every machine and in no training corpus of ours: Python's library, its help, our questions.

`held_out` and `training` never share a file or a topic. Text differs a little between Python versions,
and so do the losses.
"""

from __future__ import annotations

import random
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

import questions
from labs.contract import Context
from minimind_core.errors import DataError
from minimind_core.model.minimind import MiniMind
from minimind_core.tokenizer import Tokenizer
from minimind_core.training.batches import Batch

HELD_OUT_FILES = (
    "argparse.py",
    "bisect.py",
    "calendar.py",
    "csv.py",
    "fractions.py",
    "heapq.py",
    "shlex.py",
    "statistics.py",
    "string.py",
    "textwrap.py",
)
TRAINING_FILES = (
    "ast.py",
    "difflib.py",
    "doctest.py",
    "inspect.py",
    "mailbox.py",
    "optparse.py",
    "pdb.py",
    "pickle.py",
    "smtplib.py",
    "subprocess.py",
    "tarfile.py",
    "threading.py",
    "typing.py",
)
NOT_THE_LIBRARY = ("site-packages", "dist-packages", "pydoc_data")
EVERY = 4
"""One topic of Python's help in so many is held out."""
QUESTIONS = Path(questions.__file__).parent


def held_out(kind: str) -> list[str]:
    """Documents to be scored on: "code", "english", "both" of them, or "chinese".

    Raises DataError where Python came without its sources.
    """
    if kind == "chinese":
        return _answers("zh")
    return _documents(kind, HELD_OUT_FILES, held=True)


def training(kind: str = "both") -> list[str]:
    """Documents to be trained on, none of them held out."""
    return _documents(kind, TRAINING_FILES, held=False)


def library(kind: str = "both") -> list[str]:
    """The same from all of Python's library, tests included where they are installed: some megabytes."""
    return _documents(kind, _library_files(), held=False)


def windows(
    tokenizer: Tokenizer,
    documents: Sequence[str],
    count: int,
    length: int,
    seed: int,
    check: Callable[[], object] = lambda: None,
) -> Tensor:
    """`count` stretches of `length` + 1 ids, int64, drawn without overlap; fewer where the text ends.

    `check` is called before each document: a whole library takes seconds.
    """
    every = [
        ids[start : start + length + 1]
        for ids in _encoded(tokenizer, documents, check)
        for start in range(0, len(ids) - length, length)
    ]
    if not every:
        raise DataError("This Python's own sources are too short to score on.", key="heldout.short")
    return torch.tensor(random.Random(seed).sample(every, min(count, len(every))))


def held_out_windows(
    tokenizer: Tokenizer, kind: str, count: int, length: int, ctx: Context, *, seed: int = 0
) -> Tensor:
    """`windows` of what `held_out` gives, for a run that hears a cancel meanwhile."""
    return windows(tokenizer, held_out(kind), count, length, seed, ctx.check_cancelled)


@torch.inference_mode()
def window_losses(
    model: MiniMind, rows: Tensor, on_progress: Callable[[float], None], *, batch_size: int = 4
) -> NDArray[np.float64]:
    """Mean nats a token of each window, rows int64 [N, T + 1] -> [N]; `on_progress` before each batch."""
    device = model.device
    losses = []
    for start in range(0, len(rows), batch_size):
        on_progress(start / len(rows))
        ids = rows[start : start + batch_size].to(device)
        logits = model(ids[:, :-1]).float()  # [B, T, V]
        loss = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
        losses.append(loss.view(len(ids), -1).mean(1).cpu())
    return torch.cat(losses).double().numpy()


class Stretches:
    """A source of batches for the trainer: the same stretches in the same order for every model."""

    def __init__(self, rows: Tensor, batch_size: int) -> None:
        self.rows, self.batch_size = rows, batch_size

    def batch(self, step: int) -> Batch:
        """The rows of one update; the text starts again when it has all been read."""
        places = torch.arange(step * self.batch_size, (step + 1) * self.batch_size) % len(self.rows)
        rows = self.rows[places]
        return Batch(rows[:, :-1], rows[:, 1:])


def _documents(kind: str, files: Sequence[str], *, held: bool) -> list[str]:
    found = _sources(files) if kind in ("both", "code") else []
    if kind in ("both", "english"):
        found += [text for number, text in enumerate(_topics()) if (number % EVERY == 0) is held]
    if not found:
        raise DataError(
            "This Python comes without its library's sources; install a complete one.",
            key="heldout.no_sources",
        )
    return found


def _sources(files: Sequence[str]) -> list[str]:
    folder = Path(sysconfig.get_paths()["stdlib"])
    return [
        (folder / name).read_text(encoding="utf-8", errors="replace")
        for name in files
        if (folder / name).is_file()
    ]


def _library_files() -> list[str]:
    """Every module of the library that is not held out, relative to it; the help's topics are read apart."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    names = [path.relative_to(folder) for path in sorted(folder.rglob("*.py"))]
    return [
        str(name)
        for name in names
        if name.parts[0] not in NOT_THE_LIBRARY and str(name) not in HELD_OUT_FILES
    ]


def _answers(language: str) -> list[str]:
    """Our own question bank as one long document."""
    pages = sorted(QUESTIONS.glob(f"q*/{language}.md"))
    return ["\n\n".join(page.read_text(encoding="utf-8") for page in pages)]


def _topics() -> list[str]:
    try:
        from pydoc_data.topics import topics
    except ImportError:
        return []
    return [topics[name] for name in sorted(topics)]


def _encoded(
    tokenizer: Tokenizer, documents: Sequence[str], check: Callable[[], object]
) -> Iterator[list[int]]:
    for text in documents:
        check()
        yield [tokenizer.bos_id, *tokenizer.encode(text)]
