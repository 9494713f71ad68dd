"""Runs every probe on every bug and writes `mutants.json`, which says what each probe is worth.

python -m labs.q11_nan.probe_mutants

The rows that were asked about are kept with the answers: held-out text is Python's own library, and another
version's text gives some bugs another answer (a mask of -3 makes the gradient larger on one page, smaller on
the next).
"""

from __future__ import annotations

import json
from pathlib import Path

from torch import Tensor

from labs.q11_nan.mutants import NAMES, mutated
from labs.q11_nan.probe_tree import best_tree
from labs.q11_nan.probes import PROBES, Answers, ask
from labs.tools import heldout
from minimind_core.files.checkpoint import LoadedModel, load_model

FILE = Path(__file__).with_name("mutants.json")
ROWS, LENGTH = 2, 63


def rows_for(loaded: LoadedModel) -> Tensor:
    """Ids int64 [ROWS, LENGTH + 1] of this machine's text; as many as a head is wide, for a unit matrix."""
    return heldout.windows(loaded.tokenizer, heldout.held_out("code"), ROWS, LENGTH, seed=0)


def main() -> None:
    """See the module's docstring."""
    loaded = load_model("minimind-26m")
    rows = rows_for(loaded)
    with mutated("healthy", loaded.model) as subject:
        healthy = Answers(subject, rows)
        table = {"healthy": ask(healthy, healthy)}
    for name in NAMES:
        with mutated(name, loaded.model) as subject:
            table[name] = ask(Answers(subject, rows), healthy)
        print(name, *table[name].values(), flush=True)
    del table["healthy"]
    mean, paths = best_tree(table, tuple(PROBES))
    content = {"mean": round(mean, 4), "rows": rows.tolist(), "answers": table, "paths": paths}
    FILE.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"{len(table)} bugs, {mean:.2f} probes on average, {max(map(len, paths.values()))} at most")


if __name__ == "__main__":
    main()
