"""The load generator: `python -m serving load URL` sends to a server what its users would send."""
