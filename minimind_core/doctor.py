"""What is wrong here, and what to do about it: Python, device, tokenizers, checkpoints, a config, data.

Mends nothing itself. A finding is "ok", "note" (works, but worth knowing) or "mend" (will fail).
Torch is imported inside the checks, so that a missing one is a finding too.
"""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from minimind_core.bounded import MAX_JSON_BYTES, read_bounded
from minimind_core.errors import ConfigError, FileError, MiniMindError
from minimind_core.files.checkpoint_config import WEIGHTS_FOLDER, shipped_checkpoints
from minimind_core.model.cost import num_parameters

State = Literal["ok", "note", "mend"]
OLDEST = {"torch": (2, 11), "tokenizers": (0, 20), "safetensors": (0, 4), "numpy": (2, 0)}
INSTALL = "run pip install -r requirements.txt"
SMALL_DISK = 10**9
EXAMPLE_LINE = '{"text": "Once upon a time", "lang": "en"}'
SAMPLE = "The weather is fine. 今天天气很好。\n\tdef f(x): return x"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    area: str
    state: State
    sentence: str


def examine(
    models: Sequence[str] = (),
    *,
    tokenizer: str | None = None,
    configs: Sequence[Path] = (),
    data: Sequence[Path] = (),
    runs: Sequence[Path] = (),
    device: str = "auto",
    checklist: bool = False,
) -> Iterator[Finding]:
    """Look at everything, one finding after the other. No models means all that are shipped.

    `runs` are states or logs of trainings, whose losses are heard again.
    `checklist` adds the ten items before a training run, for the first config (or the defaults) on the data.
    """
    yield from _python()
    yield from _guarded("device", lambda: _device(device))
    yield from _disk()
    yield from _guarded("tokenizer", _tokenizers)
    names = models or shipped_checkpoints()
    if not names:
        yield Finding(
            "checkpoint",
            "mend",
            f"There are no trained weights in {WEIGHTS_FOLDER}; fetch the "
            "whole repository again, or train them as weights/README.md says.",
        )
    for name in names:
        yield from _guarded("checkpoint", lambda name=name: _checkpoint(name, tokenizer))  # type: ignore[misc]
    for path in configs:
        yield from _guarded("config", lambda path=path: _config(path))  # type: ignore[misc]
    if data:
        yield from _guarded("data", lambda: _data(data))
    for path in runs:
        yield from _guarded("run", lambda path=path: _run(path))  # type: ignore[misc]
    if checklist:
        yield from _guarded("training", lambda: _training(configs, data, tokenizer))


def _guarded(area: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """A check's findings; an error that a user can mend is one too, and so is a missing package."""
    try:
        yield from check()
    except MiniMindError as error:
        yield Finding(area, "mend", str(error))
    except ImportError as error:
        yield Finding(area, "mend", f"Not looked at, because {error.name} is missing.")


def _python() -> Iterator[Finding]:
    yield Finding(
        "python", "ok", f"Python {platform.python_version()} on {platform.system()} {platform.machine()}."
    )
    for package, oldest in OLDEST.items():
        try:
            installed = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            yield Finding("python", "mend", f"{package} is not installed; {INSTALL}.")
            continue
        if tuple(int(part) for part in installed.split("+")[0].split(".")[:2]) < oldest:
            wanted = ".".join(map(str, oldest))
            yield Finding("python", "mend", f"{package} {installed} is older than {wanted}; {INSTALL}.")


def _device(name: str) -> Iterator[Finding]:
    import torch

    from minimind_core import device as devices

    device = devices.pick_device(name)
    dtype = devices.pick_dtype("auto", device)
    square = torch.eye(64, device=device, dtype=dtype)
    if not torch.equal(square @ square, square):
        yield Finding(
            "device",
            "mend",
            f"{devices.device_name(device)} multiplies matrices wrongly; "
            "use --device cpu and check its driver.",
        )
        return
    free = devices.memory_bytes(device)
    memory = f"{free / 1e9:.1f} GB free" if free is not None else f"{torch.get_num_threads()} threads"
    yield Finding(
        "device",
        "ok",
        f"{devices.device_name(device)} ({device.type}), {memory}, computing in "
        f"{devices.dtype_name(dtype)}; torch {torch.__version__}.",
    )
    if notice := devices.cuda_notice():
        yield Finding("device", "note", notice[0].upper() + notice[1:] + ".")


def _disk() -> Iterator[Finding]:
    free = shutil.disk_usage(Path.cwd()).free
    if free < SMALL_DISK:
        yield Finding(
            "disk",
            "note",
            f"Only {free / 1e6:.0f} MB are free here; the state of a training run needs about 400.",
        )


def _tokenizers() -> Iterator[Finding]:
    from minimind_core.tokenizer import TOKENIZERS_FOLDER, load_tokenizer

    sizes = {}
    for path in sorted(TOKENIZERS_FOLDER.glob("*.json.xz")):
        try:
            tokenizer = load_tokenizer(path)
        except MiniMindError as error:
            yield Finding("tokenizer", "mend", str(error))
            continue
        if tokenizer.decode(tokenizer.encode(SAMPLE)) != SAMPLE:
            yield Finding("tokenizer", "mend", f"{path} does not give a text back; fetch or train it again.")
        sizes[path.name.removesuffix(".json.xz")] = tokenizer.vocab_size
    if sizes:
        names = ", ".join(sorted(sizes, key=lambda name: sizes[name]))
        yield Finding("tokenizer", "ok", f"{len(sizes)} shipped tokenizers give a text back: {names}.")
    else:
        yield Finding(
            "tokenizer",
            "mend",
            f"There is no tokenizer in {TOKENIZERS_FOLDER}; fetch the whole repository again.",
        )


def _checkpoint(name: str, tokenizer: str | None) -> Iterator[Finding]:
    """Load, run one forward, name the module where that is not finite, and compare its loss with guessing."""
    import math

    import torch
    import torch.nn.functional as F

    from minimind_core.files.checkpoint import load_model
    from minimind_core.training.nonfinite import first_nonfinite

    loaded = load_model(name, tokenizer=tokenizer)
    ids = torch.tensor(loaded.prompt_ids(SAMPLE)[: loaded.config.max_length])

    @torch.inference_mode()
    def sample_loss() -> torch.Tensor:
        return F.cross_entropy(loaded.model(ids[None, :-1])[0], ids[1:])

    loss = float(sample_loss())
    if not math.isfinite(loss):
        first = first_nonfinite(loaded.model, sample_loss, backward=False)
        where = f"first {first.sentence()}" if first else "yet not when run again"
        yield Finding("checkpoint", "mend", f"{loaded.name}: the loss of a sample is not finite; {where}.")
        return
    guessing = math.log(loaded.config.vocab_size)
    what = f"{loaded.name}: {num_parameters(loaded.config):,} parameters, sample at {loss:.2f} nats a token"
    if loss < guessing:
        yield Finding("checkpoint", "ok", f"{what} (guessing is {guessing:.2f}).")
    else:
        yield Finding(
            "checkpoint",
            "note",
            f"{what}, no better than guessing ({guessing:.2f}): it looks "
            "untrained, or has another tokenizer.",
        )


def _config(path: Path) -> Iterator[Finding]:
    """A file of model settings, alone or as "model" beside those of a training, as in a checkpoint's."""
    from minimind_core.training.checklist import settings_from

    try:
        config, _ = settings_from(_content(path))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    yield Finding("config", "ok", f"{path}: {num_parameters(config):,} parameters.")


def _content(path: Path) -> bytes:
    try:
        return read_bounded(path, MAX_JSON_BYTES)
    except OSError as error:
        raise FileError(f"Cannot read {path}: {error.strerror}; check the name.") from error


def _training(configs: Sequence[Path], data: Sequence[Path], tokenizer: str | None) -> Iterator[Finding]:
    """The ten items; a fresh model makes one update."""
    from minimind_core.tokenizer import load_tokenizer
    from minimind_core.training.checklist import checklist, settings_from
    from minimind_core.training.data import ReadReport, read_documents

    settings = settings_from(_content(configs[0]) if configs else "")
    report = ReadReport()
    texts = [document.text for document in read_documents(data, report)]
    texts += [""] * report.empty
    for item in checklist(*settings, load_tokenizer(tokenizer or "6.4k"), texts):
        yield Finding("training", item.state, item.sentence())


def _run(path: Path) -> Iterator[Finding]:
    """What a training left behind."""
    from minimind_core.training.past_run import look_back

    for state, sentence in look_back(path):
        yield Finding("run", state, sentence)


def _data(paths: Sequence[Path]) -> Iterator[Finding]:
    from minimind_core.training.data import ReadReport, read_documents

    report = ReadReport()
    documents = read_documents(paths, report)
    languages: Counter[str] = Counter(document.lang or "unlabelled" for document in documents)
    shares = ", ".join(f"{count:,} {language}" for language, count in languages.most_common())
    sentence = report.sentence() + (f" Languages: {shares}." if shares else "")
    if not report.documents:
        yield Finding("data", "mend", f"{sentence} Give lines such as {EXAMPLE_LINE}.")
    elif report.truncated:
        yield Finding("data", "mend", sentence)
    else:
        yield Finding("data", "note" if report.left_out else "ok", sentence)
