"""What a machine is called in the reader's language: a worker names it in English, threads included."""

from __future__ import annotations

import re

from pages.ui.words.i18n import plain

_THREADS = re.compile(r", (\d+) (threads?)$")


def machine_name(device_name: str) -> str:
    """The name of a device as a run has it: "AMD EPYC, 2 threads" is "AMD EPYC（2 线程）" in Chinese."""
    return _THREADS.sub(lambda found: plain(f"device.{found[2]}", count=found[1]), device_name)
