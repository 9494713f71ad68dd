"""compose.yaml and what it mounts: complete, pinned, on loopback, in words that our programs understand."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from serving.__main__ import _parser
from serving.arguments import settings_of
from serving.backends.embedded import EmbeddedBackend
from serving.scaleout.programs import nginx_command
from serving.scaleout.stream import RequestStream
from serving.scaleout.worker import Worker
from serving.scaleout.worker_metrics import serve_metrics
from serving.settings import Settings
from tests.serving.served import SMALL, served, tiny

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_watched_bounded_and_on_loopback(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"[\w./-]+:v?\d[\w.-]*", service["image"]), "a tag that does not move"
    assert service["restart"] == "unless-stopped" and service["mem_limit"] and service["healthcheck"]["test"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert set(service.get("depends_on", ())) <= set(SERVICES)
    for mount in service.get("volumes", []):
        source = mount.split(":")[0]
        assert (DEPLOY / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]


def test_an_image_is_built_once() -> None:
    """Two builds of one tag at the same time can meet: "image already exists"."""
    built = [service["image"] for service in SERVICES.values() if "build" in service]
    assert len(built) == len(set(built)) == 1
    for service in SERVICES.values():
        if service["image"] in built and "build" not in service:
            assert service["pull_policy"] == "never"


def test_a_worker_can_compile_and_keep_what_it_compiled() -> None:
    """The fast step is built by a compiler, in the image; without one a worker is many times slower."""
    dockerfile, worker = (DEPLOY / "Dockerfile").read_text(), SERVICES["worker"]
    assert re.search(r"apt-get install .*g\+\+", dockerfile)
    (home,) = (mount.split(":")[1] for mount in worker["volumes"])
    assert f"mkdir {home}" in dockerfile, "a new volume has the owner of the folder in the image"
    assert dockerfile.index(f"mkdir {home}") < dockerfile.index("cpu_step import is_available")
    assert all(path.startswith(f"{home}/") for path in worker["environment"].values())
    user = home.split("/")[2]
    assert f"USER {user}" in dockerfile and home == f"/home/{user}/.cache"


@pytest.mark.parametrize("name", ["api", "worker"])
def test_our_own_programs_understand_their_commands(name: str) -> None:
    options = _parser().parse_args(SERVICES[name]["command"])
    settings = settings_of(options)
    address = settings.backend if name == "api" else options.queue_address
    assert address == "redis://redis:6379"
    grace = int(SERVICES[name]["stop_grace_period"].removesuffix("s"))
    assert settings.drain_seconds < grace, "or else it is killed while it drains"


def test_it_ends_from_the_door_inwards_and_each_has_the_time_to_finish() -> None:
    """Who depends on another one ends before it. nginx finishes on the signal that its image stops it by."""
    order = ["nginx", "api", "worker", "redis"]
    for first, then in itertools.pairwise(order):
        assert then in SERVICES[first]["depends_on"]
    drain = Settings().drain_seconds
    assert all(int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > drain for name in order[:-1])


@pytest.mark.parametrize("deadline", [Settings().deadline, 120.0])
def test_nginx_waits_longer_than_a_request_may_take(deadline: float, tmp_path: Path) -> None:
    """Or it says that a node has died that only waits, as with a deadline above its own minute."""
    nginx_command(tmp_path, 80, [1], deadline)
    [seconds] = re.findall(r"proxy_read_timeout (\d+)s", (tmp_path / "service.conf").read_text())
    assert int(seconds) > deadline
    assert int(SERVICES["nginx"]["environment"]["READ_SECONDS"]) > Settings().deadline


WORDS = {
    *(
        "image",
        "build",
        "command",
        "depends_on",
        "deploy",
        "environment",
        "healthcheck",
        "mem_limit",
        "ports",
    ),
    *(
        "restart",
        "volumes",
        "read_only",
        "tmpfs",
        "security_opt",
        "cap_drop",
        "pull_policy",
        "stop_grace_period",
    ),
}
INNER = {
    "build": {"context", "dockerfile"},
    "deploy": {"replicas"},
    "healthcheck": {"test", "interval", "start_period"},
}
"""Of the Compose specification, as far as they are used here."""


@pytest.mark.parametrize("name", SERVICES)
def test_no_word_is_misspelt(name: str) -> None:
    """Where there is no docker, or else an unknown word is found by whoever runs it."""
    service = SERVICES[name]
    assert set(COMPOSE) == {"name", "x-ours", "services", "volumes"} and set(service) <= WORDS
    for word, known in INNER.items():
        assert set(service.get(word, ())) <= known
    depended = service.get("depends_on", {})
    conditions = {each["condition"] for each in depended.values()} if isinstance(depended, dict) else set()
    assert conditions <= {"service_healthy", "service_started"}


def test_prometheus_reads_every_service_of_ours_where_it_answers() -> None:
    jobs = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    ports = {job["job_name"]: job["dns_sd_configs"][0]["port"] for job in jobs}
    worker = _parser().parse_args(SERVICES["worker"]["command"])
    assert ports == {"api": Settings().port, "worker": worker.metrics_port}


def test_prometheus_and_probes_reach_a_node_by_its_address_and_a_page_does_not() -> None:
    """A name is looked up for each node's address, and the address is what stands in `Host` then."""
    hosts = settings_of(_parser().parse_args(SERVICES["api"]["command"])).allowed_hosts

    async def ask() -> dict[tuple[str, str], int]:
        async with served(allowed_hosts=hosts) as node:
            return {
                (path, host): (await node.client.get(path, headers={"Host": host})).status_code
                for path in ("/metrics", "/health/live", "/v1/models")
                for host in ("172.18.0.5:8000", "[fd00::5]:8000", "evil.example:8000", "localhost:8000")
            }

    answered = {asked for asked, status in asyncio.run(ask()).items() if status == 200}
    assert answered == {
        *((path, "localhost:8000") for path in ("/metrics", "/health/live", "/v1/models")),
        *(
            (path, host)
            for path in ("/metrics", "/health/live")
            for host in ("172.18.0.5:8000", "[fd00::5]:8000")
        ),
    }


def test_the_dashboard_shows_what_is_exported() -> None:
    async def exported() -> str:
        async with served() as node:
            asked = {"prompt": "Ab", "max_tokens": 2}
            await node.client.post("/generate", json=asked)
            await node.client.post("/generate", json={**asked, "max_tokens": 0})
            backend = EmbeddedBackend(tiny(), Settings(**SMALL))
            port = serve_metrics(Worker(RequestStream("redis://"), backend, 1, "w"), backend, "127.0.0.1", 0)
            async with httpx.AsyncClient(trust_env=False) as client:
                worker = (await client.get(f"http://127.0.0.1:{port}")).text
            await backend.close()
            return (await node.client.get("/metrics")).text + worker

    names = set(re.findall(r"^(\w+)", asyncio.run(exported()), re.MULTILINE))
    panels = json.loads((DEPLOY / "grafana" / "dashboards" / "minimind.json").read_text())["panels"]
    asked = {name for panel in panels for name in _metrics(panel)}
    assert len(asked) > 10 and asked <= names


def _metrics(panel: dict[str, Any]) -> list[str]:
    text = " ".join(target["expr"] for target in panel["targets"])
    return re.findall(r"(?:minimind|process)_\w+", text)


def test_docker_itself_finds_no_fault() -> None:
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
        pytest.skip("there is no docker compose here")
    done = subprocess.run(
        [docker, "compose", "-f", str(DEPLOY / "compose.yaml"), "config", "--quiet"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
