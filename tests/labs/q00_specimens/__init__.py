"""Experiments that misbehave on purpose, for the tests of the runner."""

EXPERIMENTS = (
    "wait",
    "kept",
    "hang",
    "hang_in_c",
    "crash",
    "out_of_memory",
    "device_assert",
    "hang_on_device",
    "children",
    "bug",
    "noisy",
    "whoami",
)
