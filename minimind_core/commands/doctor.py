"""`doctor`: check this machine, the shipped files and your own, and say what to mend.

    python -m minimind_core doctor
    python -m minimind_core doctor --model full_sft_512.pth --data my.jsonl --config my.json --checklist
    python -m minimind_core doctor --run runs/minimind-26m.state.pt

Ends with 1 if something must be mended.
"""

from __future__ import annotations

import argparse
import dataclasses
import textwrap
from pathlib import Path

from minimind_core.command_options import add_device_argument, add_json_argument, print_json
from minimind_core.doctor import Finding, examine

HELP = "check data, config, checkpoints and device, and say what to mend"
WIDTH, INDENT = 100, 18


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `doctor`."""
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME",
        help="a checkpoint by name or path; repeatable (all that are shipped)",
    )
    parser.add_argument("--tokenizer", metavar="PATH", help="its tokenizer, if not where it should be")
    for name, text in (
        ("--config", "model settings, JSON"),
        ("--data", "texts or conversations, JSON Lines, plain or .xz"),
    ):
        parser.add_argument(name, nargs="+", default=[], type=Path, metavar="FILE", help=text)
    parser.add_argument(
        "--run",
        dest="runs",
        nargs="+",
        default=[],
        type=Path,
        metavar="FILE",
        help="a training's .state.pt, or a log of losses, JSON Lines: spikes, NaN, what is spoilt",
    )
    parser.add_argument(
        "--checklist", action="store_true", help="ten things before training with this config on these data"
    )
    add_device_argument(parser)
    add_json_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Print every finding as it is made, then the verdict."""
    findings = []
    for finding in examine(
        options.model,
        tokenizer=options.tokenizer,
        configs=options.config,
        data=options.data,
        runs=options.runs,
        device=options.device,
        checklist=options.checklist,
    ):
        findings.append(finding)
        if not options.json:
            print(_line(finding), flush=True)
    to_mend = sum(finding.state == "mend" for finding in findings)
    if options.json:
        print_json({"healthy": not to_mend, "findings": list(map(dataclasses.asdict, findings))})
    else:
        print("\nNothing to mend." if not to_mend else f"\n{to_mend} to mend.")
    return 1 if to_mend else 0


def _line(finding: Finding) -> str:
    """State and area in columns, the sentence wrapped beside them."""
    head = f"{finding.state:4}  {finding.area:10}  "
    return textwrap.fill(
        head + finding.sentence,
        WIDTH,
        subsequent_indent=" " * INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
