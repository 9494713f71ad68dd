"""The command line of the labs, run from the project's folder.

    python -m labs list
    python -m labs run q13 --set temperature=0.7
    python -m labs run q13/next_token --device cpu --json
    python -m labs run --ticket Q06-GE-04K7-7F
    python -m labs record q13            (or --all)
    python -m labs verify q13            (or all; --full without a time limit)
    python -m labs new q15_beam_search   (a question and a lab to begin with)

With --json standard output is one JSON object and nothing else; arrays in it are base64 (jsonable.py).
Exit codes: 0 done, 1 failed or a claim disagrees, 2 usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from labs.contract import DEFAULT_MODEL, Experiment, Params, jsonable
from labs.contract.registry import ROOT, Registry
from labs.runner.job import Job
from labs.runner.progress_bar import ProgressBar
from minimind_core.console import FAILED, run_in_shell
from minimind_core.errors import ConfigError, MiniMindError
from questions import QuestionError

if TYPE_CHECKING:
    from labs.runner.inline import InlineClient
    from labs.tickets import Ticket

OK, USAGE, INTERRUPTED = 0, 2, 130


class _CannotRun(Exception):
    """Ends the command with an exit code and a sentence."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except _CannotRun as error:
        return _say_error(options, str(error), error.code)
    except MiniMindError as error:
        return _say_error(options, str(error), USAGE if isinstance(error, ConfigError) else FAILED)
    except QuestionError as error:
        return _say_error(options, f"A question cannot be used. {error}", FAILED)
    except KeyboardInterrupt:
        return _say_error(options, "Interrupted.", INTERRUPTED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m labs", description="Run the labs without the app.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    list_ = commands.add_parser("list", help="name every experiment and its settings")
    list_.set_defaults(command=_list)
    run = commands.add_parser("run", help="run one experiment")
    run.add_argument("name", nargs="?", help="q13 (its primary experiment) or q13/next_token")
    run.add_argument("--ticket", help="repeat a sealed ticket, which names experiment and settings")
    run.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting; repeatable")
    run.set_defaults(command=_run)
    record = commands.add_parser("record", help="run and keep the result in labs/recorded/")
    record.add_argument("name", nargs="?", help="q13 (all its experiments) or q13/next_token")
    record.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="one that differs")
    record.add_argument("--all", action="store_true", help="every experiment of the questions")
    record.add_argument("--drawn", action="store_true", help="run nothing; only draw the recordings anew")
    record.add_argument("--runs", type=int, default=3, help="runs that the spread is taken over (3)")
    record.set_defaults(command=_record)
    verify = commands.add_parser("verify", help="recompute or measure every claim of the questions")
    verify.add_argument("names", nargs="*", metavar="QUESTION", help="q13 and the like; all without one")
    verify.add_argument("--full", action="store_true", help="also run experiments that take minutes")
    verify.set_defaults(command=_verify)
    new = commands.add_parser("new", help="write a new question with a lab of one experiment")
    new.add_argument("slug", help="number and name, such as q15_beam_search")
    new.set_defaults(command=_new)
    for command in (run, record, verify):
        command.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
        command.add_argument("--model", default=DEFAULT_MODEL, help="name or path of the checkpoint")
        command.add_argument("--dtype", default="fp32", choices=("fp32", "bf16", "fp16"))
    for command in (list_, run, record, verify, new):
        command.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    return parser


def _list(options: argparse.Namespace) -> int:
    experiments = list(Registry.discover())
    if options.json:
        _print_json(
            experiments=[
                {
                    "id": experiment.id,
                    "version": experiment.version,
                    "params": experiment.params().to_dict(),
                    "seconds": _estimates(experiment),
                }
                for experiment in experiments
            ]
        )
        return OK
    for experiment in experiments:
        seconds = _estimates(experiment)
        print(f"{experiment.id}   about {seconds['cpu']:g} s on a CPU, {seconds['cuda']:g} s on a GPU")
        for spec in experiment.params.specs():
            print(f"    {spec.name} = {spec.default!r}")
    return OK


def _run(options: argparse.Namespace) -> int:
    registry = Registry.discover()
    ticket = _ticket(options, registry)
    experiment = registry.find(ticket.prediction.experiment if ticket else options.name)
    settings = ticket.prediction.params if ticket else dict(_setting(text) for text in options.set)
    params = experiment.params.from_dict(settings)
    with _bar(options, registry, 1) as bar:
        job = _measure(_client(options, registry, bar), experiment, params)
        bar.advance()
    assert job.result is not None
    result = experiment.complete(params, job.result)
    if options.json:
        _print_json(
            experiment=experiment.id,
            params=params.to_dict(),
            device=job.device,
            device_name=job.device_name,
            versions=job.versions,
            seconds=job.seconds,
            result=result,
            **({"ticket": ticket.text, "measured": ticket.measured(result)} if ticket else {}),
        )
        return OK
    print(f"{experiment.id} on {job.device_name}: {job.seconds:.3g} s")
    for line in ticket.lines(result) if ticket else _lines(result):
        print(line)
    return OK


def _ticket(options: argparse.Namespace, registry: Registry) -> Ticket | None:
    """The ticket that is to be repeated; None where an experiment was named. Raises ConfigError."""
    if bool(options.name) == bool(options.ticket) or (options.ticket and options.set):
        raise ConfigError(
            "Say what to run: an experiment such as q13, or --ticket and nothing else: it has its settings."
        )
    if not options.ticket:
        return None
    from labs.tickets import read
    from questions import load_questions

    return read(options.ticket, load_questions(), registry)


def _record(options: argparse.Namespace) -> int:
    registry = Registry.discover()
    if options.all == bool(options.name) or options.runs < 1:
        raise ConfigError("Say what to record, q13 or --all, and at least one run.")
    experiments = (
        registry.of_questions()
        if options.all
        else registry.of_question(options.name) or [registry.find(options.name)]
    )
    paths: list[str] = []
    with _bar(options, registry, len(experiments) * options.runs) as bar:
        client = None if options.drawn else _client(options, registry, bar)
        for experiment in experiments:
            paths += map(str, _recorded(options, registry, experiment, client, bar))
            if not options.json:
                bar.write(f"{experiment.id}: {paths[-1]}")
    if options.json:
        _print_json(recorded=paths)
    return OK


def _recorded(
    options: argparse.Namespace,
    registry: Registry,
    experiment: Experiment[Any, Any],
    client: InlineClient | None,
    bar: ProgressBar,
) -> list[Path]:
    """Run it unless only its recordings are to be drawn anew; returns the files that were written."""
    from labs.claims.drawn import keep_drawings
    from labs.claims.recordings import record

    paths = []
    if client is not None:
        params, jobs = experiment.params.from_dict(dict(_setting(text) for text in options.set)), []
        for _ in range(options.runs):
            jobs.append(_measure(client, experiment, params))
            bar.advance()
        paths.append(record(jobs))
    return [*paths, *keep_drawings(registry, experiment)]


def _verify(options: argparse.Namespace) -> int:
    from labs.claims.verify import Verifier, as_json, chosen

    questions, registry = chosen(options.names), Registry.discover()
    verdicts = []
    with _bar(options, registry, sum(len(question.claims) for question in questions)) as bar:
        verifier = Verifier(registry, lambda: _client(options, registry, bar), full=options.full)
        for verdict in verifier.verdicts(questions):
            verdicts.append(verdict)
            bar.advance()
            if not options.json:
                word = {True: "agrees", False: "DISAGREES", None: "not decided"}[verdict.agrees]
                bar.write(f"{verdict.id:8} {verdict.kind:10} {word:11} {verdict.reason}".rstrip())
    if options.json:
        _print_json(**as_json(verdicts))
    return FAILED if any(verdict.agrees is False for verdict in verdicts) else OK


def _new(options: argparse.Namespace) -> int:
    from labs.skeleton import create

    paths = [str(path.relative_to(ROOT)) for path in create(options.slug, ROOT)]
    if options.json:
        _print_json(written=paths)
    else:
        print("\n".join(paths))
    return OK


def _bar(options: argparse.Namespace, registry: Registry, total: int) -> ProgressBar:
    """A bar of `total` steps, where somebody looks at it."""
    return ProgressBar(total, registry.strings("en"), visible=sys.stderr.isatty() and not options.json)


def _client(options: argparse.Namespace, registry: Registry, bar: ProgressBar) -> InlineClient:
    """The runner in this process; imports torch."""
    from labs.runner.inline import InlineClient

    return InlineClient.start(
        options.device, model=options.model, dtype=options.dtype, registry=registry, watch=bar.watch
    )


def _measure(client: InlineClient, experiment: Experiment, params: Params) -> Job:
    """Run an experiment; returns the job, which is done. Ends the command where it fails."""
    job = client.submit(experiment.id, params)
    if job.state != "done":
        raise _CannotRun(FAILED, job.error)
    return job


def _setting(text: str) -> tuple[str, str]:
    """Name and value of one --set. Raises ConfigError."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set takes NAME=VALUE, not {text!r}.")
    return name.strip(), value


def _estimates(experiment: Experiment) -> dict[str, float]:
    """Seconds that a run at the defaults takes, by the class of the device."""
    params = experiment.params()
    return {"cpu": experiment.seconds(params, "cpu"), "cuda": experiment.seconds(params, "cuda")}


def _lines(value: Any, indent: str = "  ") -> list[str]:
    """A result for reading: nested values indented, arrays and long lists by their size."""
    lines: list[str] = []
    for name, item in value.items():
        if isinstance(item, dict):
            lines += [f"{indent}{name}:", *_lines(item, indent + "  ")]
        elif isinstance(item, np.ndarray):
            lines.append(f"{indent}{name}: {item.dtype} {list(item.shape)}")
        elif isinstance(item, list) and len(item) > 8:
            lines.append(f"{indent}{name}: {len(item)} items")
        else:
            lines.append(f"{indent}{name}: {f'{item:.6g}' if isinstance(item, float) else item}")
    return lines


def _print_json(**content: Any) -> None:
    print(jsonable.dumps(content))


def _say_error(options: argparse.Namespace, sentence: str, code: int) -> int:
    """Print an error for people, and for programs with --json; returns the exit code."""
    if options.json:
        _print_json(error=sentence)
    print(sentence, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(run_in_shell(main))
