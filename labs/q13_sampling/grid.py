"""Python and prose at many temperatures and top-p, among them the settings that are commonly recommended.

Row i of a cell has the seed `seed` + i and prompt i, the same in all cells, so that cells differ by their
settings only.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from statistics import fmean
from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict, cast

from labs.contract import Context, DeviceClass, Experiment, Params, Partials, Row, Shown, Words, choice, whole
from labs.contract.drawing import Figure
from labs.q13_sampling.texts import distinct_pairs, is_valid_python, repetition
from labs.tools.budgets import PerDevice
from labs.tools.sampler import seed
from labs.tools.writing import ROWS, write
from minimind_core.decoding.sampling_params import SamplingParams
from questions import load_question

if TYPE_CHECKING:
    from minimind_core.files.checkpoint import LoadedModel

Kind = Literal["python", "prose"]
Setting = tuple[float, float]
"""Temperature and top-p."""

PYTHON_PROMPTS = (
    'def add(a, b):\n    """Return the sum of a and b."""\n',
    'def is_even(number):\n    """Return True if the number is even."""\n',
    'def read_lines(path):\n    """Return the lines of a text file."""\n',
    'def largest(values):\n    """Return the largest of the values."""\n',
    'def count_words(text):\n    """Return how often each word occurs."""\n',
    'def factorial(n):\n    """Return the product of 1 to n."""\n',
    'class Stack:\n    """Last in, first out."""\n\n    def __init__(self):\n',
    'def reverse(items):\n    """Return the items in reverse order."""\n',
)
PROSE_PROMPTS = (
    "Once upon a time, there was a little girl",
    "今天天气",
    "The old man looked at the sea and",
    "从前有一只小猫，",
    "In the morning the children",
    "春天来了，",
    "The history of the city begins",
    "科学家发现，",
)
PROMPTS: dict[Kind, tuple[str, ...]] = {"python": PYTHON_PROMPTS, "prose": PROSE_PROMPTS}
TEMPERATURES = {
    "small": (0.2, 0.3, 0.5, 0.8, 0.9, 1.2),
    "full": (0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0, 1.2, 1.5),
}
TOP_PS = {"small": (0.85, 0.9, 0.95, 1.0), "full": (0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0)}
"""Every recommended setting is a cell of its own."""
AUTO_SIZE = PerDevice(cpu="small", cuda="full")
AUTO_SAMPLES = PerDevice(cpu=8, cuda=32)
_ROW_PIXELS, _FRAME_PIXELS = 46, 62
"""Of a row of a heat map with two lines of text, and of all that stands around the rows."""


@dataclass(frozen=True)
class GridParams(Params):
    """Size and samples that are left to the device suit a person who waits."""

    size: str = choice("auto", ("auto", "small", "full"), primary=True)
    samples: int = choice(0, (0, 4, 8, 16, 32), label="grid.samples", primary=True)
    """Texts of each kind a cell; 0 leaves it to the device."""
    max_new_tokens: int = whole(48, 16, 128, unit="tokens")
    seed: int = seed()

    def cells(self, device: str) -> list[Setting]:
        """The settings of every cell on a device."""
        size = AUTO_SIZE.on(device) if self.size == "auto" else self.size
        return list(itertools.product(TEMPERATURES[size], TOP_PS[size]))

    def samples_on(self, device: str) -> int:
        """Texts of each kind in a cell on a device."""
        return self.samples or AUTO_SAMPLES.on(device)


class Texts(TypedDict):
    """What is said of a cell's texts of one kind; shares are 0 to 1."""

    distinct: float
    repetition: float
    valid: NotRequired[float]
    """Of Python; prose has no syntax to be valid."""
    first: str
    """The first of the texts, with its prompt."""


class CellPart(TypedDict):
    """What is emitted: the texts of one kind in one cell."""

    setting: Setting
    kind: Kind
    texts: Texts


class Cell(TypedDict):
    """A kind that was not written yet is missing."""

    temperature: float
    top_p: float
    python: NotRequired[Texts]
    prose: NotRequired[Texts]


class GridResult(TypedDict):
    """The cells in the order in which they were written, and those of the recommended settings by task."""

    cells: list[Cell]
    presets: dict[str, Cell]


class Grid(Experiment[GridParams, GridResult]):
    """Valid syntax, repetition and diversity of what the model writes at every temperature and top-p."""

    def seconds(self, params: GridParams, device: DeviceClass) -> float:
        """A CPU writes some 450 tokens a second, a GPU a thousand rows at once."""
        rows = len(params.cells(device)) * params.samples_on(device) * len(PROMPTS)
        if device == "cuda":
            return 2 + -(-rows // ROWS.on(device)) * params.max_new_tokens * 0.03
        return rows * (0.02 + 0.0022 * params.max_new_tokens)

    def measure(self, params: GridParams, ctx: Context) -> GridResult:
        """Writes Python, then prose; emits each cell of a kind as soon as its texts are complete."""
        ctx.progress(0.0, "loading")
        loaded = ctx.model()
        settings, count = params.cells(ctx.device), params.samples_on(ctx.device)
        requests = [
            SamplingParams(temperature=temperature, top_p=top_p, seed=params.seed + row)
            for temperature, top_p in settings
            for row in range(count)
        ]
        partials: list[CellPart] = []
        for (kind, starts), part in ctx.parts(PROMPTS.items()):
            prompts = list(itertools.islice(itertools.cycle(starts), count))
            ids = [loaded.prompt_ids(prompt) for prompt in prompts] * len(settings)
            written = write(loaded, ids, requests, params.max_new_tokens, ctx.device, part(kind))
            for setting in settings:
                texts = _texts(loaded, kind, prompts, written)
                partials.append({"setting": setting, "kind": kind, "texts": texts})
                ctx.emit(partials[-1])
        return self.so_far(params, partials)

    def so_far(self, params: GridParams, partials: Partials) -> GridResult:
        """The cells as far as they were written."""
        cells: dict[Setting, Cell] = {}
        for partial in partials:
            kind: Kind = partial["kind"]
            temperature, top_p = partial["setting"]
            cell = cells.setdefault((temperature, top_p), {"temperature": temperature, "top_p": top_p})
            cell[kind] = partial["texts"]
        marked = {task: cells[setting] for task, setting in presets().items() if setting in cells}
        return {"cells": list(cells.values()), "presets": marked}

    def show(self, result: GridResult, text: Words) -> Shown:
        """Heat maps with the starting points, and both of Python: what variety costs in syntax."""
        figures = {"valid": _map(result, "python", "valid", text), "tradeoff": _tradeoff(result, text)}
        complete = [cell for cell in result["cells"] if "prose" in cell]
        if complete:
            figures["repetition"] = _map(result, "prose", "repetition", text)
            figures["distinct"] = _map(result, "prose", "distinct", text)
        tasks = _tasks(result, text)
        numbers = {
            f"{text('grid.valid')}, {text(f'task.{task}')}": cell["python"]["valid"]
            for task, cell in result["presets"].items()
        }
        return Shown(figures, rows=[_row(cell, tasks, text) for cell in complete], numbers=numbers)


@cache
def presets() -> dict[str, Setting]:
    """The commonly recommended settings by task: hypotheses to test, read from the claim about them.

    >>> presets()["code"]
    (0.2, 0.95)
    """
    said = load_question("q13_sampling").claim("Q13-C16").said
    assert isinstance(said, Mapping)
    pairs = cast(Mapping[str, tuple[float, float]], said)
    return {task: (float(temperature), float(top_p)) for task, (temperature, top_p) in pairs.items()}


def _texts(loaded: LoadedModel, kind: Kind, prompts: list[str], written: Iterator[list[int]]) -> Texts:
    """Takes the next texts, one a prompt, and measures them."""
    new_ids = list(itertools.islice(written, len(prompts)))
    whole_texts = [
        prompt + loaded.tokenizer.decode(ids) for prompt, ids in zip(prompts, new_ids, strict=True)
    ]
    texts: Texts = {
        "distinct": distinct_pairs(new_ids),
        "repetition": fmean(map(repetition, new_ids)),
        "first": whole_texts[0],
    }
    if kind == "python":
        texts["valid"] = fmean(
            is_valid_python(text, ended=ids[-1] == loaded.config.eos_id)
            for text, ids in zip(whole_texts, new_ids, strict=True)
        )
    return texts


def _setting(cell: Cell) -> Setting:
    return cell["temperature"], cell["top_p"]


def _tasks(result: GridResult, text: Words) -> dict[Setting, str]:
    """The names of the tasks by their recommended settings."""
    return {_setting(cell): text(f"task.{task}") for task, cell in result["presets"].items()}


def _map(
    result: GridResult, kind: Kind, measure: Literal["valid", "repetition", "distinct"], text: Words
) -> Figure:
    """Temperature down, top-p across; each cell says its share, and which task starts there."""
    shares = {_setting(cell): cell[kind][measure] for cell in result["cells"] if kind in cell}
    settings, tasks = sorted(shares), _tasks(result, text)
    temperatures = sorted({cell["temperature"] for cell in result["cells"]})
    top_ps = sorted({cell["top_p"] for cell in result["cells"]})
    figure = Figure(height=_FRAME_PIXELS + _ROW_PIXELS * len(temperatures))
    figure.heat(
        [[shares.get((temperature, top_p)) for top_p in top_ps] for temperature in temperatures],
        [f"{top_p:g}" for top_p in top_ps],
        [f"{temperature:g}" for temperature in temperatures],
        "measured",
        zmin=0,
        zmax=1,
        hover="T %{y}, p %{x}: %{z:.0%}",
    )
    figure.words(
        [f"{top_p:g}" for _, top_p in settings],
        [f"{temperature:g}" for temperature, _ in settings],
        [
            f"{shares[setting]:.0%}" + (f"<br><b>{tasks[setting]}</b>" if setting in tasks else "")
            for setting in settings
        ],
    )
    figure.x_axis(text("axis.top_p"), category=True, showgrid=False)
    figure.y_axis(text("axis.temperature"), category=True, showgrid=False)
    return figure


def _tradeoff(result: GridResult, text: Words) -> Figure:
    """Valid Python against its diversity; cells that are somebody's starting point carry its name."""
    cells, tasks = [cell for cell in result["cells"] if "python" in cell], _tasks(result, text)
    names = [tasks.get(_setting(cell), "") for cell in cells]
    # neighbours would cover each other's names
    named = [index for index, name in enumerate(names) if name]
    named.sort(key=lambda index: cells[index]["python"]["distinct"])
    below = named[1::2]
    figure = Figure()
    figure.marks(
        [cell["python"]["distinct"] for cell in cells],
        [cell["python"]["valid"] for cell in cells],
        "measured",
        size=10,
        symbol=["diamond" if name else "circle-open" for name in names],
        text=names,
        textposition=["bottom center" if index in below else "top center" for index in range(len(cells))],
        customdata=[list(_setting(cell)) for cell in cells],
        hover="T %{customdata[0]}, p %{customdata[1]}: %{y:.0%}",
    )
    figure.x_axis(text("axis.distinct"))
    figure.y_axis(text("grid.valid"), tickformat=".0%", span=(-0.05, 1.15))
    return figure


def _row(cell: Cell, tasks: Mapping[Setting, str], text: Words) -> Row:
    python, prose = cell["python"], cell["prose"]
    return {
        text("axis.temperature"): cell["temperature"],
        text("axis.top_p"): cell["top_p"],
        text("grid.start"): tasks.get(_setting(cell), ""),
        text("grid.valid"): python["valid"],
        text("grid.python.repetition"): python["repetition"],
        text("grid.python.distinct"): python["distinct"],
        text("grid.repetition"): prose["repetition"],
        text("grid.distinct"): prose["distinct"],
    }
