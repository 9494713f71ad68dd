"""The temperature by top-p grid: what is written in each cell, and what is said of it. Imports torch.

Row i of a cell has the seed `seed` + i and prompt i, the same in all cells, so that cells differ by
their settings only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from labs.contract.columns import Context
from labs.q13_sampling import texts
from labs.q13_sampling.grids import cells, num_samples
from labs.q13_sampling.params import GridParams
from labs.q13_sampling.writing import write
from labs.tools.budgets import device_class
from minimind_core.decoding.sampling_params import SamplingParams
from minimind_core.files.checkpoint import LoadedModel

PROMPTS = {"python": texts.PYTHON_PROMPTS, "prose": texts.PROSE_PROMPTS}


@dataclass
class Written:
    """The texts of one kind in one cell, as they come."""

    kind: str
    temperature: float
    top_p: float
    ids: list[list[int]] = field(default_factory=list)
    valid: list[bool] = field(default_factory=list)
    first: str = ""

    def told(self) -> dict[str, Any]:
        """What is said of them: shares in 0 to 1; prose has no syntax to be valid."""
        measures = {
            "distinct": texts.distinct_pairs(self.ids),
            "repetition": sum(map(texts.repetition, self.ids)) / len(self.ids),
        }
        if self.kind == "python":
            measures["valid"] = sum(self.valid) / len(self.valid)
        return {
            "kind": self.kind,
            "temperature": self.temperature,
            "top_p": self.top_p,
            **measures,
            "first": self.first,
        }


def written_cells(params: GridParams, loaded: LoadedModel, ctx: Context) -> Iterator[dict[str, Any]]:
    """Write Python, then prose, in every cell; yields what is said of each as soon as it is complete."""
    for number, (kind, prompts) in enumerate(PROMPTS.items()):

        def told(fraction: float, before: int = number, kind: str = kind) -> None:
            ctx.progress((before + fraction) / len(PROMPTS), kind)

        yield from _kind(params, loaded, kind, prompts, ctx.device, told)


def _kind(
    params: GridParams,
    loaded: LoadedModel,
    kind: str,
    prompts: Sequence[str],
    device: str,
    told: Callable[[float], None],
) -> Iterator[dict[str, Any]]:
    where = device_class(device)
    count = num_samples(params, where)
    encoded = [loaded.prompt_ids(prompt) for prompt in prompts]
    every = [Written(kind, *cell) for cell in cells(params, where)]
    settings = [
        SamplingParams(temperature=cell.temperature, top_p=cell.top_p, seed=params.seed + row)
        for cell in every
        for row in range(count)
    ]
    rows = [encoded[row % len(prompts)] for _ in every for row in range(count)]
    for row, ids in write(loaded, rows, settings, params.max_new_tokens, device, told):
        cell, prompt = every[row // count], prompts[row % count % len(prompts)]
        _add(cell, prompt, ids, loaded)
        if len(cell.ids) == count:
            yield cell.told()


def _add(cell: Written, prompt: str, ids: list[int], loaded: LoadedModel) -> None:
    ended = ids[-1] == loaded.config.eos_id
    text = prompt + loaded.tokenizer.decode(ids[:-1] if ended else ids)
    cell.first = cell.first or text
    cell.ids.append(ids)
    if cell.kind == "python":
        cell.valid.append(texts.is_valid_python(text, ended=ended))
