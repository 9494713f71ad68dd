"""Models as files: our checkpoints, and what comes from and goes to others."""
