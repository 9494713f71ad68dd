"""What the same settings keep for a model that is sure and for one that has hardly learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

from labs.contract import Context, Experiment, Figure, Params, Role, Shown, Words
from labs.q13_sampling.texts import visible
from labs.tools.budgets import PerDevice
from labs.tools.sampler import temperature, top_p

MODELS: dict[str, tuple[Role, str]] = {
    "nano-rope-early": ("removed", "circle-open"),
    "nano-rope": ("measured", "circle"),
    "minimind-26m": ("peer", "diamond"),
}
"""How each is drawn."""
TWINS = ("nano-rope-early", "nano-rope")
"""The same model early and late in its training: they read the same tokens."""
TEXT = (
    "The cat sat by the window and looked at the rain. It was cold outside, so the old woman made a fire "
    "and told the children a story about the sea."
)


@dataclass(frozen=True)
class ConfidenceParams(Params):
    """The settings that all models are read with."""

    temperature: float = temperature(1.0)
    top_p: float = top_p()


class ModelConfidence(TypedDict):
    """One model on TEXT; lists have an item for each token but the first."""

    tokens: list[str]
    kept: list[int]
    """Tokens that the settings leave to choose from."""
    entropy: list[float]
    """After the temperature, in nats."""
    mean_kept: float
    median_kept: float
    mean_entropy: float
    vocab_size: int


class ConfidenceResult(TypedDict):
    """By the name of the model."""

    models: dict[str, ModelConfidence]


class Confidence(Experiment[ConfidenceParams, ConfidenceResult]):
    """The same text read by a model that has hardly learned, by it when trained, and by the 26M."""

    takes = PerDevice(cpu=1.0, cuda=0.5)
    """Loading the models is most of it."""

    def measure(self, params: ConfidenceParams, ctx: Context) -> ConfidenceResult:
        """Each model reads the text once."""
        import torch

        from minimind_core.decoding.sampling import filter_logits

        models: dict[str, ModelConfidence] = {}
        for name, part in ctx.parts(MODELS):
            part("loading_model", model=name)
            loaded = ctx.model(name)
            ids = loaded.prompt_ids(TEXT)
            with torch.inference_mode():
                logits = loaded.model(torch.tensor([ids], device=ctx.device))[0, :-1]  # [T, V]
                kept = (filter_logits(logits, params.temperature, top_p=params.top_p) > 0).sum(-1)  # [T]
                entropy = torch.special.entr(filter_logits(logits, params.temperature)).sum(-1)  # [T]
            models[name] = {
                "tokens": [loaded.tokenizer.token_text(token) for token in ids[1:]],
                "kept": kept.tolist(),
                "entropy": entropy.tolist(),
                "mean_kept": float(kept.float().mean()),
                "median_kept": float(kept.float().quantile(0.5)),
                "mean_entropy": float(entropy.mean()),
                "vocab_size": loaded.config.vocab_size,
            }
        return {"models": models}

    def show(self, result: ConfidenceResult, text: Words) -> Shown:
        """Tokens kept against entropy, a point a token; and along the text, for the twins."""
        models, names = result["models"], {name: text(f"model.{name}") for name in MODELS}
        points, along = Figure(), Figure()
        for name, (role, symbol) in MODELS.items():
            model = models[name]
            kept, tokens = model["kept"], [visible(token) for token in model["tokens"]]
            more: dict[str, Any] = {"symbol": symbol, "customdata": tokens, "hover": "%{customdata}: %{y}"}
            points.marks(model["entropy"], kept, role, names[name], size=8, **more)
            if name in TWINS:
                along.line(range(1, len(kept) + 1), kept, role, names[name], size=6, **more)
        points.x_axis(text("axis.entropy"))
        along.x_axis(text("axis.text_step"))
        for figure in (points, along):
            figure.y_axis(text("axis.kept"), log=True)
        mean_kept = text("mean_kept")
        return Shown(
            {"kept": points, "along": along},
            rows=[
                {
                    text("model"): names[name],
                    mean_kept: model["mean_kept"],
                    text("median_kept"): model["median_kept"],
                    text("axis.entropy"): model["mean_entropy"],
                    text("vocab_size"): model["vocab_size"],
                }
                for name, model in models.items()
            ],
            numbers={f"{mean_kept}, {names[name]}": model["mean_kept"] for name, model in models.items()},
        )
