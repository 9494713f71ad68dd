"""Drafts that are trained here, for a small target: what it brings to learn from the target itself.

Three shapes learn on the same text. What a draft is worth is its acceptance and its cost together, and both
are measured here, each shape with its own; `drafts.py` has the costs of such shapes beside the 26M.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, Words, real, whole
from labs.contract.drawing import Figure
from labs.q08_speedup.draft_rules import Cost, speedups
from labs.q08_speedup.speculative_figures import LONGEST, ROOM, SAID_SPEEDUP, gains_by_length
from labs.tools.budgets import PerDevice
from labs.tools.sampler import seed, temperature
from minimind_core.model.config import ModelConfig

if TYPE_CHECKING:
    from labs.q08_speedup.draft_training import Arm
    from minimind_core.files.checkpoint import LoadedModel

TARGET = "nano-rope"
TEXT, SAME = "wide_1_text", "wide_1"
"""The same shape, taught by the text and by the target."""
TEACHERS: dict[str, Literal["text", "target"]] = {
    TEXT: "text",
    SAME: "target",
    "wide_2": "target",
    "narrow_4": "target",
}
DASHES = {TEXT: "dashdot", SAME: "solid", "wide_2": "dash", "narrow_4": "dot"}
ROWS, LENGTH = 16, 64
"""Texts of a batch, and tokens of each."""
PROMPT, OWN = 16, 64
"""Tokens that the target reads, and writes, of each text that is drafted for."""
LOOKS = 8
"""At the acceptance, while they are trained."""
VERIFIED, CACHED = 5, 256
ROUNDS = 100
SECONDS = PerDevice(cpu=2.0, cuda=1.0)
A_STEP = PerDevice(cpu=0.33, cuda=0.05)


@dataclass(frozen=True)
class DistillationParams(Params):
    """`steps` of each draft; `temperature` of the target's own texts, and of the laws that are compared."""

    steps: int = whole(60, 8, 1000, primary=True, label="draft_steps")
    temperature: float = temperature(1.0)
    rate: float = real(0.02, 1e-4, 0.2, step=0.005, label="learning_rate")
    seed: int = seed()


class Counted(TypedDict):
    """Real rounds of the best draft at its best length: tokens of a round, and what they come to."""

    draft: str
    draft_length: int
    rounds: int
    tokens_per_round: float
    speedup: float


class DistillationResult(TypedDict):
    """`acceptance` of each draft after so many `steps`; costs, and the speedup by draft length from 1."""

    steps: list[int]
    acceptance: dict[str, list[float]]
    costs: NotRequired[dict[str, Cost]]
    verify_ratio: NotRequired[float]
    speedup: NotRequired[dict[str, list[float]]]
    counted: NotRequired[Counted]


def shapes_of(target: ModelConfig) -> dict[str, ModelConfig]:
    """One wide layer, two, and four of half the width, which have as many weights as the one."""
    wide = target.replace(num_layers=1)
    narrow = target.replace(
        num_layers=4,
        hidden_size=target.hidden_size // 2,
        num_heads=target.num_heads // 2,
        intermediate_size=7 * target.intermediate_size // 10,
    )
    return {TEXT: wide, SAME: wide, "wide_2": target.replace(num_layers=2), "narrow_4": narrow}


class Distillation(Experiment[DistillationParams, DistillationResult]):
    """Acceptance of drafts while they are trained, and what it comes to at each one's own cost."""

    def seconds(self, params: DistillationParams, device: DeviceClass) -> float:
        return 6.0 + params.steps * A_STEP.on(device)

    def measure(self, params: DistillationParams, ctx: Context) -> DistillationResult:
        """Emits the acceptances at every look; the costs are timed at the end."""
        from labs.q08_speedup import draft_training
        from labs.q08_speedup.speculation import step_costs
        from labs.tools import heldout

        ctx.progress(0.0, "loading")
        loaded, check = ctx.model(TARGET), ctx.check_cancelled
        target, many = loaded.model, ROWS * params.steps
        rows = heldout.windows(
            loaded.tokenizer, heldout.training(), many, LENGTH, params.seed, check
        )  # [N, T + 1]
        prompts = heldout.held_out_windows(loaded.tokenizer, "both", ROWS, PROMPT, ctx, seed=params.seed)
        ctx.progress(0.05, "target_writes")
        written = draft_training.written_by(
            target, prompts[:, :PROMPT].tolist(), OWN, params.temperature, params.seed, check
        )
        arms = draft_training.fresh_arms(target, shapes_of(loaded.config), TEACHERS, params.seed)
        on_progress, seen = ctx.part(0.1, 0.75, "teaching"), []
        looks = {round(params.steps * look / LOOKS) for look in range(LOOKS + 1)}
        training = draft_training.train(target, arms, rows, ROWS, params.steps, params.rate)
        for step in itertools.chain([0], training):
            on_progress(step / params.steps)
            if step in looks:
                seen.append({"step": step, "acceptance": draft_training.acceptances(arms, written)})
                ctx.emit(seen[-1])
        drafts = {name: arm.model.to(target.dtype).eval() for name, arm in arms.items() if name != TEXT}
        costs, verify = step_costs(
            target, drafts, VERIFIED, CACHED, SECONDS.on(ctx.device), ctx.part(0.75, 0.95, "timing")
        )
        result = self.so_far(params, seen)
        costs = {TEXT: costs[SAME], **costs}  # of one shape
        result["costs"], result["verify_ratio"] = costs, verify
        gains = {
            name: speedups(shares[-1], costs[name]["median"], verify, VERIFIED, LONGEST)
            for name, shares in result["acceptance"].items()
        }
        result["speedup"] = gains
        result["counted"] = _counted(loaded, arms, result, params, prompts[0, :PROMPT].tolist(), check)
        return result

    def so_far(self, params: DistillationParams, partials: Partials) -> DistillationResult:
        """The looks that were told, in their order."""
        names = partials[0]["acceptance"] if partials else {}
        return {
            "steps": [partial["step"] for partial in partials],
            "acceptance": {name: [partial["acceptance"][name] for partial in partials] for name in names},
        }

    def show(self, result: DistillationResult, text: Words) -> Shown:
        """`learning`: acceptance by training step; `gain`: what is left of it, by draft length."""
        names = {name: text(f"arm.{name}") for name in result["acceptance"]}
        figures = {"learning": _learning(result, names, text)}
        if "counted" not in result:
            return Shown(figures)
        gains, counted = result["speedup"], result["counted"]
        figures["gain"] = gains_by_length(gains, names, DASHES, text)
        expected = gains[counted["draft"]][counted["draft_length"] - 1]
        return Shown(
            figures,
            rows=[_row(name, names[name], result, text) for name in names],
            notes=_notes(result, names, text),
            numbers={f"{names[name]} ({text('accepted')})": 100 * last(result, name) for name in names},
            sentence={"said": SAID_SPEEDUP, "formula": expected, "measured": counted["speedup"], "unit": "×"},
        )


def last(result: DistillationResult, name: str) -> float:
    """The acceptance of that draft in the end."""
    return result["acceptance"][name][-1]


def _counted(
    loaded: LoadedModel,
    arms: Mapping[str, Arm],
    result: DistillationResult,
    params: DistillationParams,
    prompt: list[int],
    check: Callable[[], None],
) -> Counted:
    """Rounds of the draft that promises most, at its best length; `check` is called after each."""
    from labs.q08_speedup.drafters import ModelDraft
    from labs.q08_speedup.speculation import room, rounds

    gains, end = result["speedup"], loaded.config.eos_id
    best = max(gains, key=lambda name: max(gains[name]))
    length = 1 + gains[best].index(max(gains[best]))
    drafter = ModelDraft(arms[best].model, room(prompt, length, ROUNDS), params.temperature)
    settings = (end, length, ROUNDS, params.temperature, params.seed)
    emitted = []
    for one in rounds(loaded.model, drafter, prompt, *settings):
        check()
        emitted.append(len(one.emitted))
    mean, more = sum(emitted) / ROUNDS, (result["verify_ratio"] - 1) / VERIFIED
    return {
        "draft": best,
        "draft_length": length,
        "rounds": ROUNDS,
        "tokens_per_round": mean,
        "speedup": mean / (length * result["costs"][best]["median"] + 1 + more * length),
    }


def _row(name: str, called: str, result: DistillationResult, text: Words) -> Row:
    cost, gains = result["costs"][name], result["speedup"][name]
    return {
        text("shape"): called,
        text("taught_by"): text(f"teacher.{TEACHERS[name]}"),
        text("share_of_weights"): 100 * cost["weights"],
        text("share_of_layers"): 100 * cost["layers"],
        text("accepted_untrained"): 100 * result["acceptance"][name][0],
        text("accepted"): 100 * last(result, name),
        text("draft_cost"): f"{cost['median']:.3f} ({cost['low']:.3f}–{cost['high']:.3f})",
        text("best_length"): 1 + gains.index(max(gains)),
        text("gain"): max(gains),
    }


def _notes(result: DistillationResult, names: Mapping[str, str], text: Words) -> list[str]:
    """What the three numbers are, what the teacher decides, and what the shape does."""
    counted, gains = result["counted"], result["speedup"]
    taught, same = last(result, TEXT), last(result, SAME)
    deepest = max(names, key=lambda name: last(result, name))
    best = counted["draft"]
    return [
        text(
            "distillation.sentence",
            draft=names[best],
            length=counted["draft_length"],
            rounds=counted["rounds"],
            tokens=f"{counted['tokens_per_round']:.2f}",
        ),
        text(
            "distillation.better" if same > taught else "distillation.not_better",
            steps=result["steps"][-1],
            text=f"{100 * taught:.1f}",
            target=f"{100 * same:.1f}",
        ),
        text(
            "distillation.shapes",
            deepest=names[deepest],
            kept=f"{100 * last(result, deepest):.1f}",
            most=f"{max(gains[deepest]):.2f}",
            best=names[best],
            best_most=f"{max(gains[best]):.2f}",
        ),
    ]


def _learning(result: DistillationResult, names: Mapping[str, str], text: Words) -> Figure:
    """A line a draft, named at its end."""
    figure, steps = Figure(), result["steps"]
    for name, shares in result["acceptance"].items():
        figure.line(
            steps,
            [100 * share for share in shares],
            "measured",
            names[name],
            size=6,
            hover="%{x}: %{y:.1f}%",
            line={"dash": DASHES[name]},
            showlegend=False,
        )
    ends = [(steps[-1], 100 * last(result, name), names[name]) for name in names]
    top = 1.15 * max(100 * max(shares) for shares in result["acceptance"].values())
    figure.name_ends(ends, 0, top, log=False)
    figure.x_axis(text("axis.training_step"), span=(0, ROOM * max(steps[-1], 1)))
    figure.y_axis(text("axis.accepted"), span=(0, top))
    return figure
