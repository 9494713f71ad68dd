"""Two processes train together, and one meets a batch without targets: what each guard does to both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, cast

from labs.contract import Context, Data, DeviceClass, Experiment, Params, Partials, Row, Shown, Words
from labs.contract.drawing import Figure, Role
from labs.contract.fields import ParamError, switch, whole
from labs.tools.budgets import PerDevice

GUARDS: dict[str, tuple[Role, str]] = {
    "disconnected_zero": ("said", "x"),
    "skip": ("removed", "diamond-open"),
    "masked_mean": ("peer", "square"),
    "clamped": ("measured", "circle"),
}
"""How each is drawn; the first is what is commonly said."""
RANK = "labs.q02_empty_text.rank_process"
SAME = 1e-6
"""Weights closer than this are the same: the two ranks compute one average."""


@dataclass(frozen=True)
class TwoRanksParams(Params):
    """Rank 0 meets the empty batch."""

    steps: int = whole(6, 3, 12, primary=True)
    empty_at: int = whole(2, 1, 11, primary=True)
    buffers: bool = switch(False)

    def check_together(self) -> None:
        """At least one ordinary step follows the empty one."""
        if self.empty_at >= self.steps:
            raise ParamError(
                "together",
                "empty_at",
                f"The empty batch must come before step {self.steps}, the last one.",
                key="q02.empty_at.together",
                steps=self.steps,
            )


class Story(TypedDict):
    """What became of a guard. `distance` is the largest difference of a weight after each step that both
    have made, None where one is NaN; `first_step_apart` is the first step with one, 0 if there is none."""

    all_reduces: list[list[int]]
    """By rank, the step of every all-reduce that it launched."""
    losses: list[list[float | None]]
    distance: list[float | None]
    first_step_apart: int
    nan_ranks: int
    ended: list[str]
    error: str


class TwoRanksResult(TypedDict, total=False):
    """By guard; a guard that was not run yet is missing."""

    backend: str
    steps: int
    empty_at: int
    buffers: bool
    disconnected_zero: Story
    skip: Story
    masked_mean: Story
    clamped: Story


class TwoRanks(Experiment[TwoRanksParams, TwoRanksResult]):
    """A tiny model under DistributedDataParallel in two real processes, once for each guard."""

    def seconds(self, params: TwoRanksParams, device: DeviceClass) -> float:
        """Starting processes that import torch is nearly all of it."""
        return len(GUARDS) * (PerDevice(cpu=7.0, cuda=12.0).on(device) + 0.05 * params.steps)

    def formula(self, params: TwoRanksParams) -> Data:
        """A rank that launches no all-reduce is apart from then on; broadcasts of buffers stop both first."""
        return {"disconnected_zero": {"first_step_apart": 0 if params.buffers else params.empty_at}}

    def measure(self, params: TwoRanksParams, ctx: Context) -> TwoRanksResult:
        """One pair of processes after the other: NCCL on two GPUs, else gloo on the CPU."""
        import torch

        from labs.tools.rank_pair import run_pair

        nccl = ctx.device == "cuda" and torch.cuda.device_count() > 1
        told = {
            "steps": params.steps,
            "empty_at": params.empty_at,
            "buffers": params.buffers,
            "device": "cuda" if nccl else "cpu",
        }
        result: TwoRanksResult = {"backend": "NCCL" if nccl else "gloo", **_settings(params)}
        for index, guard in enumerate(GUARDS):
            start, end = index / len(GUARDS), (index + 1) / len(GUARDS)
            on_progress = ctx.part(start, end, "two_ranks", done=index + 1, total=len(GUARDS))
            story = _story(run_pair(RANK, told | {"guard": guard}, params.steps, on_progress))
            result[guard] = story  # type: ignore[literal-required]
            ctx.emit(dict(result))
        return result

    def so_far(self, params: TwoRanksParams, partials: Partials) -> TwoRanksResult:
        return cast(TwoRanksResult, partials[-1])

    def show(self, result: TwoRanksResult, text: Words) -> Shown:
        """Which all-reduces met, for the new zero; and how far apart the ranks were, for every guard."""
        stories = _stories(result)
        zero = result["disconnected_zero"]
        rows: list[Row] = [
            {
                text("guard"): text(f"guard.{guard}"),
                text("first_apart"): story["first_step_apart"] or "–",
                text("all_reduces"): " / ".join(str(len(steps)) for steps in story["all_reduces"]),
                text("nan_ranks"): story["nan_ranks"],
                text("ended"): " / ".join(text(f"ended.{how}") for how in story["ended"]),
                text("error"): story["error"] or "–",
            }
            for guard, story in stories.items()
        ]
        launched, steps = len(zero["all_reduces"][0]), result["steps"]
        other_guards = "note.other_guards_buffers" if result["buffers"] else "note.other_guards"
        queued = [text("note.queued")] if result["buffers"] and result["backend"] == "NCCL" else []
        return Shown(
            {"pairing": _pairing(zero, result, text), "distance": _distance(stories, result["steps"], text)},
            rows,
            notes=[
                text("two_ranks.sentence", **result),
                text("two_ranks.change"),
                text(other_guards),
                *queued,
            ],
            numbers={
                f"{text('first_apart')}, {text(f'guard.{guard}')}": story["first_step_apart"]
                for guard, story in stories.items()
            },
            sentence={
                "said": steps,
                "formula": _launched(result),
                "measured": launched,
                "unit": text("two_ranks.unit"),
            },
        )


def _launched(result: TwoRanksResult) -> int:
    """All-reduces that rank 0 launches with the new zero, by counting.

    With buffers it waits in the broadcast after its guard; over NCCL, which only queues, one step later.
    """
    if not result["buffers"]:
        return result["steps"] - 1
    return result["empty_at"] - 1 + int(result["backend"] == "NCCL")


def _settings(params: TwoRanksParams) -> Any:
    return {"steps": params.steps, "empty_at": params.empty_at, "buffers": params.buffers}


def _stories(result: TwoRanksResult) -> dict[str, Story]:
    return {guard: result[guard] for guard in GUARDS if guard in result}  # type: ignore[literal-required]


def _story(ranks: Sequence[Any]) -> Story:
    """Both ranks' own stories as one."""
    distance: list[float | None] = []
    weights = [[report["weights"] for report in rank["reports"]] for rank in ranks]
    for first, second in zip(*weights, strict=False):
        gaps = [abs(a - b) for a, b in zip(first, second, strict=True)]
        distance.append(None if any(gap != gap for gap in gaps) else max(gaps))
    apart = [step for step, gap in enumerate(distance, 1) if gap is not None and gap > SAME]
    lost = [any(value != value for value in steps[-1]) for steps in weights if steps]
    return {
        "all_reduces": [rank["all_reduces"] for rank in ranks],
        "losses": [[_finite(report["loss"]) for report in rank["reports"]] for rank in ranks],
        "distance": distance,
        "first_step_apart": apart[0] if apart else 0,
        "nan_ranks": sum(lost),
        "ended": [rank["ended"] for rank in ranks],
        "error": next((rank["error"] for rank in ranks if rank["error"]), ""),
    }


def _finite(loss: float) -> float | None:
    return loss if loss == loss else None


def _pairing(story: Story, result: TwoRanksResult, text: Words) -> Figure:
    """Two lanes of steps; a line joins the all-reduces that met, slanted where they belong to two steps."""
    figure, lanes = Figure(height=260), [text("rank", rank=0), text("rank", rank=1)]
    first, second = story["all_reduces"]
    drawn: set[bool] = set()
    for mine, other in zip(first, second, strict=False):
        same = mine == other
        figure.line(
            [mine, other],
            lanes,
            "measured" if same else "said",
            text("met" if same else "met_another"),
            hover="%{y}: %{x}",
            symbol="circle" if same else "x",
            size=11,
            showlegend=same not in drawn,
            legendgroup=str(same),
        )
        drawn.add(same)
    both, short = sorted((first, second), key=len, reverse=True)
    if alone := both[len(short) :]:
        lane = lanes[0] if both is first else lanes[1]
        figure.marks(
            alone,
            [lane] * len(alone),
            "removed",
            text("alone"),
            hover="%{y}: %{x}",
            symbol="circle-open",
            size=15,
        )
    figure.marks(
        [result["empty_at"]],
        [lanes[0]],
        "peer",
        text("empty_batch"),
        hover="%{x}",
        symbol="square-open",
        size=18,
    )
    steps = range(1, result["steps"] + 1)
    figure.x_axis(text("axis.step"), ticks={step: str(step) for step in steps}, span=(0.5, steps[-1] + 0.5))
    figure.y_axis(category=True, categoryorder="array", categoryarray=lanes[::-1])
    return figure


def _distance(stories: dict[str, Story], steps: int, text: Words) -> Figure:
    """The largest difference between the ranks' weights after each step; NaN weights have none."""
    figure = Figure(height=280)
    top = max([0.05, *[gap for story in stories.values() for gap in story["distance"] if gap is not None]])
    for guard, (role, symbol) in reversed(GUARDS.items()):  # what is commonly said lies on top
        if guard not in stories:
            continue
        gaps = stories[guard]["distance"]
        places = range(1, len(gaps) + 1)
        figure.line(
            places,
            gaps,
            role,
            text(f"guard.{guard}"),
            hover="%{x}: %{y:.3f}",
            symbol=symbol,
            size=16 if guard == "skip" else 9,
        )
    figure.x_axis(text("axis.step"), span=(0.5, steps + 0.5), dtick=1)
    figure.y_axis(text("axis.distance"), span=(-0.05 * top, 1.15 * top))
    return figure
