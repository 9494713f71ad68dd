"""The loss of a model that has learned nothing, by the size of its first weights, head tied and untied."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, Words, whole
from labs.contract.drawing import Figure
from labs.tools.budgets import PerDevice
from labs.tools.sampler import seed
from minimind_core.model.config import ModelConfig

STDS = (0.01, 0.02, 0.03, 0.04, 0.06, 0.08)
USUAL = 0.02
HEADS = ("tied", "untied")


@dataclass(frozen=True)
class FirstLossParams(Params):
    """Random ids and random targets; the seed is that of weights and ids."""

    tokens: int = whole(256, 64, 1024, step=64, unit="tokens", primary=True)
    seed: int = seed(primary=True)


class FirstLossResult(TypedDict):
    """Mean nats a token by head, then by the standard deviation of the weights as text."""

    losses: dict[str, dict[str, float]]
    at_usual: float


class FirstLoss(Experiment[FirstLossParams, FirstLossResult]):
    """Fresh weights of several sizes, one forward each."""

    def seconds(self, params: FirstLossParams, device: DeviceClass) -> float:
        return PerDevice(cpu=2.0, cuda=1.5).on(device) + params.tokens * PerDevice(cpu=0.018, cuda=1e-4).on(
            device
        )

    def measure(self, params: FirstLossParams, ctx: Context) -> FirstLossResult:
        """The same random numbers for every size: the weights of one model, multiplied."""
        import torch
        from torch.nn.functional import cross_entropy

        from labs.tools.models import before_each_layer, untrained
        from minimind_core.model.minimind import INIT_STD

        random = torch.Generator().manual_seed(params.seed)
        vocab = ModelConfig().vocab_size
        ids, targets = torch.randint(3, vocab, (2, params.tokens), generator=random).to(ctx.device)
        partials = []
        for number, head in enumerate(HEADS):
            ctx.progress(number / len(HEADS), "building")
            model = untrained(ModelConfig(tie_word_embeddings=head == "tied"), ctx.device, params.seed).eval()
            own = [matrix.detach().clone() for matrix in model.parameters() if matrix.dim() == 2]
            matrices = [matrix for matrix in model.parameters() if matrix.dim() == 2]
            for index, std in enumerate(STDS):
                ctx.progress((number + (index + 1) / (len(STDS) + 1)) / len(HEADS), "std", std=std)
                with torch.inference_mode(), before_each_layer(model, ctx.check_cancelled):
                    for matrix, first in zip(matrices, own, strict=True):
                        matrix.copy_(first).mul_(std / INIT_STD)
                    logits = model(ids[None])[0].float()  # [T, V]
                    partials.append({"head": head, "std": std, "loss": float(cross_entropy(logits, targets))})
                ctx.emit(partials[-1])
        return self.so_far(params, partials)

    def so_far(self, params: FirstLossParams, partials: Partials) -> FirstLossResult:
        """The sizes that were read."""
        losses: dict[str, dict[str, float]] = {head: {} for head in HEADS}
        for partial in partials:
            losses[partial["head"]][str(partial["std"])] = partial["loss"]
        return {"losses": losses, "at_usual": losses["tied"].get(str(USUAL), 0.0)}

    def show(self, result: FirstLossResult, text: Words) -> Shown:
        """`loss`: over the standard deviation, with the formula and the uniform guess."""
        config = ModelConfig()
        uniform = math.log(config.vocab_size)
        expected = {std: uniform + config.hidden_size * std**2 / 2 for std in (0.0, *STDS)}
        figure = Figure()
        figure.line(
            list(expected), list(expected.values()), "formula", text("first.formula"), hover="%{x}: %{y:.3f}"
        )
        figure.line([0, STDS[-1]], [uniform] * 2, "said", text("uniform"), hover="%{y:.3f}")
        for head, symbol in zip(HEADS, ("circle", "diamond-open"), strict=True):
            points = {float(std): loss for std, loss in result["losses"][head].items()}
            figure.marks(
                list(points),
                list(points.values()),
                "measured",
                text(f"first.{head}"),
                symbol=symbol,
                size=10,
                hover="%{x}: %{y:.3f}",
            )
        figure.x_axis(text("axis.std"), span=(0, STDS[-1] * 1.05))
        figure.y_axis(text("axis.loss"), span=(8.5, 11.5))
        rows: list[Row] = [
            {
                text("axis.std"): float(std),
                text("first.formula"): expected[float(std)],
                **{text(f"first.{head}"): result["losses"][head].get(std, "–") for head in HEADS},
            }
            for std in result["losses"]["tied"]
        ]
        if str(USUAL) not in result["losses"]["tied"]:
            return Shown({"loss": figure}, rows)
        return Shown(
            {"loss": figure},
            rows,
            notes=[text("first.sentence", std=USUAL), text("first.change")],
            numbers={text("first.numbers", std=USUAL): result["at_usual"]},
            sentence={
                "said": uniform,
                "formula": expected[USUAL],
                "measured": result["at_usual"],
                "unit": "nats",
            },
        )
