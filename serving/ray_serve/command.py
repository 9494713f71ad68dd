"""`ray`: fronts and engines on a Ray cluster, as many engines as the load needs, until SIGTERM or Ctrl+C.

    python -m serving ray --min-engines 1 --max-engines 2
    python -m serving ray --address auto --gpus 1 --max-engines 8

Without --address it starts a Ray of its own on this machine. Needs requirements-cluster.txt; docs/cluster.md
has the rest. The log is one JSON object a line on standard error; its line "ready" has the address.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import secrets
import signal
import socket
from typing import Any

import httpx

from minimind_core.command_options import add_device_arguments, add_model_arguments, positive
from minimind_core.errors import ConfigError, MiniMindError
from serving.arguments import DEFAULT, MOST_IN_CLUSTER, add_numbers, add_paged, at_most
from serving.logs import log_to, tell
from serving.ray_serve.plan import Plan, plan_of
from serving.ray_serve.proxy import CALLBACK
from serving.settings import Settings

INTERRUPTED = 130
OBJECT_STORE_BYTES = 80_000_000
"""Nothing large is kept there: answers are short texts."""
OWN_RAY = {"RAY_worker_niceness": "0", **CALLBACK}
"""Settings of a Ray that is started here: no process of it gives way to others."""
ATTEMPTS = 3
"""For a Ray of our own: it gives up after half a minute, which a busy machine may need for one process."""
LOOK_SECONDS = 10.0
ANSWER_SECONDS = 30.0
"""Beyond the drain, for fronts that do not answer."""


class NotDeployed(MiniMindError):
    """A cluster that is not there, or whose fronts or engines do not start."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `ray`."""
    many = at_most(MOST_IN_CLUSTER)
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="of a Ray cluster, `auto` for this machine's (a Ray of its own)",
    )
    parser.add_argument("--fronts", type=many, default=1, metavar="N", help="HTTP services (1)")
    parser.add_argument("--min-engines", type=many, default=1, metavar="N", help="always there (1)")
    parser.add_argument("--max-engines", type=many, default=2, metavar="N", help="under load (2)")
    parser.add_argument("--cpus", type=positive, default=1, metavar="N", help="of each engine (1)")
    parser.add_argument("--gpus", type=float, default=0.0, metavar="N", help="of each engine, or a share (0)")
    parser.add_argument(
        "--upscale-seconds", type=float, default=5.0, metavar="N", help="of load before one more engine (5)"
    )
    parser.add_argument(
        "--downscale-seconds", type=float, default=60.0, metavar="N", help="of quiet before one fewer (60)"
    )
    parser.add_argument("--host", default=DEFAULT.host, help=f"({DEFAULT.host})")
    parser.add_argument("--port", type=int, default=DEFAULT.port, help=f"of the proxies ({DEFAULT.port})")
    parser.add_argument(
        "--allowed-host", action="append", default=[], metavar="NAME", help="it is reached under; repeatable"
    )
    add_numbers(parser)
    add_paged(parser)
    add_model_arguments(parser)
    add_device_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Serve; 0 after SIGTERM and a drain, 130 after Ctrl+C. Raises ConfigError, NotDeployed."""
    plan = plan_of(options)  # a setting that cannot work is told before anything starts
    ray = imported(own=options.address is None)
    log_to(others=("ray", "ray.serve"))
    connect(ray, options.address)
    try:
        tell("deploying", fronts=plan.fronts, engines=plan.min_engines)
        deploy(plan)
        tell("ready", address=_answering(plan.settings))
        sig = _ended()
        tell("draining", signal=sig.name)
        tell("drained", left=drain(plan))
    finally:
        remove()
        ray.shutdown()
    return INTERRUPTED if sig == signal.SIGINT else 0


def imported(own: bool) -> Any:
    """The module `ray`, with what a Ray of our `own` is to find in its environment. Raises ConfigError."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if own:
        os.environ.update(OWN_RAY)
        if "RAY_AUTH_MODE" not in os.environ:
            # Ray listens beyond loopback whatever it is told; without the token nobody is heard.
            os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    try:
        import ray  # reads them now
        from ray import serve  # noqa: F401  (has its logs before ours)
    except ImportError:
        raise ConfigError("Ray is not installed here; run pip install -r requirements-cluster.txt.") from None
    return ray


def connect(ray: Any, address: str | None) -> None:
    """To a cluster, or to a Ray that is started here. Raises NotDeployed."""
    own = {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES} if address is None else {}
    for left in reversed(range(ATTEMPTS if address is None else 1)):
        try:
            _look_for(address)
            ray.init(address or "local", configure_logging=False, log_to_driver=False, **own)
            return
        except Exception as error:
            ray.shutdown()
            if not left:
                raise NotDeployed(f"The Ray cluster cannot be reached: {_last_line(error)}") from error
            tell("no Ray yet", why=_last_line(error))


def _look_for(address: str | None) -> None:
    """Raises OSError where nobody listens at HOST:PORT; Ray itself would try for two minutes."""
    host, _, port = (address or "").rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=LOOK_SECONDS).close()


def deploy(plan: Plan) -> None:
    """Start the engines and then the fronts; returns when both answer. Raises NotDeployed."""
    from ray import serve

    from serving.ray_serve.deployments import ENGINES, FRONTS, engines, fronts

    try:
        serve.start("EveryNode", {"host": plan.settings.host, "port": plan.settings.port})
        serve.run(engines(plan), name=ENGINES, route_prefix=None)
        serve.run(fronts(plan), name=FRONTS)
    except Exception as error:
        raise NotDeployed(f"The service does not start on the cluster: {_last_line(error)}") from error


def drain(plan: Plan) -> int:
    """Refuse what comes, and end what was accepted. Returns how many requests time was too short for."""
    from ray import serve

    from serving.ray_serve.deployments import FRONTS, Front

    handle = serve.get_deployment_handle(Front.__name__, FRONTS)
    seconds = plan.settings.drain_seconds + ANSWER_SECONDS
    left: list[int] = handle.broadcast("drain").results(timeout_s=seconds)
    return sum(left)


def remove() -> None:
    """Take fronts and engines from the cluster; what else runs there stays."""
    from ray import serve
    from ray.serve.exceptions import RayServeException

    from serving.ray_serve.deployments import ENGINES, FRONTS

    with contextlib.suppress(RayServeException):  # nothing was deployed
        for name in (FRONTS, ENGINES):
            serve.delete(name)


def _answering(settings: Settings) -> str:
    """The address; proxies that are there already keep theirs. Raises NotDeployed where that is another."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{host}:{settings.port}"
    try:
        httpx.get(f"{address}/health/live", trust_env=False, timeout=ANSWER_SECONDS).raise_for_status()
    except httpx.HTTPError as error:
        raise NotDeployed(
            f"Nothing answers at {address}; if this cluster serves already, give the --port that it has."
        ) from error
    return address


def _ended() -> signal.Signals:
    """The signal that ends it. Until here Ray's own handlers do."""
    signals: queue.SimpleQueue[int] = queue.SimpleQueue()
    for sig in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sig, lambda sig, _frame: signals.put(sig))
    return signal.Signals(signals.get())


def _last_line(error: Exception) -> str:
    """Of an error of Ray's, which quote whole tracebacks."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
