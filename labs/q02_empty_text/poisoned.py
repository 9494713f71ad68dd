"""A checkpoint of a training that an empty batch has killed: it is saved and read like any other.

What survives in it, who notices, and what a model that is loaded from it says.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from labs.contract import Context, Data, Experiment, Params, Row, Shown, Words, choice, switch
from labs.contract.drawing import Figure, Role
from labs.q02_empty_text.formulas import PRECISIONS, nan_weights
from labs.tools.budgets import PerDevice
from minimind_core.errors import CheckpointError
from minimind_core.model.config import ModelConfig
from minimind_core.model.cost import num_parameters

if TYPE_CHECKING:
    from torch import Tensor

    from labs.q02_empty_text.training_steps import Training
    from minimind_core.files.checkpoint import LoadedModel

ROWS, LENGTH = 4, 16
FILE_DTYPES = ("bfloat16", "float16", "float32")
PARTS = {"embed_tokens": "embedding", "lm_head": "head", "norm": "norms", "attn": "attention", "mlp": "mlp"}
"""By what is in a parameter's name, the first that fits."""
PROMPT = "Once upon a time"


@dataclass(frozen=True)
class PoisonedParams(Params):
    """How the one bad step was taken, and how the weights are stored after it."""

    tied: bool = switch(True, primary=True, label="poisoned.tied")
    clip: bool = switch(False, primary=True)
    precision: str = choice("fp32", PRECISIONS, primary=True)
    stored: str = choice("bfloat16", FILE_DTYPES)


class Part(TypedDict):
    """Entries of the tensors of one part, and how many of them are NaN."""

    entries: int
    nan: int


class PoisonedResult(TypedDict):
    """What is in the file once it was read again, and what each stage said; "" is nothing.

    `sentry` is the smallest tensor with NaN in it.
    """

    parts: dict[str, Part]
    nan: int
    total: int
    counted: int
    survivors: dict[str, int]
    """Numbers left in tensors that have NaN as well, and in whole ones."""
    sentry: str
    sentry_entries: int
    nan_moments: int
    megabytes: float
    said: dict[str, str]
    """By stage: writing, reading, writing as int8, sampling, and our loader, which looks at the values."""
    greedy: str


class Poisoned(Experiment[PoisonedParams, PoisonedResult]):
    """One step on a batch of empty rows, a checkpoint of what is left, and the way back from the disk."""

    takes = PerDevice(cpu=5.0, cuda=2.0)

    def formula(self, params: PoisonedParams) -> Data:
        """NaN weights by counting."""
        return {"nan": _counted(params, ModelConfig(tie_word_embeddings=params.tied))}

    def measure(self, params: PoisonedParams, ctx: Context) -> PoisonedResult:
        """The file is written to a temporary folder, which goes away."""
        from labs.q02_empty_text.training_steps import Training, training_copy
        from minimind_core.files.checkpoint import load_state_dict, save_checkpoint

        ctx.progress(0.0, "loading")
        loaded = ctx.model()
        ctx.progress(0.1, "building")
        model = training_copy(loaded.model, params.tied and loaded.config.tie_word_embeddings)
        training = Training(model, "masked_mean", params.precision, params.clip)
        ctx.progress(0.2, "bad_step")
        _empty_step(training, loaded, ctx.device)
        said: dict[str, str] = {}
        with tempfile.TemporaryDirectory() as temporary:
            folder, weights = Path(temporary) / "last", model.state_dict()
            ctx.progress(0.4, "saving")
            described = {"name": "last", "tokenizer": loaded.tokenizer}
            save_checkpoint(folder, model.config, weights, dtype=params.stored, **described)  # type: ignore[arg-type]
            said["saved"] = ""
            megabytes = sum(file.stat().st_size for file in folder.glob("*.safetensors")) / 1e6
            said["int8"] = _complaint(
                lambda: save_checkpoint(
                    Path(temporary) / "int8", model.config, weights, dtype="int8", **described
                )
            )
            ctx.progress(0.6, "reading_file")
            config, read, _ = load_state_dict(folder)
            said["read"] = ""
            said["loader"] = _loader_says(read, folder)
        ctx.progress(0.8, "writing")
        greedy, said["sampling"] = _spoken(read, loaded, config)
        nan = {name: int(tensor.isnan().sum()) for name, tensor in read.items()}
        sick = [name for name in read if nan[name]]
        sentry = min(sick, key=lambda name: read[name].numel(), default="")
        return {
            "parts": _parts(read, nan),
            "nan": sum(nan.values()),
            "total": sum(tensor.numel() for tensor in read.values()),
            "counted": _counted(params, config),
            "survivors": {name: left for name in read if (left := read[name].numel() - nan[name])},
            "sentry": sentry,
            "sentry_entries": read[sentry].numel() if sentry else 0,
            "nan_moments": training.nan_moments(),
            "megabytes": megabytes,
            "said": said,
            "greedy": greedy,
        }

    def show(self, result: PoisonedResult, text: Words) -> Shown:
        """What is left of each part of the model; the table has what each stage said."""
        figure = Figure(height=110 + 34 * len(result["parts"]), barmode="stack")
        labels = [text(f"part.{name}") for name in result["parts"]]
        kinds: tuple[tuple[str, Role], ...] = (("nan", "said"), ("left", "measured"))
        for kind, role in kinds:
            shares = [
                100 * (part["nan"] if kind == "nan" else part["entries"] - part["nan"]) / part["entries"]
                for part in result["parts"].values()
            ]
            figure.bars(
                shares,
                labels,
                role,
                text(f"poisoned.{kind}"),
                horizontal=True,
                hover=f"%{{y}}: %{{x:.4g}}% {text(f'poisoned.{kind}')}",
            )
        figure.x_axis(text("axis.part"), span=(0, 100), ticksuffix="%")
        figure.y_axis(category=True, reverse=True, showgrid=False)
        rows: list[Row] = [
            {text("what"): text(f"poisoned.{stage}"), text("poisoned.says"): says or text("poisoned.nothing")}
            for stage, says in result["said"].items()
        ]
        rows.append({text("what"): text("poisoned.greedy"), text("poisoned.says"): result["greedy"]})
        return Shown(
            {"survivors": figure},
            rows,
            _notes(result, text),
            numbers={text("weights_nan"): result["nan"]},
            sentence={
                "said": 0,
                "formula": result["counted"],
                "measured": result["nan"],
                "unit": text("weights_unit"),
            },
        )


def _counted(params: PoisonedParams, config: ModelConfig) -> int:
    """NaN weights after the step of a model of that shape."""
    spared = 0 if config.tie_word_embeddings else (config.vocab_size - 1) * config.hidden_size
    return nan_weights(True, params.precision, params.clip, num_parameters(config), spared)


def _empty_step(training: Training, loaded: LoadedModel, device: str) -> None:
    """One optimizer step on rows without a target."""
    from labs.q02_empty_text.row_kinds import bad_row
    from labs.q02_empty_text.training_steps import MicroBatch, ordinary_step

    rows = [bad_row("empty", loaded.tokenizer, "bare", LENGTH)] * ROWS
    ordinary_step(training, MicroBatch.of(rows, loaded.config.pad_id, LENGTH, device))


def _complaint(call: object) -> str:
    """What a call refuses with; "" where it goes through."""
    try:
        call()  # type: ignore[operator]
    except CheckpointError as error:
        return f"CheckpointError: {error}"
    return ""


def _loader_says(weights: Mapping[str, Tensor], folder: Path) -> str:
    """The sentence of our own loader, without the temporary folder in it."""
    from minimind_core.files.tensor_files import check_values

    return _complaint(lambda: check_values(weights, Path(folder.name)))


def _spoken(weights: Mapping[str, Tensor], loaded: LoadedModel, config: ModelConfig) -> tuple[str, str]:
    """The likeliest next token of a model with these weights, and what sampling from it raises."""
    import torch

    from labs.tools.models import assembled

    model = assembled(config, weights)
    with torch.inference_mode():
        logits = model(torch.tensor([loaded.prompt_ids(PROMPT)]))[0, -1].float()  # [V]
    token = int(logits.argmax())
    try:
        torch.multinomial(logits.softmax(-1), 1)
    except RuntimeError as error:
        return repr(loaded.tokenizer.token_text(token)), f"RuntimeError: {error}"
    return repr(loaded.tokenizer.token_text(token)), ""


def _parts(weights: Mapping[str, Tensor], nan: Mapping[str, int]) -> dict[str, Part]:
    """Entries and NaN by part of the model."""
    parts: dict[str, Part] = {}
    for name, tensor in weights.items():
        part = parts.setdefault(
            next(part for key, part in PARTS.items() if key in name), {"entries": 0, "nan": 0}
        )
        part["entries"] += tensor.numel()
        part["nan"] += nan[name]
    return parts


def _notes(result: PoisonedResult, text: Words) -> list[str]:
    """The three numbers, what survives and who would have noticed."""
    sentence = text("poisoned.sentence", total=result["total"], megabytes=result["megabytes"])
    if not result["nan"]:
        return [sentence, text("poisoned.healthy"), text("poisoned.change")]
    left = sum(result["survivors"].values())
    survivors = (
        text("poisoned.survivors", left=left, names=", ".join(result["survivors"]))
        if left
        else text("poisoned.no_survivor")
    )
    sentry = text("poisoned.sentry", name=result["sentry"], entries=result["sentry_entries"])
    moments = text("poisoned.moments", moments=result["nan_moments"])
    return [sentence, survivors, sentry, moments, text("poisoned.change")]
