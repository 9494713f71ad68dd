"""Speculative decoding: what is kept of the drafts, what a round yields, which rule is exact.

Our one-layer model drafts, or the text's own past does (`drafters.py`).

The costs are those of single passes timed side by side, so the speedup is yield over cost, not the wall time
of the loop here, which is plain Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict

from labs.contract import Context, DeviceClass, Experiment, Params, Shown, Words, choice, real, text, whole
from labs.q08_speedup.draft_rules import speedup, speedup_of_lookup, tokens_per_round
from labs.q08_speedup.rule_laws import Laws, TypicalLaw, laws, typical_law
from labs.q08_speedup.speculative_figures import LONGEST, figures
from labs.tools.budgets import PerDevice
from labs.tools.sampler import seed, temperature
from minimind_core.errors import ConfigError

DRAFT = "draft-1l"
CACHED = 512
SECONDS = PerDevice(cpu=2.0, cuda=0.6, mps=1.5)
SENTENCE = f"Draft length must be 1-{LONGEST}; longer drafts are almost never accepted."
DRAFTS = ("model", "past")


@dataclass(frozen=True)
class SpeculativeParams(Params):
    """`acceptance` is the formula's alone; the run has its own. `typical` is the threshold of a rule."""

    draft_length: int = whole(5, 1, LONGEST, primary=True, sentence=SENTENCE)
    acceptance: float = real(0.7, 0, 1, step=0.05, primary=True)
    draft: str = choice("model", DRAFTS)
    temperature: float = temperature(1.0)
    prompt: str = text("Once upon a time")
    rounds: int = whole(80, 1, 1000)
    seed: int = seed()
    typical: float = real(0.09, 0, 1, step=0.01, view=True)


class Formula(TypedDict):
    """Tokens of a round at the given acceptance: at this draft length, and by length from 1."""

    tokens_per_round: float
    curve: list[float]


class SpeculativeResult(TypedDict):
    """`kept` of the drafts by place, of those `tried` there; costs and speedup in units of a plain step.

    `draft_ratio` is the cost of one drafted token, or of looking up a round's drafts in the text.
    """

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
    draft: NotRequired[str]
    view: NotRequired[TypicalLaw]
    drafted: NotRequired[list[int]]
    """Rounds by how many tokens were drafted, from none on."""


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
        from labs.q08_speedup.drafters import ModelDraft, PastDraft
        from labs.q08_speedup.speculation import passes, room, rounds
        from labs.tools.interleaved import interleaved, ratios

        ctx.progress(0.0, "loading")
        target, draft = ctx.model(), ctx.model(DRAFT).model if params.draft == "model" else None
        config, length, count = target.model.config, params.draft_length, params.rounds
        prompt = target.prompt_ids(params.prompt)
        if draft:
            _check_tokenizers(draft.config.vocab_size, config.vocab_size)
        drafter = (
            ModelDraft(draft, room(prompt, length, count), params.temperature)
            if draft
            else PastDraft(config.vocab_size)
        )
        on_progress, seen = ctx.part(0.05, 0.7, "drafting"), []
        end = target.tokenizer.eos_id
        for one in rounds(target.model, drafter, prompt, end, length, count, params.temperature, params.seed):
            seen.append((one.drafted, len(one.emitted)))
            on_progress(len(seen) / count)
        on_progress = ctx.part(0.7, 1.0, "timing")
        times = interleaved(
            passes(target.model, draft, length, CACHED), ctx.device, SECONDS.on(ctx.device), on_progress
        )
        verify, cost = (ratios(times[name], times["plain"])["median"] for name in ("verify", "draft"))
        counted = count_kept(seen, length)
        return {
            **self.formula(params),
            **counted,
            "draft": params.draft,
            "verify_ratio": verify,
            "draft_ratio": cost,
            "speedup": _speedups(params.draft, counted, cost, (verify - 1) / length),
            "laws": laws(params.seed),
        }

    def view(self, params: SpeculativeParams, result: SpeculativeResult) -> TypicalLaw:
        """What typical acceptance emits on the question's example."""
        return typical_law(params.typical, params.seed)

    def show(self, result: SpeculativeResult, text: Words) -> Shown:
        """`yield`: tokens a round by draft length; `kept`: by place; `law`: of two rules on the example."""
        if "laws" not in result:
            return Shown(figures(result, text))
        length, gains = result["draft_length"], result["speedup"]
        by_drafted = list(enumerate(result.get("drafted") or [0] * length + [1]))
        acceptance, rounds = result["measured_acceptance"], sum(many for _, many in by_drafted)
        return Shown(
            figures(result, text),
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
                "said": acceptance * sum(drafted * many for drafted, many in by_drafted) / rounds,
                "formula": sum(tokens_per_round(acceptance, k) * many for k, many in by_drafted) / rounds,
                "measured": result["tokens_per_round"],
                "unit": "",
            },
        )


class Counted(TypedDict):
    """What the rounds say: see `SpeculativeResult`."""

    kept: list[float]
    tried: list[int]
    measured_acceptance: float
    tokens_per_round: float
    drafted: list[int]


def count_kept(seen: Sequence[tuple[int, int]], length: int) -> Counted:
    """Of rounds (drafted, emitted): a place is tried if a token was drafted there and all before were kept.

    >>> count_kept([(2, 3), (2, 1), (0, 1)], 2)["tried"]
    [2, 1]
    """
    tried = [sum(drafted > place < emitted for drafted, emitted in seen) for place in range(length)]
    kept = [sum(drafted > place < emitted - 1 for drafted, emitted in seen) for place in range(length)]
    return {
        "kept": [some / many if many else 0.0 for some, many in zip(kept, tried, strict=True)],
        "tried": tried,
        "measured_acceptance": sum(kept) / max(sum(tried), 1),
        "tokens_per_round": sum(emitted for _, emitted in seen) / len(seen),
        "drafted": [sum(drafted == many for drafted, _ in seen) for many in range(length + 1)],
    }


def _speedups(draft: str, counted: Counted, cost: float, a_token: float) -> dict[str, float]:
    """By draft length, with the acceptance and costs of this run; `a_token` is what one more adds."""
    acceptance, found = counted["measured_acceptance"], 1 - counted["drafted"][0] / sum(counted["drafted"])
    lengths = range(1, LONGEST + 1)
    if draft == "model":
        return {str(k): speedup(acceptance, k, cost, 1 + a_token * k) for k in lengths}
    return {str(k): speedup_of_lookup(acceptance, k, found, cost, 1 + a_token * k) for k in lengths}


def _check_tokenizers(draft: int, target: int) -> None:
    """Raise ConfigError for vocabularies of two sizes."""
    if draft != target:
        raise ConfigError(
            f"Draft and target must share one tokenizer: {draft:,} against {target:,} entries.",
            key="q08.vocabulary",
            draft=draft,
            target=target,
        )


def _notes(result: SpeculativeResult, found: Laws, text: Words) -> list[str]:
    """What the three numbers are, what the passes cost, and what the rules emitted."""
    length, gains = result["draft_length"], result["speedup"]
    best, past = max(gains, key=gains.__getitem__), result.get("draft") == "past"
    drafts = 1 - result["drafted"][0] / sum(result["drafted"]) if past else 1.0
    return [
        text(
            "speculative.sentence",
            length=length,
            rounds=sum(result["drafted"]) if "drafted" in result else result["tried"][0],
            acceptance=f"{result['measured_acceptance']:.2f}",
        ),
        text(
            "speculative.cost_past" if past else "speculative.cost",
            found=f"{100 * drafts:.0f}",
            draft=f"{result['draft_ratio']:.2f}",
            verify=f"{result['verify_ratio']:.2f}",
            length=length,
            here=f"{gains[str(length)]:.2f}",
            best=best,
            most=f"{gains[best]:.2f}",
        ),
        text("speculative.law", critical=found["critical"], draws=found["draws"], **_statistics(found)),
        _typical(result["view"], text),
    ]


def _typical(view: TypicalLaw, text: Words) -> str:
    """What typical acceptance keeps, and what it costs."""
    shares = {name: f"{100 * view[name]:.0f}" for name in ("kept", "possible")}
    threshold, statistic = f"{view['threshold']:.3f}", f"{view['statistic']:,.0f}"
    return text("speculative.typical", threshold=threshold, statistic=statistic, **shares)


def _statistics(found: Laws) -> dict[str, str]:
    return {name: f"{value:.1f}" for name, value in found["statistic"].items()}
