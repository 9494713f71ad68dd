"""`train`: train a checkpoint again from text, by its recipe.

python -m minimind_core train minimind-26m --data CORPUS/train-*.jsonl.xz --eval CORPUS/val.jsonl.xz
torchrun --nproc-per-node 2 -m minimind_core train minimind-26m --data ...
"""

from __future__ import annotations

import argparse
import dataclasses
import glob
import math
from pathlib import Path
from typing import Any

from minimind_core.command_options import add_device_argument, add_json_argument, positive, print_json, whole
from minimind_core.errors import ConfigError, DataError
from minimind_core.progress import progress_bar

HELP = "train a model by its recipe, on one device or, under torchrun, on many"
TRAINING_OPTIONS = {
    "steps": int,
    "batch_size": int,
    "grad_accum": int,
    "learning_rate": float,
    "weight_decay": float,
    "optimizer": str,
    "schedule": str,
    "dtype": str,
    "seed": int,
    "warmup_steps": int,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `train`."""
    parser.add_argument("recipe", help="name of a recipe, such as minimind-26m or nano-rope")
    parser.add_argument(
        "--data",
        nargs="+",
        required=True,
        help="JSON Lines of texts or conversations, plain or .xz, or one packed .npz",
    )
    parser.add_argument("--eval", nargs="*", default=[], help="held-out files, scored at the end")
    parser.add_argument(
        "--eval-tokens", type=positive, default=10**9, help="at most this many tokens a language"
    )
    parser.add_argument("--out", type=Path, help="folder of the checkpoint (default runs/RECIPE)")
    add_device_argument(parser)
    parser.add_argument("--resume", action="store_true", help="continue from the state in --out")
    parser.add_argument(
        "--save-every", type=whole, default=500, help="updates between resumable states; 0 for none"
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help="name the first module that is not finite; after a spike go back and train on more slowly",
    )
    parser.add_argument("--no-compile", action="store_true", help="do not use torch.compile")
    for name, kind in TRAINING_OPTIONS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help="instead of the recipe's")
    add_json_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Train, save, score; the first process speaks for all."""
    import torch

    from minimind_core.device import pick_device
    from minimind_core.files.atomic_folder import check_folder
    from minimind_core.files.checkpoint import OWN_FILES
    from minimind_core.training import pretraining
    from minimind_core.training.distributed import join_processes, leave_processes
    from minimind_core.training.recipes import find_recipe

    recipe = find_recipe(options.recipe)
    device = pick_device(options.device)
    changes = _changes(options, device)
    recipe = dataclasses.replace(recipe, training=dataclasses.replace(recipe.training, **changes))
    folder = (options.out or Path("runs") / options.recipe).absolute()
    check_folder(folder, OWN_FILES)
    data, held_out = _files(options.data), _files(options.eval)
    processes = join_processes(device.type)
    if device.type == "cuda":
        device = torch.device("cuda", torch.cuda.current_device())
        torch.set_float32_matmul_precision("high")
    is_visible = processes.is_first and not options.json
    source, tokenizer = _read(recipe, data, is_visible)
    progress = _Progress(
        recipe.stop_after or recipe.training.steps,
        recipe.training.seq_len * recipe.training.batch_size,
        is_visible,
    )
    model, records = pretraining.pretrain(
        recipe,
        source,
        device,
        processes,
        folder=folder,
        resume=options.resume,
        save_every=options.save_every,
        on_record=progress,
        on_event=progress.tell if options.watch else None,
    )
    progress.close()
    if processes.is_first:
        facts = {"recipe": options.recipe, "processes": _process_count()}
        facts |= {"events": progress.events} if options.watch else {}
        _save_and_score(options, recipe, folder, model, tokenizer, records, held_out, facts)
    leave_processes()
    return 0


def _read(recipe: Any, data: list[Path], is_visible: bool) -> tuple[Any, Any]:
    """The source of batches and the tokenizer; says what was read."""
    from minimind_core.training import pretraining

    reports: list[str] = []
    with progress_bar("reading", "B", silent=not is_visible) as on_progress:
        source, tokenizer = pretraining.make_source(recipe, data, reports.append, on_progress)
    if is_visible:
        for report in reports:
            print(report)
    return source, tokenizer


def _save_and_score(
    options: argparse.Namespace,
    recipe: Any,
    folder: Path,
    model: Any,
    tokenizer: Any,
    records: list[Any],
    held_out: list[Path],
    facts: dict[str, Any],
) -> None:
    from minimind_core.training import pretraining

    pretraining.save_trained(options.recipe, folder, recipe, model, tokenizer, records, facts)
    if held_out:
        facts["held_out"] = pretraining.score_master_and_shipped(
            model, folder, tokenizer, held_out, options.eval_tokens
        )
        pretraining.save_trained(options.recipe, folder, recipe, model, tokenizer, records, facts)
    last = records[-1]
    summary = {
        "recipe": options.recipe,
        "folder": str(folder),
        "steps": last.step + 1,
        "tokens": last.tokens,
        "loss": last.loss if math.isfinite(last.loss) else None,  # of an update that was skipped
        "skipped": last.skipped,
        "tokens_per_second": last.tokens / last.seconds,
        **facts,
    }
    if options.json:
        print_json(summary)
        return
    print(
        f"{folder}: loss {last.loss:.4f} after {last.tokens:,} tokens, "
        f"{summary['tokens_per_second']:,.0f} tokens/s"
    )
    if last.skipped:
        print(f"{last.skipped:,} updates were skipped, because their gradient was not finite.")
    for form, scores in facts.get("held_out", {}).items():
        line = "  ".join(f"{language} {score['bits_per_byte']:.4f}" for language, score in scores.items())
        print(f"held-out bits/byte, {form}: {line}")


def _process_count() -> int:
    import torch.distributed as dist

    return dist.get_world_size() if dist.is_initialized() else 1


def _changes(options: argparse.Namespace, device: Any) -> dict[str, Any]:
    changes = {
        name: getattr(options, name) for name in TRAINING_OPTIONS if getattr(options, name) is not None
    }
    if options.no_compile or device.type == "cpu":
        changes["compile"] = False  # on a CPU the compiler costs more than these small models gain
    if device.type == "cpu" and options.dtype is None:
        changes["dtype"] = "fp32"  # most processors emulate bf16, slowly
    return changes


def _files(patterns: list[str]) -> list[Path]:
    """Expand patterns that the shell did not. Raises DataError for one that matches nothing."""
    files: list[Path] = []
    for pattern in patterns:
        matches = _matches(Path(pattern))
        if not matches:
            raise DataError(f"No file matches {pattern!r}; check the path.")
        files += matches
    return files


def _matches(pattern: Path) -> list[Path]:
    """A path that exists is that file whatever its name; of others, folders that exist are those folders."""
    if pattern.exists():
        return [pattern]
    folder = next(parent for parent in pattern.parents if parent.exists())
    rest = str(pattern.relative_to(folder))
    return [folder / match for match in sorted(glob.glob(rest, root_dir=folder))]


class _Progress:
    """A bar on standard error with loss, speed and what is left; silent where that is no terminal."""

    def __init__(self, steps: int, tokens_per_step: int, is_visible: bool) -> None:
        from tqdm import tqdm

        if steps < 1:
            raise ConfigError("There is nothing to train: steps must be at least 1.")
        self.is_visible, self.events = is_visible, list[str]()
        disable = None if is_visible else True  # None: wherever there is no terminal
        self.bar = tqdm(total=steps * tokens_per_step, unit="tok", unit_scale=True, disable=disable)

    def __call__(self, record: Any) -> None:
        skipped = f" skipped {record.skipped}" if record.skipped else ""
        self.bar.set_postfix_str(f"step {record.step + 1} loss {record.loss:.3f}{skipped}", refresh=False)
        self.bar.update(record.tokens - self.bar.n)

    def tell(self, event: Any) -> None:
        """Keep what the watch had to do, and say it above the bar where the run is not silent."""
        self.events.append(event.sentence())
        if self.is_visible:
            self.bar.write(self.events[-1])

    def close(self) -> None:
        """Leave the last line as it is."""
        self.bar.close()
