"""Programs that tests interrupt."""

import signal


def hear_interrupts() -> None:
    """For `preexec_fn`: a program started from a background job would inherit that Ctrl+C is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
