"""What is known of a machine: how fast it copies, multiplies and launches, and what follows for a model.

A machine of three numbers. A decode step reads all weights once for the whole batch and multiplies each with
every row, so it takes at least `bytes / bandwidth`, at least `2 * weights * batch / rate`, and one launch for
each operation. Each is a floor of its own (roofline: Williams et al. 2009). Measures nothing.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """`bandwidth` in bytes a second, `launch` in seconds an operation, `rate` in floating-point operations a
    second, of the dtype whose numbers take `bytes_per_number`. `name` is the device's."""

    name: str
    bandwidth: float
    rate: float
    launch: float
    bytes_per_number: int

    def seconds_to_read(self, num_bytes: float) -> float:
        """The floor of a step that reads so many bytes once."""
        return num_bytes / self.bandwidth

    def seconds_to_launch(self, num_operations: float) -> float:
        """The floor of a step that is launched operation by operation."""
        return num_operations * self.launch

    @property
    def balance(self) -> float:
        """Operations that it does in the time it reads one byte.

        >>> Machine("one", bandwidth=1e9, rate=3.2e10, launch=5e-6, bytes_per_number=2).balance
        32.0
        """
        return self.rate / self.bandwidth

    @property
    def knee_batch(self) -> float:
        """The batch from which on multiplying takes longer than reading the weights: two operations a weight
        and row, against its bytes.

        >>> Machine("one", bandwidth=1e9, rate=3.2e10, launch=5e-6, bytes_per_number=2).knee_batch
        32.0
        """
        return self.balance * self.bytes_per_number / 2

    def launch_bound_bytes(self, num_operations: float) -> float:
        """The bytes below which launching takes longer than reading them."""
        return self.seconds_to_launch(num_operations) * self.bandwidth
