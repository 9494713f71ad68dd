"""One text token by token, and of each token what it was chosen from; by the fastest step of the device.

The same tokens as those of `generate.py`, which tells of nothing but them. Knows no text and no tokenizer.

Shapes: V vocabulary ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from minimind_core.decoding.choose import Chooser
from minimind_core.decoding.fastest import fastest_step
from minimind_core.decoding.generate import check_prompts
from minimind_core.decoding.sampling import check_logits
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.decoding.step import Way, padded
from minimind_core.model.minimind import MiniMind
from minimind_core.progress import OnProgress, unheard

FACTS = 7
"""Numbers that are told of a token before its alternatives."""


@dataclass(frozen=True)
class StreamedToken:
    """One chosen token and what it was chosen from."""

    id: int
    probability: float
    """Under the model's own distribution, before any sampling setting."""
    filtered_probability: float
    """Under the distribution that it was drawn from, after every setting."""
    rank: int
    """Its place in the model's own distribution; 1 is the most likely."""
    kept: int
    """Tokens that the settings left to choose from."""
    entropy: float
    """Of the filtered distribution, in nats."""
    alternatives: list[tuple[int, float]]
    """The most likely ids and their own probabilities, best first."""
    filtered_alternatives: list[float]
    """What the settings made of those probabilities, in the same order; 0 where an id was cut off."""


@torch.inference_mode()
def stream(
    model: MiniMind,
    prompt: Sequence[int],
    params: SamplingParams,
    max_new_tokens: int,
    *,
    stop_ids: Sequence[int] = (),
    num_alternatives: int = 5,
    on_prefill: OnProgress = unheard,
    on_way: Callable[[Way], object] = lambda way: None,
) -> Iterator[StreamedToken]:
    """Continue one prompt and tell of every token as soon as it is chosen, by the fastest step of the device.

    `on_prefill` is given how many tokens of the prompt are read and how many there are, and may raise; before
    that `on_way` is given which step it is.
    Raises ConfigError as `Generator.generate` does, and NumericsError when the logits hold no candidate.
    """
    check_prompts(model.config, [prompt], max_new_tokens)
    step = fastest_step(model.eval(), 1, len(prompt) + max_new_tokens)
    on_way(step.way)
    chooser = Chooser(1, model.config.vocab_size, step.device)
    chooser.start([params], padded([prompt], step.device))
    num_alternatives = min(num_alternatives, model.config.vocab_size)
    choose = partial(_choose_and_tell, chooser, step.ids, step.positions, num_alternatives)
    told = choose(step.prefill([prompt], on_progress=on_prefill))
    run = None
    for count in range(1, max_new_tokens + 1):
        token = _read(told.cpu(), num_alternatives)
        yield token
        if token.id in stop_ids or count == max_new_tokens:
            return
        run = run or step.then(choose, chooser.state)
        told = run()


def _choose_and_tell(
    chooser: Chooser, ids: Tensor, positions: Tensor, num_alternatives: int, logits: Tensor
) -> Tensor:
    """Choose from logits [1, V], make the token the next step's input, and tell of it in one tensor.

    Waits for nothing, so that it may be captured with the step. Returns fp32 [FACTS + 3 * num_alternatives],
    in which ids and counts are exact up to 2^24.
    """
    filtered = chooser.probabilities(logits)  # [1, V]
    chosen = chooser.draw(filtered)  # [1]
    ids.copy_(chosen[:, None])
    positions.add_(1)
    scores, filtered = logits[0].float(), filtered[0].float()  # [V]
    probabilities = scores.softmax(-1)  # [V]
    best = probabilities.topk(num_alternatives)
    own = probabilities[chosen]  # [1]
    facts = [
        scores.amax(-1, keepdim=True),
        chosen,
        own,
        filtered[chosen],
        (probabilities > own).sum(-1, keepdim=True) + 1,
        (filtered > 0).sum(-1, keepdim=True),
        torch.special.entr(filtered).sum(-1, keepdim=True),
    ]
    return torch.cat([fact.float() for fact in (*facts, best.indices, best.values, filtered[best.indices])])


def _read(told: Tensor, num_alternatives: int) -> StreamedToken:
    """What `_choose_and_tell` says, on the host. Raises NumericsError where there is no candidate."""
    check_logits(told[:1])
    chosen, probability, filtered_probability, rank, kept, entropy = told[1:FACTS].tolist()
    ids, own, filtered = told[FACTS:].view(3, num_alternatives).tolist()
    return StreamedToken(
        id=int(chosen),
        probability=probability,
        filtered_probability=filtered_probability,
        rank=int(rank),
        kept=int(kept),
        entropy=entropy,
        alternatives=list(zip(map(int, ids), own, strict=True)),
        filtered_alternatives=filtered,
    )
