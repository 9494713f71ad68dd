"""Four ways to sample wrongly that circulate, in our own spelling, kept to be seen failing.

They run on the CPU on any device: on a GPU the wrong index is a device assert, which ends the process.

Shapes: B rows, V vocabulary ids.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from labs.contract import Context, Experiment, Figure, Numbers, Params, Role, Shown, Words, real, whole
from labs.q13_sampling.claims import given

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class BugsParams(Params):
    """The size of the batch that is wiped out, and the repetition penalty whose sign goes wrong."""

    rows: int = whole(16, 6, 64, primary=True)
    penalty: float = real(1.2, 1, 2, step=0.05, label="repetition_penalty", primary=True)


class Case(TypedDict):
    """One call that was made, and what came of it."""

    bug: str
    case: str
    input: list[int]
    """The shape."""
    outcome: str
    """ "numbers", "nan" (some are), or the name of the exception."""
    said: str
    """The exception's own words, to the first line break."""


class BugsResult(TypedDict):
    """Every call, and what came of the batch and of the penalised token."""

    cases: list[Case]
    rows: int
    row_sums: dict[str, list[float]]
    """The mass of each of B rows of six ids, "wiped", "shared" and "right": 1 where it is right."""
    wiped_rows: int
    log_probability_shift: float
    """What the sum over the batch adds to every log-probability, in nats."""
    penalty: dict[Literal["probability"], Numbers]
    """Of a seen token: "before", "divided" and "right"."""


class Bugs(Experiment[BugsParams, BugsResult]):
    """Four mistakes of sampling codes, run for real."""

    takes = 0.1

    def measure(self, params: BugsParams, ctx: Context) -> BugsResult:
        """Calls each mistake on inputs that it survives and on inputs that it does not."""
        import torch

        from minimind_core.decoding.sampling import apply_repetition_penalty, filter_logits

        cases: list[Case] = []

        def call(bug: str, case: str, function: Callable[..., Tensor], logits: Tensor, *more: Any) -> Any:
            ctx.progress(len(cases) / 10, "wrong")
            value, outcome, said = attempt(function, logits, *more)
            shape = list(logits.shape)
            cases.append({"bug": bug, "case": case, "input": shape, "outcome": outcome, "said": said})
            return value

        random = torch.Generator().manual_seed(0)
        for case, shape in {"vector": [6400], "one_row": [1, 6400], "eight_rows": [8, 6400]}.items():
            call("index", case, circulating_function, torch.randn(shape, generator=random), 0.8, 0.9)
        logits = -10 * torch.eye(6).repeat(11, 1)[: params.rows]  # [B, 6], each id is least likely in a row
        call("index", "six_rows", circulating_function, logits[:6], 0.8, 0.9)
        wiped = call("index", "more_rows", circulating_function, logits, 0.8, 0.9)
        shared = call("batch_sum", "more_rows", normalized_over_batch, logits, 0.8, 0.9)
        call("index", "draw", torch.multinomial, wiped, 1)
        right = filter_logits(logits, 0.8, top_p=0.9)  # [B, 6]
        batches = {"wiped": wiped, "shared": shared, "right": right}

        before, seen = torch.tensor([1.0, 0.0, -2.0]), torch.tensor([False, False, True])
        divided = call("penalty", "negative", divided_penalty, before, seen, params.penalty)
        multiplied = apply_repetition_penalty(before, seen, params.penalty)
        penalized = {"before": before, "divided": divided, "right": multiplied}

        example = torch.tensor([float(number) for number in given("logits")])
        shares = call("zero", "divided", torch.softmax, example / 0.0, -1)
        call("zero", "draw", torch.multinomial, shares, 1)
        return {
            "cases": cases,
            "rows": params.rows,
            "row_sums": {name: batch.sum(-1).tolist() for name, batch in batches.items()},
            "wiped_rows": int((wiped.nan_to_num() == 0).all(-1).sum()),
            "log_probability_shift": float((shared / right).nanmean().log()),
            "penalty": {"probability": {name: float(z.softmax(-1)[-1]) for name, z in penalized.items()}},
        }

    def show(self, result: BugsResult, text: Words) -> Shown:
        """What each row's probabilities add up to, and a seen token before and after the penalty."""
        return Shown(
            {"sums": _sums(result, text), "penalty": _penalty(result, text)},
            rows=[
                {
                    text("bugs.bug"): text(f"bugs.{case['bug']}"),
                    text("bugs.call"): text(f"bugs.case.{case['case']}"),
                    text("bugs.shape"): str(case["input"]),
                    text("bugs.outcome"): ": ".join(filter(None, (case["outcome"], case["said"]))),
                }
                for case in result["cases"]
            ],
            notes=[text("bugs.sentence")],
            numbers={
                text("bugs.wiped_rows"): result["wiped_rows"],
                text("bugs.shift"): result["log_probability_shift"],
            },
            sentence={
                "said": 1,
                "formula": 1 / result["rows"],
                "measured": result["row_sums"]["shared"][0],
                "unit": "",
            },
        )


def circulating_function(logits: Tensor, temperature: float, top_p: float) -> Tensor:
    """Probabilities [V] as they should be; of logits [B, V] an IndexError, or rows wiped out."""
    probabilities = (logits / temperature).softmax(-1)
    ordered, ids = probabilities.sort(descending=True)
    drop = ordered.cumsum(-1) > top_p
    drop[..., 1:] = drop[..., :-1].clone()
    drop[..., 0] = False
    probabilities[ids[drop]] = 0.0  # flat ids, used on the first dimension
    return probabilities / probabilities.sum()


def normalized_over_batch(logits: Tensor, temperature: float, top_p: float) -> Tensor:
    """Cut along the right dimension, then divided by one sum for the whole batch [B, V]."""
    probabilities = (logits / temperature).softmax(-1)
    ordered, ids = probabilities.sort(descending=True)
    ordered[ordered.cumsum(-1) - ordered >= top_p] = 0.0
    kept = probabilities.new_zeros(probabilities.shape).scatter(-1, ids, ordered)
    return kept / kept.sum()  # no dim=-1, keepdim=True


def divided_penalty(logits: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Logits [*, V] with the seen ones divided, whatever their sign: a negative one rises."""
    return (logits / penalty).where(seen, logits)


def attempt(function: Callable[..., Tensor], *arguments: Any) -> tuple[Tensor | None, str, str]:
    """Call it for real; returns its value, and outcome and words as in `Case`.

    Only what these mistakes raise is caught; anything else is our own error.
    """
    try:
        value = function(*arguments)
    except (IndexError, RuntimeError) as error:
        return None, type(error).__name__, str(error).partition("\n")[0]
    return value, "nan" if bool(value.isnan().any()) else "numbers", ""


def _sums(result: BugsResult, text: Words) -> Figure:
    figure, rows, sums = Figure(), range(1, result["rows"] + 1), result["row_sums"]
    drawn: tuple[tuple[str, Role, str], ...] = (
        ("wiped", "measured", "circle"),
        ("shared", "said", "diamond-open"),
    )
    for name, role, symbol in drawn:
        figure.marks(
            rows, sums[name], role, text(f"bugs.{name}"), symbol=symbol, size=9, hover="%{x}: %{y:.3g}"
        )
    figure.line(rows, sums["right"], "formula", text("bugs.right"))
    figure.x_axis(text("axis.row"))
    figure.y_axis(text("axis.sum"), span=(-0.05, 1.1))
    return figure


def _penalty(result: BugsResult, text: Words) -> Figure:
    shares = result["penalty"]["probability"]
    roles: dict[str, Role] = {"before": "peer", "divided": "said", "right": "measured"}
    figure = Figure(height=170)
    for name, role in roles.items():
        figure.bars(
            [shares[name]],
            [text(f"bugs.penalty.{name}")],
            role,
            labels=" {:.2%}",
            horizontal=True,
            showlegend=False,
        )
    figure.x_axis(hidden=True, span=(0, 1.25 * max(shares.values())))
    figure.y_axis(reverse=True, showgrid=False)
    return figure
