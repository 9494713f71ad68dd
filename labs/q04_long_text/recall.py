"""Small models that learn here to look facts up: what of that is left in longer texts, read in five ways.

Perplexity hides it and the shipped models were never trained to recall. These are: at one length, until they
find every fact of it, or it is said that they did not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Required, TypedDict

import numpy as np
from numpy.typing import NDArray

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, Words, choice, whole
from labs.q04_long_text import recall_figures as figures
from labs.q04_long_text import recall_sizes as sizes
from labs.q04_long_text.recall_scores import Arm, farthest, summary
from labs.q04_long_text.recall_sizes import ARMS, QUESTIONS, SEEDS, TIMES, TRAINED, reach_back
from labs.tools.budgets import PerDevice
from labs.tools.sampler import seed

if TYPE_CHECKING:
    from torch import nn

    from labs.q04_long_text.recall_training import Answer, Asked, Plan

TOLD = 25
"""Points of a live curve."""
SECONDS_A_STEP = PerDevice(cpu=0.045, cuda=0.006)
SECONDS_A_TOKEN = PerDevice(cpu=1e-5, cuda=2e-7)
"""Of a text that is only read."""


@dataclass(frozen=True)
class RecallParams(Params):
    """`window` 0 is a quarter of the trained length, `steps` 0 as many as suit the device."""

    window: int = choice(0, (0, 8, 16, 32, 64, 128), primary=True, label="recall_window")
    steps: int = whole(0, 0, 3000, step=50, primary=True, label="recall_steps")
    seed: int = seed()
    arm: str = choice("window", tuple(ARMS), primary=True, view=True)

    def window_on(self, device: str) -> int:
        """Keys a token looks at in the arm with window attention."""
        return self.window or TRAINED.on(device) // 4

    def steps_on(self, device: str) -> int:
        """Training steps of an arm on a device."""
        return self.steps or sizes.STEPS.on(device)

    def tuned_steps_on(self, device: str) -> int:
        """Steps of the fine-tuning."""
        return max(1, self.steps_on(device) // sizes.TUNED_SHARE)


class Curve(TypedDict):
    """Recall in percent and loss in nats by step, of rows that were not trained on yet."""

    steps: NDArray[np.float32]
    percent: NDArray[np.float32]
    nats: NDArray[np.float32]


class View(TypedDict):
    """The arm whose map is drawn."""

    arm: str


class RecallResult(TypedDict, total=False):
    """`reach` is how many tokens back the window's arm can look at most, `farthest` how far it really found.

    `own` and `longest` are percent at the trained length and at the longest, by arm.
    """

    curves: Required[dict[str, Curve]]
    trained: Required[int]
    lengths: Required[list[int]]
    window: Required[int]
    reach: Required[int]
    steps: Required[int]
    arms: dict[str, Arm]
    own: dict[str, float]
    longest: dict[str, float]
    farthest: int
    seeds: int
    parameters: int
    questions: int
    tuned_length: int
    tuned_steps: int
    chunk: int
    view: View


class Recall(Experiment[RecallParams, RecallResult]):
    """Four trainings and a stretch: full attention, YaRN, YaRN tuned, window attention, two levels."""

    def seconds(self, params: RecallParams, device: DeviceClass) -> float:
        steps = 3 * params.steps_on(device) + params.tuned_steps_on(device)
        read = len(ARMS) * QUESTIONS.on(device) / sizes.KEYS * TRAINED.on(device) * sum(TIMES.on(device))
        once = steps * SECONDS_A_STEP.on(device) + read * SECONDS_A_TOKEN.on(device)
        return 2 + SEEDS.on(device) * once

    def measure(self, params: RecallParams, ctx: Context) -> RecallResult:
        """Every seed trains all arms; the curves of the first are told while it learns."""
        from labs.q04_long_text.recall_training import shape
        from minimind_core.model.cost import num_parameters

        ctx.progress(0.0, "building")
        partials: list[dict[str, Any]] = []
        seeds = [_one_seed(params, ctx, turn, partials) for turn in range(SEEDS.on(ctx.device))]
        trained, window = TRAINED.on(ctx.device), params.window_on(ctx.device)
        arms = {arm: summary([asked[arm] for asked in seeds], arm, window, trained) for arm in ARMS}
        return {
            **self.so_far(params, partials),
            "arms": arms,
            "own": {arm: found["by_length"][0] for arm, found in arms.items()},
            "longest": {arm: found["by_length"][-1] for arm, found in arms.items()},
            "farthest": farthest(arms["window"]["by_distance"], trained),
            "seeds": len(seeds),
            "parameters": num_parameters(shape(trained)),
            "questions": QUESTIONS.on(ctx.device),
            "tuned_length": trained * sizes.TUNED_TIMES.on(ctx.device),
            "tuned_steps": params.tuned_steps_on(ctx.device),
            "chunk": trained // sizes.CHUNKS,
        }

    def so_far(self, params: RecallParams, partials: Partials) -> RecallResult:
        """The curves as far as they go."""
        device, by_arm = partials[0]["device"], dict.fromkeys(partial["arm"] for partial in partials)
        curves: dict[str, Curve] = {}
        for arm in by_arm:
            told = [partial for partial in partials if partial["arm"] == arm]
            curves[arm] = {
                "steps": np.array([one["step"] for one in told], np.float32),
                "percent": np.array([one["percent"] for one in told], np.float32),
                "nats": np.array([one["nats"] for one in told], np.float32),
            }
        window, trained = params.window_on(device), TRAINED.on(device)
        return {
            "curves": curves,
            "trained": trained,
            "lengths": [trained * times for times in TIMES.on(device)],
            "window": window,
            "reach": reach_back(window),
            "steps": params.steps_on(device),
        }

    def view(self, params: RecallParams, result: RecallResult) -> View:
        """Which arm's map."""
        return {"arm": params.arm}

    def show(self, result: RecallResult, text: Words) -> Shown:
        """`lengths`: recall by length; `map`: of one arm by depth too; `distance`: the wall; `learning`."""
        learning = figures.learning(result, text)
        if "arms" not in result:
            return Shown({"learning": learning})
        rows: list[Row] = [
            {
                text("column.arm"): text(f"arm.{arm}"),
                **{
                    f"{length:,} (%)": percent
                    for length, percent in zip(result["lengths"], found["by_length"], strict=True)
                },
                text("column.seeds"): f"{found['low']:.0f}–{found['high']:.0f}",
                text("column.learned"): f"{found['learned']} / {result['seeds']}",
            }
            for arm, found in result["arms"].items()
        ]
        return Shown(
            {
                "lengths": figures.lengths(result, text),
                "map": figures.heat_map(result, text),
                "distance": figures.distance(result, text),
                "learning": learning,
            },
            rows,
            figures.notes(result, text),
            numbers={
                f"{text(f'arm.{arm}')}, {result['lengths'][-1]:,} (%)": percent
                for arm, percent in result["longest"].items()
            },
            sentence={
                "said": float(result["trained"]),
                "formula": float(result["reach"]),
                "measured": float(result["farthest"]),
                "unit": text("needle.unit"),
            },
        )


def _one_seed(
    params: RecallParams, ctx: Context, turn: int, partials: list[dict[str, Any]]
) -> dict[str, list[Asked]]:
    """Train all arms from one seed and ask each at every length; of the first the curves are emitted."""
    from labs.q04_long_text import recall_training as training

    device, trained, seed = ctx.device, TRAINED.on(ctx.device), params.seed + turn
    steps, done = 3 * params.steps_on(device) + params.tuned_steps_on(device), 0

    def learn(arm: str, module: nn.Module, answer: Answer, plan: Plan) -> Answer:
        nonlocal done
        every = max(1, plan.steps // TOLD)
        for step, nats, share in training.train(module, answer, plan, seed, device):
            ctx.check_cancelled()
            if step % every == 0 or step == plan.steps:
                part = (turn + 0.9 * (done + step) / steps) / SEEDS.on(device)
                ctx.progress(part, f"learning_{arm}", step=step, steps=plan.steps)
                if turn == 0:
                    told = {"step": step, "percent": 100 * float(share), "nats": float(nats)}
                    partials.append({"arm": arm, "device": device, **told})
                    ctx.emit(partials[-1])
        done += plan.steps
        return answer

    plan, tuning = _plans(params, device)
    full, local = (training.fresh_model(trained, device, seed) for _ in range(2))
    levels = training.fresh_levels(trained, device, seed)
    answers = {"full": learn("full", full, training.reader(full), plan)}
    stretched, tuned = (training.with_yarn(full, TIMES.on(device)[-1]) for _ in range(2))
    answers |= {
        "yarn": training.reader(stretched),
        "tuned": learn("tuned", tuned, training.reader(tuned), tuning),
        "window": learn("window", local, training.reader(local, params.window_on(device)), plan),
        "hierarchy": learn("hierarchy", levels, training.hierarchy(levels), plan),
    }
    ctx.progress((turn + 0.9) / SEEDS.on(device), "asking")
    return {
        arm: [
            training.ask(
                answer, trained * times, QUESTIONS.on(device), sizes.TEXT_SEED, device, ctx.check_cancelled
            )
            for times in TIMES.on(device)
        ]
        for arm, answer in answers.items()
    }


def _plans(params: RecallParams, device: str) -> tuple[Plan, Plan]:
    """How an arm is trained from nothing, and how the one with YaRN is tuned on longer texts."""
    from labs.q04_long_text.recall_training import Plan

    trained = TRAINED.on(device)
    learning = Plan(params.steps_on(device), sizes.RATE, sizes.ROWS.on(device), trained)
    tuning = Plan(
        params.tuned_steps_on(device),
        sizes.TUNED_RATE,
        sizes.TUNED_ROWS.on(device),
        trained * sizes.TUNED_TIMES.on(device),
        short_first=False,
    )
    return learning, tuning
