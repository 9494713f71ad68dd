"""A text of your own through every box: shape, bytes and size of each tensor, and what dropout does to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NotRequired, TypedDict

from labs.contract import Context, Experiment, Params, Row, Shown, Words, whole
from labs.contract.drawing import Figure
from labs.q05_shapes.reading import ids_of, labels_of, short_text
from labs.tools.budgets import PerDevice
from labs.tools.written import small_number

if TYPE_CHECKING:
    from torch import Tensor, nn

    from minimind_core.model.minimind import MiniMind

STEPS = (
    "q_linear",
    "kv_linear",
    "q",
    "kv",
    "q_rotated",
    "repeated",
    "scores",
    "weights",
    "context",
    "output",
)
"""The tensors of an attention that are kept, in their order."""
RATES = (0.0, 0.1)
"""Of the dropout after the embedding: MiniMind's default, and one that does something."""


@dataclass(frozen=True)
class OwnTextParams(Params):
    """The model reads the text once; `layer` chooses which one's tensors are listed."""

    text: str = short_text()
    layer: int = whole(1, 1, 8, primary=True, view=True)


class Tap(TypedDict):
    """One tensor: its shape, bytes, and the root of its mean square over what is finite."""

    step: str
    shape: list[int]
    bytes: int
    rms: float


class OwnTextResult(TypedDict):
    """`taps` by layer; `stream` is the RMS of every token's vector after each layer, [L + 1][T].

    `dropout` has by rate the largest difference of a logit between two passes in training mode, and `quiet`
    the same between training mode and evaluation.
    """

    tokens: list[str]
    characters: int
    dtype: str
    taps: list[list[Tap]]
    stream: list[list[float]]
    dropout: dict[str, float]
    quiet: float
    view: NotRequired[OwnTextView]


class OwnTextView(TypedDict):
    """The chosen layer, from 1 and within the model."""

    layer: int


class OwnText(Experiment[OwnTextParams, OwnTextResult]):
    """One forward with every tensor of every layer looked at, and four in training mode."""

    takes = PerDevice(cpu=2.0, cuda=0.6)

    def measure(self, params: OwnTextParams, ctx: Context) -> OwnTextResult:
        """The text with hooks on every layer, then twice with each rate of dropout."""
        import torch

        from labs.tools.models import before_each_layer

        ctx.progress(0.0, "loading")
        loaded = ctx.model()
        ids = ids_of(loaded, params.text)
        rows = torch.tensor([ids], device=ctx.device)
        with torch.inference_mode(), before_each_layer(loaded.model, ctx.check_cancelled):
            ctx.progress(0.2, "tracing")
            taps, stream = _traced(loaded.model, rows)
            ctx.progress(0.5, "dropout")
            logits = loaded.model(rows)
            passes = {
                rate: [_in_training(loaded.model, rows, rate, seed) for seed in (0, 1)] for rate in RATES
            }
        return {
            "tokens": labels_of(loaded, ids),
            "characters": len(params.text),
            "dtype": str(logits.dtype).removeprefix("torch."),
            "taps": taps,
            "stream": stream,
            "dropout": {str(rate): _apart(one, other) for rate, (one, other) in passes.items()},
            "quiet": _apart(passes[RATES[0]][0], logits),
        }

    def view(self, params: OwnTextParams, result: OwnTextResult) -> OwnTextView:
        """The chosen layer, or the last one of a model that has fewer."""
        return {"layer": min(params.layer, len(result["taps"]))}

    def show(self, result: OwnTextResult, text: Words) -> Shown:
        """`stream`: the size of each token's vector by layer; `bytes`: of the chosen layer's tensors."""
        layer = result["view"]["layer"]
        taps, plain = result["taps"][layer - 1], str(RATES[0])
        rows: list[Row] = [
            {
                text("tensor"): text(f"step.{tap['step']}"),
                text("shape"): " × ".join(map(str, tap["shape"])),
                text("bytes"): tap["bytes"],
                text("rms"): tap["rms"],
            }
            for tap in taps
        ]
        return Shown(
            {"stream": _stream(result, text), "bytes": _bytes(taps, text)},
            rows,
            notes=[
                text(
                    "own_text.read",
                    characters=result["characters"],
                    tokens=len(result["tokens"]) - 1,
                    layer=layer,
                    dtype=result["dtype"],
                ),
                text(
                    "own_text.dropout",
                    plain=small_number(result["dropout"][plain]),
                    quiet=small_number(result["quiet"]),
                    dropped=result["dropout"][str(RATES[1])],
                ),
                text("own_text.change"),
            ],
            numbers={
                text("own_text.tokens"): len(result["tokens"]),
                text("own_text.kilobytes"): sum(tap["bytes"] for tap in taps) / 1000,
            },
        )


def _traced(model: MiniMind, rows: Tensor) -> tuple[list[list[Tap]], list[list[float]]]:
    """Each layer's tensors, and the RMS of the stream [L + 1][T] before and after every layer."""
    from labs.q05_shapes.stepwise import Stepwise, attention_replaced
    from labs.tools.models import hooked

    layers: list[list[Tap]] = [[] for _ in model.model.layers]
    stream: list[list[float]] = []
    notes = iter([partial(_note, taps) for taps in layers])

    def keep(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if not stream:
            stream.append(_rms(inputs[0]))
        stream.append(_rms(output))

    def inner(taps: list[Tap], _module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        taps += [_tap("inner", inputs[0]), _tap("down", output)]

    with (
        hooked(layer.register_forward_hook(keep) for layer in model.model.layers),
        hooked(
            layer.mlp.down_proj.register_forward_hook(partial(inner, taps))
            for layer, taps in zip(model.model.layers, layers, strict=True)
        ),
        attention_replaced(model, lambda own: Stepwise(own, note=next(notes))),
    ):
        model(rows)
    return layers, stream


def _note(taps: list[Tap], step: str, tensor: Tensor) -> None:
    if step in STEPS:
        taps.append(_tap(step, tensor))


def _tap(step: str, tensor: Tensor) -> Tap:
    rms = math.sqrt(float(tensor.float().pow(2).mean()))
    return {"step": step, "shape": list(tensor.shape), "bytes": tensor.nbytes, "rms": rms}


def _rms(hidden: Tensor) -> list[float]:
    """hidden [1, T, C] -> [T]."""
    sizes: list[float] = hidden[0].float().pow(2).mean(-1).sqrt().tolist()
    return sizes


def _in_training(model: MiniMind, rows: Tensor, rate: float, seed: int) -> Tensor:
    """Logits in training mode, with dropout of that rate after the embedding."""
    import torch
    from torch.nn import functional as F

    def drop(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        return F.dropout(output, rate, training=model.training)

    was_training = model.training
    handle = model.model.embed_tokens.register_forward_hook(drop)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            logits: Tensor = model.train()(rows)
            return logits
    finally:
        handle.remove()
        model.train(was_training)


def _apart(one: Tensor, other: Tensor) -> float:
    """The largest difference of two logits."""
    return float((one - other).abs().max())


def _stream(result: OwnTextResult, text: Words) -> Figure:
    """Tokens across, layers down, shaded by the logarithm of the stream's size."""
    figure, stream = Figure(height=380), result["stream"]
    names = [text("step.embedding"), *map(str, range(1, len(stream)))]
    shades = [[math.log10(size) for size in sizes] for sizes in stream]
    figure.heat(
        shades, result["tokens"], names, "measured", hover="%{x}, %{y}: %{customdata:.3g}", customdata=stream
    )
    figure.x_axis(category=True, tickangle=-60)
    figure.y_axis(text("axis.layer"), category=True, reverse=True)
    return figure


def _bytes(taps: list[Tap], text: Words) -> Figure:
    figure = Figure(height=90 + 26 * len(taps))
    figure.bars(
        [tap["bytes"] / 1000 for tap in taps],
        [text(f"step.{tap['step']}") for tap in taps],
        "measured",
        labels=[" " + " × ".join(map(str, tap["shape"])) for tap in taps],
        horizontal=True,
        hover="%{y}: %{x:,.1f} kB",
    )
    figure.x_axis(text("axis.kilobytes"), span=(0, 1.6 * max(tap["bytes"] for tap in taps) / 1000))
    figure.y_axis(category=True, reverse=True)
    return figure
