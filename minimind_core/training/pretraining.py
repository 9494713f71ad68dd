"""From a recipe and text files to a checkpoint folder: data, trainer, held-out scores, saving.

The work behind `python -m minimind_core train`; prints nothing itself but reports through a callback.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from minimind_core.device import describe, pick_dtype
from minimind_core.errors import DataError
from minimind_core.files.checkpoint import load_model, load_state_dict, save_checkpoint
from minimind_core.files.checkpoint_config import locate
from minimind_core.model.minimind import MiniMind
from minimind_core.progress import OnProgress, unheard
from minimind_core.tokenizer import Tokenizer, load_tokenizer
from minimind_core.training.batches import BatchSource, PackedBatches, PaddedBatches
from minimind_core.training.data import Document, PretrainDataset, ReadReport, read_documents
from minimind_core.training.distributed import Processes
from minimind_core.training.evaluate import LanguageScore, evaluate
from minimind_core.training.packing import PackedCorpus, pack_documents
from minimind_core.training.recipes import Recipe
from minimind_core.training.recovery import Event, watched_steps
from minimind_core.training.trainer import StepRecord, Trainer

CURVE_POINTS = 200


def load_corpus(
    paths: Sequence[Path], recipe: Recipe, on_report: Callable[[str], None], on_progress: OnProgress = unheard
) -> tuple[PackedCorpus, Tokenizer]:
    """The recipe's corpus: each file packed on its own, or read where it was packed before (`.npz`).

    `on_report` is given a sentence on each text file; `on_progress` the bytes read and those of all files.
    """
    tokenizer = load_tokenizer(recipe.tokenizer)
    total, done = sum(path.stat().st_size for path in paths if path.is_file()), 0
    parts: list[PackedCorpus] = []
    for path in paths:
        if path.suffix == ".npz":
            parts.append(PackedCorpus.load(path))
            if parts[-1].tokenizer_fingerprint != tokenizer.fingerprint:
                raise DataError(
                    f"{path} was packed with another tokenizer than {recipe.tokenizer!r}; pack it again."
                )
        else:
            report = ReadReport()
            documents = read_documents([path], report, partial(_advance, on_progress, done, total))
            parts.append(pack_documents(documents, tokenizer, recipe.repeats, recipe.training.seed))
            on_report(report.sentence())
        done += path.stat().st_size
        on_progress(done, total)
    return PackedCorpus.concatenate(parts), tokenizer


def _advance(on_progress: OnProgress, before: int, total: int, done: int, _: int) -> None:
    """Pass on the progress within one file, `done`, as that of all files."""
    on_progress(before + done, total)


def make_source(
    recipe: Recipe, paths: Sequence[Path], on_report: Callable[[str], None], on_progress: OnProgress = unheard
) -> tuple[BatchSource, Tokenizer]:
    """Batches as the recipe wants them: windows of packed documents, or one padded line a row.

    `on_report` is given sentences on what was read; `on_progress` the bytes read and those of all files.
    """
    training = recipe.training
    if recipe.padding is None:
        corpus, tokenizer = load_corpus(paths, recipe, on_report, on_progress)
        return PackedBatches(
            corpus, training.seq_len, training.batch_size, training.seed, training.document_mask
        ), tokenizer
    tokenizer, report = load_tokenizer(recipe.tokenizer), ReadReport()
    lines = split_lines(read_documents(paths, report, on_progress), recipe.repeats)
    dataset = PretrainDataset(lines, tokenizer, training.seq_len + 1, recipe.padding.add_bos_eos, report)
    on_report(report.sentence())
    return PaddedBatches(dataset, training.batch_size, training.seed, recipe.padding), tokenizer


def split_lines(documents: Iterable[Document], sources: Mapping[str, int]) -> Iterator[Document]:
    """Each line of the documents of these sources as a short document of its own."""
    for document in documents:
        if document.source in sources:
            for line in document.text.splitlines():
                if line.strip():
                    yield Document(line.strip(), document.source, document.lang)


def build_model(recipe: Recipe, device: torch.device) -> MiniMind:
    """A fresh model of the recipe's shape and seed; a shared embedding is taken over and frozen."""
    torch.manual_seed(recipe.training.seed)
    model = MiniMind(recipe.config)
    if recipe.shares_embedding_with is not None:
        _, shared, _ = load_state_dict(locate(recipe.shares_embedding_with))
        embedding = model.model.embed_tokens.weight
        embedding.data.copy_(shared["model.embed_tokens.weight"])
        embedding.requires_grad_(False)
    return model.to(device)


def pretrain(
    recipe: Recipe,
    source: BatchSource,
    device: torch.device,
    processes: Processes,
    *,
    folder: Path,
    resume: bool = False,
    save_every: int = 0,
    on_record: Callable[[StepRecord], None] = lambda record: None,
    on_event: Callable[[Event], None] | None = None,
) -> tuple[MiniMind, list[StepRecord]]:
    """Train to the recipe's end; keeps a resumable state beside `folder` every `save_every` updates.

    With `on_event` the run is watched (`recovery.py`), and hears what had to be done.
    """
    model = build_model(recipe, device)
    trainer = Trainer(model, source, recipe.training, processes)
    state_file = folder.with_name(f"{folder.name}.state.pt")
    if resume:
        trainer.load(state_file)
    if on_event is None:
        steps = trainer.steps(until=recipe.stop_after)
    else:
        steps = watched_steps(trainer, recipe.stop_after, on_event=on_event)
    for record in steps:
        on_record(record)
        if save_every and trainer.step % save_every == 0 and processes.is_first:
            trainer.save(state_file)
    return model, trainer.records


def save_trained(
    name: str,
    folder: Path,
    recipe: Recipe,
    model: MiniMind,
    tokenizer: Tokenizer,
    records: Sequence[StepRecord],
    facts: dict[str, Any],
) -> None:
    """Write the shipped form: int8 in groups of 64, with the curve and how it was made."""
    last = records[-1]
    every = max(len(records) // CURVE_POINTS, 1)
    trained = {
        **facts,
        "training": recipe.training.to_dict(),
        "repeats": dict(recipe.repeats),
        "stop_after": recipe.stop_after,
        "tokens": last.tokens,
        "seconds": round(last.seconds, 1),
        "curve": [
            [record.tokens, round(record.loss, 4)]
            for record in records[::every]
            if math.isfinite(record.loss)  # it is not where an update was skipped, and JSON has no NaN
        ],
        **describe(model.device, pick_dtype(recipe.training.dtype, model.device)),
    }
    state = {key: value.float().cpu() for key, value in model.state_dict().items()}
    save_checkpoint(
        folder,
        recipe.config,
        state,
        name=name,
        tokenizer=recipe.tokenizer,
        dtype="int8",
        trained=trained,
        shares_embedding_with=recipe.shares_embedding_with,
    )


def score_master_and_shipped(
    model: MiniMind, folder: Path, tokenizer: Tokenizer, paths: Sequence[Path], max_tokens: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Held-out scores of the trained weights and of what was just saved, both in fp32."""
    device = model.device
    seq_len = model.config.max_length

    def scores(candidate: MiniMind) -> dict[str, dict[str, float]]:
        documents = read_documents(paths, ReadReport())
        result = evaluate(candidate, tokenizer, documents, max_tokens=max_tokens, seq_len=seq_len)
        return {language: _rounded(score) for language, score in result.items()}

    return {"master": scores(model), "int8": scores(load_model(folder, device).model)}


def _rounded(score: LanguageScore) -> dict[str, float]:
    return {key: round(value, 5) for key, value in dataclasses.asdict(score).items()}
