"""How the recipes of accumulation are drawn: first updates, errors, and what a token weighs. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labs.contract import Row, Words
from labs.contract.drawing import Figure, power_ticks
from labs.contract.filling import without_e
from labs.tools.written import small_number

OPTIMIZER_MARKS = {"sgd": ("square", -0.17), "adamw": ("diamond", 0.17)}
"""Mark of an optimizer, and how far below a recipe's line it stands."""
RECIPES = ("loss", "end", "rate", "none", "tokens", "bf16")
"""In the order of tables and plots."""
RIGHT = 1.0


def said(recipe: str, steps: int) -> float:
    """What is commonly said of the first update: without the division A times as large, else right."""
    return float(steps) if recipe == "none" else RIGHT


def updates(
    ratios: Mapping[str, Mapping[str, float | None]],
    formulas: Mapping[str, Mapping[str, float | None]],
    steps: int,
    text: Words,
) -> Figure:
    """First updates over that of loss / A: a line of the plot a recipe, both optimizers on it."""
    figure = Figure(height=400)
    recipes = list(ratios["sgd"])
    figure.line([RIGHT] * 2, [-0.5, len(recipes) - 0.5], "peer", showlegend=False)
    figure.marks(
        [said(recipe, steps) for recipe in recipes],
        list(range(len(recipes))),
        "said",
        text("said"),
        hover="%{x:.3g}×",
        symbol="x",
        size=9,
    )
    for optimizer in OPTIMIZER_MARKS:
        _draw_updates(figure, optimizer, ratios[optimizer], formulas[optimizer], text)
    figure.x_axis(text("axis.update"), log=True, span=(-1.9, 1.9), ticks={0.1: "0.1", 1: "1", 10: "10"})
    figure.y_axis(
        span=(len(recipes) - 0.5, -0.5),
        tickvals=list(range(len(recipes))),
        ticktext=[text(f"normalization.{recipe}") for recipe in recipes],
    )
    return figure


def _draw_updates(
    figure: Figure,
    optimizer: str,
    ratios: Mapping[str, float | None],
    formulas: Mapping[str, float | None],
    text: Words,
) -> None:
    """One optimizer's marks, named in the first line: what it did in green, the formula as a blue stroke."""
    (symbol, below), name = OPTIMIZER_MARKS[optimizer], text(f"optimizer.{optimizer}")
    known = {recipe: ratio for recipe, ratio in ratios.items() if ratio is not None}
    heights = [list(ratios).index(recipe) + below for recipe in known]
    figure.marks(
        [formulas[recipe] for recipe in known],
        heights,
        "formula",
        text("formula"),
        hover="%{x:.4g}×",
        symbol="line-ns-open",
        size=18,
        showlegend=optimizer == "sgd",
    )
    figure.marks(
        list(known.values()),
        heights,
        "measured",
        f"{text('measured')}, {name}",
        hover=name + ": %{x:.4f}×",
        symbol=symbol,
        size=10,
        text=[f"  {name if recipe == 'loss' else ''} {ratio:.3g}×  " for recipe, ratio in known.items()],
        textposition=["middle left" if ratio < 0.9 * RIGHT else "middle right" for ratio in known.values()],
    )


def errors(gradients: Mapping[str, Mapping[str, Any]], text: Words) -> Figure:
    """Distance to the gradient of the big batch, by recipe, on a logarithmic axis."""
    figure = Figure(height=300)
    known = {
        text(f"normalization.{recipe}"): max(float(error), 1e-9)
        for recipe in RECIPES
        if (error := gradients[recipe]["relative_error"]) is not None
    }
    figure.marks(
        list(known.values()),
        list(known),
        "measured",
        hover="%{y}: %{x:.3g}",
        size=12,
        text=[f"  {small_number(error)}  " for error in known.values()],
        textposition=["middle left" if error > 0.1 else "middle right" for error in known.values()],
        showlegend=False,
    )
    figure.x_axis(text("axis.error"), log=True, span=(-8.5, 1.5), ticks=power_ticks(1e-8, 10, every=2))
    figure.y_axis(category=True, categoryorder="array", categoryarray=list(known)[::-1])
    return figure


def token_weights(counts: Sequence[int], weights: Sequence[float | None], text: Words) -> Figure:
    """What a token of each micro-batch weighs in the mean of means, as autograd has it; 1 is right.

    Bars below that line have no number: it would stand on the line.
    """
    figure, names = Figure(height=320), [f"{index}" for index in range(1, len(counts) + 1)]
    total = sum(counts)
    figure.bars(
        names,
        [weight or 0 for weight in weights],
        "measured",
        text("measured"),
        hover="%{x}: %{y:.3g}×",
        labels=[
            "" if weight is None or weight < RIGHT else without_e(f"{weight:.2g}") + "×" for weight in weights
        ],
    )
    formula = [total / (len(counts) * count) if count else None for count in counts]
    figure.marks(
        names, formula, "formula", text("formula"), hover="%{x}: %{y:.3g}×", symbol="line-ew-open", size=22
    )
    figure.line(names, [RIGHT] * len(names), "peer", text("right_weight"))
    figure.x_axis(
        text("axis.micro_batch"),
        category=True,
        tickvals=names,
        ticktext=[f"{index}<br>{count}" for index, count in zip(names, counts, strict=True)],
    )
    figure.y_axis(text("axis.weight"), from_zero=True)
    return figure


def rows(
    gradients: Mapping[str, Mapping[str, Any]], ratios: Mapping[str, Mapping[str, float | None]], text: Words
) -> list[Row]:
    """A row a recipe; BF16 accumulation has no update of its own."""
    return [
        {
            text("normalization"): text(f"normalization.{recipe}"),
            text("axis.error"): _small(gradients[recipe]["relative_error"]),
            text("cosine"): _written(gradients[recipe]["cosine"], ".4f"),
            text("norm_ratio"): _written(gradients[recipe]["norm_ratio"], ".4g"),
            **{
                f"{text(f'optimizer.{optimizer}')} (×)": _written(by_recipe.get(recipe), ".4g")
                for optimizer, by_recipe in ratios.items()
            },
        }
        for recipe in RECIPES
    ]


def notes(result: Mapping[str, Any], text: Words) -> list[str]:
    """What the three numbers are, what the run found, and what would change it."""
    view, counts = result["view"], result["counts"]
    found = []
    if view["update_ratio"] is not None and view["formula"] is not None:  # the three numbers stand above
        found.append(
            text(
                "accumulate.sentence",
                optimizer=text(f"optimizer.{view['optimizer']}"),
                recipe=text(f"normalization.{view['normalization']}"),
                clip=text(f"clip.{view['clip']}"),
            )
        )
    if view["clip"] not in result["updates"]["sgd"]:
        found.append(text("note.clip_not_run", clip=text(f"clip.{view['clip']}")))
    if 0 in counts:
        found.append(text("note.empty", index=counts.index(0) + 1))
    elif len(set(counts)) > 1:
        error = result["gradients"]["loss"]["relative_error"]
        found.append(text("note.unequal", error=100 * error, ratio=result["token_weight_ratio"]))
    else:
        found.append(text("note.equal", error=small_number(result["gradients"]["loss"]["relative_error"])))
    if 0 not in counts:
        found.append(
            text("note.end_equal" if result["end_is_equal"] else "note.end_unequal", steps=len(counts))
        )
    return [*found, text("note.change")]


def _small(value: float | None) -> str:
    return "–" if value is None else small_number(value)


def _written(value: float | None, spec: str) -> str:
    return "–" if value is None else without_e(f"{value:{spec}}")
