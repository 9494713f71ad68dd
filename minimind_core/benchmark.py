"""The model's speed beside its peer's: same weights, same device, same run, equal greedy tokens.

Every row is a ratio with its spread. Peers come from `peers.py`; a row without a peer has none.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F

from minimind_core.decoding.generate import Generator, Method
from minimind_core.decoding.persistent_step import Plan, plan_for
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.device import device_name
from minimind_core.files.peers import as_transformers
from minimind_core.model.config import PRESETS
from minimind_core.model.minimind import MiniMind
from minimind_core.progress import OnProgress, unheard
from minimind_core.timing import Timing, time_calls
from minimind_core.training.batches import Batch
from minimind_core.training.trainer import Trainer
from minimind_core.training.training_config import TrainingConfig

GREEDY = SamplingParams(temperature=0)
PROMPT_LENGTH = 16
WARM_UP, TRAINING_WARM_UP = 2, 3
"""Runs before those that count: of decoding, and of training, which compiles more."""
UPDATES = 10
"""Updates in one timed run of training."""
LARGE_MEMORY = 128 * 2**30
"""Bytes of a GPU that trains on more texts an update."""


@dataclass(frozen=True)
class Row:
    """One measured line: tokens a second with spread, the peer's, their ratio, and the budget."""

    name: str
    ours: dict[str, float]
    peer_name: str | None = None
    peer: dict[str, float] | None = None
    equal_tokens: bool | None = None
    """Greedy tokens of both were the same in this run; None where nothing is compared."""
    budget_rate: float | None = None
    budget_ratio: float | None = None

    @property
    def ratio(self) -> float | None:
        """Ours over the peer's, by medians."""
        return None if self.peer is None else self.ours["median"] / self.peer["median"]

    @property
    def met(self) -> bool:
        """Every budget of this row holds, and the tokens were equal where they were compared."""
        rate_met = self.budget_rate is None or self.ours["median"] >= self.budget_rate
        ratio_met = self.budget_ratio is None or (self.ratio is not None and self.ratio >= self.budget_ratio)
        return rate_met and ratio_met and self.equal_tokens is not False


Timer = Callable[..., Timing]
"""`time_calls` for the device, repeats and progress of one benchmark: takes the call, and `warmup`."""


def benchmark(
    model: MiniMind, device: torch.device, repeats: int = 5, on_progress: OnProgress = unheard
) -> Iterator[Row]:
    """The rows that this device has a budget for, one after the other.

    `on_progress` is given the runs that were timed or warmed up, and all of them.
    """
    programs = [WARM_UP] * 3 + [TRAINING_WARM_UP] * 2 if device.type == "cuda" else [WARM_UP] * 2
    total, done = sum(warm_up + repeats for warm_up in programs), itertools.count(1)
    timer = partial(time_calls, device=device, repeats=repeats, on_run=lambda: on_progress(next(done), total))
    if device.type == "cuda":
        yield decode_row(
            model, 1, _fitting(model), timer, budget_rate=on_an_h200(12_000, device), budget_ratio=6.0
        )
        yield batch_row(model, 512, _fitting(model), timer)
        yield training_row(device, timer)
    else:
        yield decode_row(model, 1, 240, timer, budget_ratio=3.0)


def on_an_h200(rate: float | None, device: torch.device) -> float | None:
    """A budget in tokens a second, where it is promised: on another GPU the ratios count."""
    return rate if "H200" in device_name(device) else None


def _fitting(model: MiniMind) -> int:
    """New tokens that fill the trained length."""
    return model.config.max_length - PROMPT_LENGTH


def decode_row(
    model: MiniMind,
    batch_size: int,
    new_tokens: int,
    timer: Timer,
    *,
    budget_rate: float | None = None,
    budget_ratio: float,
) -> Row:
    """Greedy text from a short prompt, prefill included, against `transformers` generate.

    Tokens are compared in fp32: in bf16 two right programs part at the first near tie.
    """
    prompts = prompts_for(model, batch_size)
    ours, own_ids = _time_generator(model, prompts, new_tokens, timer, _fastest(model))
    peer_generate = _peer(model, prompts, new_tokens)
    theirs = timer(peer_generate)
    if model.dtype == torch.float32:
        equal = own_ids == peer_generate()
    else:
        equal = _equal_in_fp32(model, prompts, new_tokens)
    amount = batch_size * new_tokens
    return Row(
        f"decode, batch {batch_size}",
        ours.rate(amount),
        "transformers generate",
        theirs.rate(amount),
        equal,
        budget_rate,
        budget_ratio,
    )


def _peer(model: MiniMind, prompts: list[list[int]], new_tokens: int) -> Callable[[], list[list[int]]]:
    """The same weights' greedy text by `transformers`: a function that gives the new ids of each row.

    Its cache is static on CUDA, which transformers compiles by itself, and its default elsewhere.
    """
    peer, device = as_transformers(model), model.device
    ids = torch.tensor(prompts, device=device)
    settings: dict[str, Any] = {
        "max_new_tokens": new_tokens,
        "min_new_tokens": new_tokens,
        "do_sample": False,
        "pad_token_id": 0,
    }
    if device.type == "cuda":
        settings["cache_implementation"] = "static"
    return lambda: peer.generate(ids, **settings)[:, PROMPT_LENGTH:].tolist()


def _equal_in_fp32(model: MiniMind, prompts: list[list[int]], new_tokens: int) -> bool:
    """Whether our fastest way and the peer choose the same greedy tokens with the weights in fp32."""
    precise = copy.deepcopy(model).float()
    generator = Generator(precise, len(prompts), PROMPT_LENGTH + new_tokens, _fastest(model))
    ours = generator.generate(prompts, GREEDY, new_tokens).new_ids
    return ours == _peer(precise, prompts, new_tokens)()


def batch_row(model: MiniMind, batch_size: int, new_tokens: int, timer: Timer) -> Row:
    """Greedy text for many requests at once."""
    timing, _ = _time_generator(model, prompts_for(model, batch_size), new_tokens, timer)
    budget = on_an_h200(1_000_000, model.device)
    return Row(f"decode, batch {batch_size}", timing.rate(batch_size * new_tokens), budget_rate=budget)


def training_row(device: torch.device, timer: Timer, seq_len: int = 512) -> Row:
    """Updates of the 26M in bf16 against transformers + torch.compile with the same data and AdamW.

    As many texts an update as fit beside the peer, which keeps more of a step.
    """
    memory = torch.cuda.get_device_properties(device).total_memory
    batch_size = 512 if memory > LARGE_MEMORY else 128
    config = PRESETS["minimind-26m"]
    rows = torch.randint(3, config.vocab_size, (batch_size, seq_len + 1))
    batch = Batch(rows[:, :-1], rows[:, 1:])
    training = TrainingConfig(
        steps=10_000, batch_size=batch_size, seq_len=seq_len, dtype="bf16", compile=True
    )
    model = MiniMind(config).to(device)
    trainer = Trainer(model, _Repeated(batch), training)
    ours = timer(lambda: _run_updates(trainer), warmup=TRAINING_WARM_UP)
    theirs = timer(_peer_updates(as_transformers(model), batch.to(device), training), warmup=TRAINING_WARM_UP)
    amount = UPDATES * batch_size * seq_len
    return Row(
        "training, 26M",
        ours.rate(amount),
        "transformers + torch.compile",
        theirs.rate(amount),
        budget_rate=on_an_h200(2_000_000, device),
        budget_ratio=1.0,
    )


class _Repeated:
    """The same batch at every step."""

    def __init__(self, repeated: Batch) -> None:
        self.repeated = repeated

    def batch(self, step: int) -> Batch:
        """The same batch, whatever the step."""
        return self.repeated


def _run_updates(trainer: Trainer) -> None:
    for _ in trainer.steps(until=trainer.step + UPDATES):
        pass


def _peer_updates(peer: torch.nn.Module, batch: Batch, training: TrainingConfig) -> Callable[[], None]:
    """The updates of `_run_updates` by transformers + torch.compile, in bf16 as well."""
    peer.float().train()
    optimizer = torch.optim.AdamW(peer.parameters(), lr=training.learning_rate, fused=True)

    def summed_loss(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        logits = peer(inputs, use_cache=False).logits
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())

    compiled = torch.compile(summed_loss)

    def updates() -> None:
        for _ in range(UPDATES):
            with torch.autocast(batch.inputs.device.type, torch.bfloat16):
                loss = compiled(batch.inputs, batch.targets)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(peer.parameters(), training.clip_norm)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return updates


def _fastest(model: MiniMind) -> Method:
    """For one greedy request: the persistent kernel where it runs."""
    return "persistent" if isinstance(plan_for(model), Plan) else "compiled"


def _time_generator(
    model: MiniMind,
    prompts: Sequence[Sequence[int]],
    new_tokens: int,
    timer: Timer,
    method: Method = "compiled",
) -> tuple[Timing, list[list[int]]]:
    """How long the whole text takes, and the new ids of each row."""
    generator = Generator(model, len(prompts), PROMPT_LENGTH + new_tokens, method)
    timing = timer(lambda: generator.generate(prompts, GREEDY, new_tokens))
    return timing, generator.generate(prompts, GREEDY, new_tokens).new_ids


def prompts_for(model: MiniMind, batch_size: int) -> list[list[int]]:
    """Short prompts of random ids, the same in every run."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(3, model.config.vocab_size, (batch_size, PROMPT_LENGTH - 1), generator=generator)
    return [[model.config.bos_id, *row] for row in ids.tolist()]
