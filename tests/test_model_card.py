"""The model card's figures are those of the checkpoints beside it."""

import json
import re
from pathlib import Path

import pytest

WEIGHTS = Path(__file__).parents[1] / "weights"
CARD = (WEIGHTS / "README.md").read_text(encoding="utf-8")
CHECKPOINTS = {
    path.parent.name: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(WEIGHTS.glob("*/config.json"))
}


def cells(first: str) -> list[str]:
    """The cells of the card's table row that begins with `first`."""
    row = next(line for line in CARD.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in row.strip("|").split("|")][1:]


@pytest.mark.parametrize(
    "form, first", [("master", "bits a byte, trained weights"), ("int8", "bits a byte, shipped int8")]
)
def test_the_main_scores(form: str, first: str) -> None:
    scores = CHECKPOINTS["minimind-26m"]["trained"]["held_out"][form]
    assert cells(first) == [f"{scores[language]['bits_per_byte']:.4f}" for language in ("en", "zh", "code")]


def test_int8_costs_at_most_half_a_percent() -> None:
    for name, checkpoint in CHECKPOINTS.items():
        held_out = checkpoint["trained"]["held_out"]
        for language, score in held_out["int8"].items():
            master = held_out["master"][language]["bits_per_byte"]
            assert abs(score["bits_per_byte"] / master - 1) < 0.005, (name, language)


def test_every_specimen_is_on_the_card() -> None:
    for name, checkpoint in CHECKPOINTS.items():
        assert f"`{name}`" in CARD or name == "minimind-26m"
        if f"| `{name}` |" in CARD:
            scores = checkpoint["trained"]["held_out"]["int8"]
            expected = [f"{scores[language]['bits_per_byte']:.3f}" for language in ("en", "zh", "code")]
            assert cells(f"`{name}`")[-3:] == expected


def test_the_commands_name_every_recipe() -> None:
    from minimind_core.training.recipes import RECIPES

    commands = CARD[CARD.index("## Train them again") :]
    assert all(re.search(rf"\b{name}\b", commands) for name in RECIPES)
    assert set(RECIPES) == set(CHECKPOINTS)
