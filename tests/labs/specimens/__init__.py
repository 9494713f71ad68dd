"""Experiments that misbehave on purpose, for the tests of the runner."""

from tests.labs.specimens import misbehaving as specimens

EXPERIMENTS = (
    specimens.Wait(),
    specimens.Kept(),
    specimens.Hang(),
    specimens.HangInC(),
    specimens.Crash(),
    specimens.OutOfMemory(),
    specimens.DeviceAssert(),
    specimens.HangOnDevice(),
    specimens.Children(),
    specimens.Bug(),
    specimens.Noisy(),
    specimens.WhoAmI(),
)
