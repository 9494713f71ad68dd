"""The same text generated without and with the cache, in turn: what is counted, and what the clock says.

Both run the real model greedily. Where the run without cache would take too long, only some of its steps are
run, evenly from the first to the last; a step's cost lies on a smooth curve, so the others are read off it.
"""

from __future__ import annotations

from dataclasses import dataclass

from labs.contract import DEFAULT_MODEL, Context, DeviceClass, Experiment, Params, Partials, Row, Shown, Words
from labs.contract.fields import choice, whole
from labs.contract.machine import Machine
from labs.q12_kv_cache.accounts import CURRENCIES, KV_HEADS, SHIPPED_HEADS, WIDTHS, Generation, sampled_steps
from labs.q12_kv_cache.race_figures import (
    crossover,
    growth,
    ratio_bars,
    said_ratio,
    spared_work,
    step_exponents,
    step_times,
)
from labs.q12_kv_cache.race_summary import WAYS, RaceResult, Step, settings, summary
from labs.tools.budgets import PerDevice
from labs.tools.written import small_number

MEASURED = (*CURRENCIES, "seconds")
NO_PROMPT = "The prompt needs at least one token (BOS will do)."
NOTHING_NEW = "Ask for at least one token."
TRAINED_TOKENS = 512
SHOWN_TEXT = 160
"""Characters."""
TOKEN_PASSES = PerDevice(cpu=5_000, cuda=2_000_000, mps=40_000)
"""Of all steps without cache that are really run."""
SECONDS_A_PASS = PerDevice(cpu=5e-4, cuda=5e-7)
SECONDS_A_STEP = PerDevice(cpu=0.02, cuda=0.012)


@dataclass(frozen=True)
class RaceParams(Params):
    """Tokens of a row: `prompt` are read, `new` are chosen. Other KV heads than shipped have no training."""

    prompt: int = whole(64, 1, 512, primary=True, unit="tokens", low_sentence=NO_PROMPT)
    new: int = whole(50, 1, 500, primary=True, unit="tokens", low_sentence=NOTHING_NEW)
    batch: int = whole(1, 1, 32)
    cache_dtype: str = choice("fp32", tuple(WIDTHS))
    kv_heads: int = choice(SHIPPED_HEADS, KV_HEADS)
    text: str = choice("both", ("both", "english", "code", "chinese"))

    def generation(self, weight_width: int = 4) -> Generation:
        """The race as it is counted."""
        cache_width = WIDTHS[self.cache_dtype]
        return Generation(self.prompt, self.new, self.batch, weight_width, cache_width, self.kv_heads)


class Race(Experiment[RaceParams, RaceResult]):
    """Greedy generation with and without the cache on the real model, step by step in turn."""

    drawn_by_formula = True

    def seconds(self, params: RaceParams, device: DeviceClass) -> float:
        plain = sampled_steps(params.prompt, params.new, params.batch, TOKEN_PASSES.on(device))
        passes = params.batch * (2 * params.prompt + sum(params.prompt + step for step in plain))
        steps = (params.new + len(plain)) * SECONDS_A_STEP.on(device) * (1 + params.batch / 16)
        return 1.0 + passes * SECONDS_A_PASS.on(device) + steps

    def formula(self, params: RaceParams) -> RaceResult:
        """Every currency that can be counted; a clock cannot."""
        race = params.generation()
        return {**settings(race, params.cache_dtype), "cache": {"bytes": race.cache_bytes()}}

    def measure(self, params: RaceParams, ctx: Context) -> RaceResult:
        """Each step runs with the cache, then, where it is one of the chosen ones, without it."""
        import torch

        from labs.q12_kv_cache.runs import Meter, Runners, confirmed_operations, prompts, with_kv_heads
        from labs.tools.interleaved import seconds_a_call
        from labs.tools.models import before_each_layer
        from minimind_core.decoding.text_reader import TextReader
        from minimind_core.device import DTYPES

        ctx.progress(0.0, "loading")
        loaded, device = ctx.model(DEFAULT_MODEL), torch.device(ctx.device)
        model = with_kv_heads(loaded.model, params.kv_heads)
        reader, steps = TextReader(loaded.tokenizer), list[Step]()
        ids = prompts(loaded.tokenizer, params.text, params.batch, params.prompt, ctx.check_cancelled)
        runners = Runners(model, ids.to(device), params.new, DTYPES[params.cache_dtype])
        plain = set(sampled_steps(params.prompt, params.new, params.batch, TOKEN_PASSES.on(ctx.device)))
        with torch.inference_mode(), before_each_layer(model, ctx.check_cancelled):
            ctx.progress(0.02, "warming")
            runners.warm_up()
            on_progress = ctx.part(0.05, 0.95, "racing")
            with Meter(model).watching(model) as meter:
                for number in range(params.new):
                    on_progress(number / params.new)
                    step: Step = {"number": number, "with": {}, "without": {}}
                    for way, run in (("with", runners.run_with), ("without", runners.run_without)):
                        if way == "with" or number in plain:
                            step[way] = {"seconds": seconds_a_call(run, 1, device), **meter.taken()}
                    if number in plain:
                        step["same"], step["apart"] = runners.compare()
                    step["text"] = reader.read(runners.choose())["text"]
                    steps.append(step)
                    ctx.emit(step)
            counter = confirmed_operations(model.config, params.prompt, params.new, on_progress)
        result = summary(params.generation(runners.weight_width), params.cache_dtype, steps)
        return {**result, "counter": counter, "cache": runners.held()}

    def so_far(self, params: RaceParams, partials: Partials) -> RaceResult | None:
        """The steps that were run, as if the race ended there."""
        return summary(params.generation(), params.cache_dtype, partials) if partials else None

    def show(self, result: RaceResult, text: Words) -> Shown:
        """`ratios`: four bars; `steps`: a step's time; `growth`: ratios by tokens; the others: formulas."""
        figures = {"ratios": ratio_bars(result, text)}
        counted = {"spared": spared_work(result, text)} if result["new"] > 1 else {}
        counted |= {"crossover": crossover(result, text)}
        if "totals" not in result:
            return Shown(figures | counted)
        figures |= {"steps": step_times(result, text), "growth": growth(result, text), **counted}
        totals, ratios = result["totals"], result["ratios"]
        rows: list[Row] = [
            {
                text("race.currency"): text(f"currency.{name}"),
                **{text(way): totals[way][name] for way in WAYS},
                text("axis.ratio"): ratios[name],
            }
            for name in MEASURED
        ]
        return Shown(
            figures,
            rows,
            notes=_notes(result, text),
            numbers={f"{text(f'currency.{name}')} (×)": ratios[name] for name in reversed(MEASURED)},
            sentence={
                "said": said_ratio(result["prompt"], result["new"]),
                "formula": ratios["token_passes"],
                "measured": ratios["seconds"],
                "unit": "×",
                "low": result["spread"]["low"],
                "high": result["spread"]["high"],
            },
        )

    def on_machine(self, params: RaceParams, machine: Machine, text: Words) -> str:
        """The least time of a step with and without the cache at the race's last token."""
        asked = params.generation(machine.bytes_per_number)
        floors = {
            way: 1e3
            * max(
                machine.seconds_to_read(float(asked.costs(way)["bytes"][-1])),
                float(asked.costs(way)["operations"][-1]) / machine.rate,
            )
            for way in ("without", "with")
        }
        return text("race.floor", without=floors["without"], cached=floors["with"])


def _notes(result: RaceResult, text: Words) -> list[str]:
    compared, new = result["compared"], result["new"]
    notes = [text("race.sentence", prompt=result["prompt"], new=new)]
    if compared["steps"] < new:
        notes.append(text("race.sampled", steps=compared["steps"], new=new))
    if slopes := step_exponents(result):
        ends = {"first": result["prompt"], "last": result["prompt"] + new - 1}
        notes.append(text("race.slopes", **ends, **slopes))
    same = "race.same" if compared["same"] == compared["steps"] else "race.flips"
    apart = small_number(compared["largest_logit_difference"])
    notes.append(text(same, steps=compared["steps"], same=compared["same"], apart=apart))
    if "counter" in result:
        notes.append(text("race.counter", **result["counter"]))
    if result.get("kv_heads", SHIPPED_HEADS) != SHIPPED_HEADS:
        notes.append(text("race.untrained", heads=result["kv_heads"], shipped=SHIPPED_HEADS))
    if result["prompt"] + new - 1 > TRAINED_TOKENS:
        notes.append(text("race.beyond", trained=TRAINED_TOKENS))
    notes.append(text("race.text", text=" ".join(result["text"].split())[:SHOWN_TEXT]))
    return notes
