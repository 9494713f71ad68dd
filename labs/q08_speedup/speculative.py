"""Speculative decoding with our one-layer draft: what is kept, what a round yields, which rule is exact.

The costs are those of single passes timed side by side, so the speedup is yield over cost, not the wall time
of the loop here, which is plain Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NotRequired, TypedDict

import numpy as np

from labs.claims.checks import given_list
from labs.contract import Context, DeviceClass, Experiment, Params, Shown, Words, real, text, whole
from labs.contract.drawing import Figure
from labs.q08_speedup.draft_rules import CRITICAL, RULES, chi_square, speedup, tokens_per_round
from labs.tools.budgets import PerDevice
from labs.tools.sampler import seed, temperature
from minimind_core.errors import ConfigError
from questions import load_question

DRAFT = "draft-1l"
CACHED = 512
DRAWS = 20_000
SECONDS = PerDevice(cpu=2.0, cuda=0.6, mps=1.5)
LONGEST = 16
SENTENCE = f"Draft length must be 1-{LONGEST}; longer drafts are almost never accepted."
SAID_SPEEDUP = 2.5
"""The middle of "2 to 3 times"."""


@dataclass(frozen=True)
class SpeculativeParams(Params):
    """`acceptance` is the formula's alone; the run has its own."""

    draft_length: int = whole(5, 1, LONGEST, primary=True, sentence=SENTENCE)
    acceptance: float = real(0.7, 0, 1, step=0.05, primary=True)
    temperature: float = temperature(1.0)
    prompt: str = text("Once upon a time")
    rounds: int = whole(80, 1, 1000)
    seed: int = seed()


class Formula(TypedDict):
    """Tokens of a round at the given acceptance: at this draft length, and by length from 1."""

    tokens_per_round: float
    curve: list[float]


class Laws(TypedDict):
    """First tokens by each rule on the question's example, and their statistic against the target's law."""

    target: list[float]
    shares: dict[str, list[float]]
    statistic: dict[str, float]
    critical: float
    draws: int


class SpeculativeResult(TypedDict):
    """`kept` of the drafts by place, of those `tried` there; costs and speedup in units of a plain step."""

    formula: Formula
    draft_length: int
    acceptance: float
    """The formula's."""
    kept: NotRequired[list[float]]
    tried: NotRequired[list[int]]
    measured_acceptance: NotRequired[float]
    tokens_per_round: NotRequired[float]
    verify_ratio: NotRequired[float]
    draft_ratio: NotRequired[float]
    speedup: NotRequired[dict[str, float]]
    """By draft length, with the measured acceptance and costs."""
    laws: NotRequired[Laws]


class Speculative(Experiment[SpeculativeParams, SpeculativeResult]):
    """Acceptance by place, cost of the passes, and the law of two rules."""

    drawn_by_formula = True

    def seconds(self, params: SpeculativeParams, device: DeviceClass) -> float:
        a_round = PerDevice(cpu=0.012 + 0.006 * params.draft_length, cuda=0.02 + 0.003 * params.draft_length)
        return 4.0 + params.rounds * a_round.on(device)

    def formula(self, params: SpeculativeParams) -> SpeculativeResult:
        curve = [tokens_per_round(params.acceptance, length) for length in range(1, LONGEST + 1)]
        return {
            "formula": {"tokens_per_round": curve[params.draft_length - 1], "curve": curve},
            "draft_length": params.draft_length,
            "acceptance": params.acceptance,
        }

    def measure(self, params: SpeculativeParams, ctx: Context) -> SpeculativeResult:
        """Emits nothing; the rounds are written, then the passes timed."""
        from labs.q08_speedup.speculation import passes, rounds
        from labs.tools.interleaved import interleaved, ratios

        ctx.progress(0.0, "loading")
        target, draft = ctx.model(), ctx.model(DRAFT)
        sizes = target.model.config.vocab_size, draft.model.config.vocab_size
        if sizes[0] != sizes[1]:
            raise ConfigError(
                f"Draft and target must share one tokenizer: {sizes[1]:,} against {sizes[0]:,} entries.",
                key="q08.vocabulary",
                draft=sizes[1],
                target=sizes[0],
            )
        length, on_progress = params.draft_length, ctx.part(0.05, 0.7, "drafting")
        emitted = []
        for one in rounds(
            target.model,
            draft.model,
            target.prompt_ids(params.prompt),
            target.tokenizer.eos_id,
            length,
            params.rounds,
            params.temperature,
            params.seed,
        ):
            emitted.append(len(one))
            on_progress(len(emitted) / params.rounds)
        tried = [sum(count > place for count in emitted) for place in range(length)]
        kept = [sum(count > place + 1 for count in emitted) for place in range(length)]
        acceptance = sum(kept) / sum(tried)
        on_progress = ctx.part(0.7, 1.0, "timing")
        ways = passes(target.model, draft.model, length, CACHED)
        times = interleaved(ways, ctx.device, SECONDS.on(ctx.device), on_progress)
        verify, cost = (ratios(times[name], times["plain"]) for name in ("verify", "draft"))
        a_token = (verify["median"] - 1) / length
        return {
            **self.formula(params),
            "kept": [some / many if many else 0.0 for some, many in zip(kept, tried, strict=True)],
            "tried": tried,
            "measured_acceptance": acceptance,
            "tokens_per_round": sum(emitted) / len(emitted),
            "verify_ratio": verify["median"],
            "draft_ratio": cost["median"],
            "speedup": {
                str(k): speedup(acceptance, k, cost["median"], 1 + a_token * k) for k in range(1, LONGEST + 1)
            },
            "laws": laws(params.seed),
        }

    def show(self, result: SpeculativeResult, text: Words) -> Shown:
        """`yield`: tokens a round by draft length; `kept`: by place; `law`: of two rules on the example."""
        figures = {"yield": _yield(result, text)}
        if "laws" not in result:
            return Shown(figures)
        figures |= {
            "speedup": _speedup(result, text),
            "kept": _kept(result, text),
            "law": _law(result["laws"], text),
        }
        length, gains = result["draft_length"], result["speedup"]
        own = tokens_per_round(result["measured_acceptance"], length)
        return Shown(
            figures,
            rows=[
                {
                    text("place"): place + 1,
                    text("tried"): tried,
                    text("axis.kept"): f"{share:.3f}" if tried else "",
                }
                for place, (tried, share) in enumerate(zip(result["tried"], result["kept"], strict=True))
            ],
            notes=_notes(result, result["laws"], text),
            numbers={
                text("axis.yield"): result["tokens_per_round"],
                text("verify"): result["verify_ratio"],
                text("draft_cost"): result["draft_ratio"],
                text("gain"): gains[str(length)],
            },
            sentence={
                "said": length * result["measured_acceptance"],
                "formula": own,
                "measured": result["tokens_per_round"],
                "unit": "",
            },
        )


def _notes(result: SpeculativeResult, found: Laws, text: Words) -> list[str]:
    """What the three numbers are, what the passes cost, and what the rules emitted."""
    length, gains = result["draft_length"], result["speedup"]
    best = max(gains, key=gains.__getitem__)
    return [
        text(
            "speculative.sentence",
            length=length,
            rounds=result["tried"][0],
            acceptance=f"{result['measured_acceptance']:.2f}",
        ),
        text(
            "speculative.cost",
            draft=f"{result['draft_ratio']:.2f}",
            verify=f"{result['verify_ratio']:.2f}",
            length=length,
            here=f"{gains[str(length)]:.2f}",
            best=best,
            most=f"{gains[best]:.2f}",
        ),
        text("speculative.law", critical=found["critical"], draws=found["draws"], **_statistics(found)),
    ]


def laws(seed: int) -> Laws:
    """Draws by both rules where the question says what target and draft are."""
    question = load_question("q08_speedup")
    p, q = (np.array(given_list(question, name), float) for name in ("target", "draft"))
    random = np.random.default_rng(seed)
    counts = {name: np.bincount(rule(p, q, DRAWS, random), minlength=len(p)) for name, rule in RULES.items()}
    return {
        "target": p.tolist(),
        "shares": {name: (count / DRAWS).tolist() for name, count in counts.items()},
        "statistic": {name: chi_square(count, p) for name, count in counts.items()},
        "critical": CRITICAL,
        "draws": DRAWS,
    }


def _statistics(found: Laws) -> dict[str, str]:
    return {name: f"{value:.1f}" for name, value in found["statistic"].items()}


def _yield(result: SpeculativeResult, text: Words) -> Figure:
    figure, curves = Figure(), {result["acceptance"]: result["formula"]["curve"]}
    lengths = list(range(1, LONGEST + 1))
    if "measured_acceptance" in result:
        here = result["measured_acceptance"]
        curves[here] = [tokens_per_round(here, length) for length in lengths]
        figure.marks(
            [result["draft_length"]],
            [result["tokens_per_round"]],
            "measured",
            text("measured"),
            size=12,
            hover="%{x}: %{y:.2f}",
        )
    for number, curve in enumerate(curves.values()):
        name = text("formula") if number == 0 else None
        figure.line(lengths, curve, "formula", name, hover="%{x}: %{y:.2f}", showlegend=number == 0)
    ends = [
        (LONGEST, curve[-1], text("at_acceptance", acceptance=f"{rate:.2f}"))
        for rate, curve in curves.items()
    ]
    top = 1.1 * max(max(curve) for curve in curves.values())
    figure.name_ends(ends, 0, top, log=False)
    figure.x_axis(text("draft_length"), span=(0, 1.4 * LONGEST), tickvals=[1, 4, 8, 12, 16])
    figure.y_axis(text("axis.yield"), span=(0, top))
    return figure


def _speedup(result: SpeculativeResult, text: Words) -> Figure:
    figure, gains = Figure(), result["speedup"]
    lengths = [int(length) for length in gains]
    figure.line(lengths, list(gains.values()), "measured", text("gain"), size=7, hover="%{x}: %{y:.2f}×")
    figure.line([lengths[0], lengths[-1]], [SAID_SPEEDUP] * 2, "said", text("said"))
    figure.line([lengths[0], lengths[-1]], [1, 1], "peer", text("plain"))
    figure.x_axis(text("draft_length"))
    figure.y_axis(text("axis.gain"), from_zero=True)
    return figure


def _kept(result: SpeculativeResult, text: Words) -> Figure:
    figure = Figure()
    places = [place + 1 for place, tried in enumerate(result["tried"]) if tried]
    shares = [result["kept"][place - 1] for place in places]
    figure.bars(places, shares, "measured", text("measured"), labels="{:.2f}", hover="%{x}: %{y:.3f}")
    figure.line(
        [0.5, len(result["tried"]) + 0.5], [result["measured_acceptance"]] * 2, "formula", text("all_places")
    )
    figure.x_axis(text("place"), dtick=1)
    figure.y_axis(text("axis.kept"), span=(0, 1.05))
    return figure


def _law(found: Laws, text: Words) -> Figure:
    figure = Figure(barmode="group")
    tokens = [str(place + 1) for place in range(len(found["target"]))]
    figure.bars(tokens, found["target"], "formula", text("target_law"), hover="%{x}: %{y:.4f}")
    for rule, role in (("exact", "measured"), ("equal", "said")):
        figure.bars(tokens, found["shares"][rule], role, text(f"rule.{rule}"), hover="%{x}: %{y:.4f}")  # type: ignore[arg-type]
    figure.x_axis(text("token"), category=True)
    figure.y_axis(text("axis.share"), from_zero=True)
    return figure
