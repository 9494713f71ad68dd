"""What can go wrong for a user, as one small tree.

    MiniMindError
    ├── ConfigError       a model or training setting that cannot work
    ├── CheckpointError   a weight file that is missing, truncated, foreign or unsafe
    ├── TokenizerError    a tokenizer that is missing or does not belong to the weights
    ├── DataError         a training or evaluation text that cannot be used
    └── DeviceError       a device or dtype that this machine does not have

Each message is one sentence that says what to do. Programmer errors (wrong shapes, wrong types)
are assertions instead, and are not listed here.
"""


class MiniMindError(Exception):
    """Base of every error that a user can cause and mend."""


class ConfigError(MiniMindError):
    """A model, sampling or training setting that cannot work."""


class CheckpointError(MiniMindError):
    """A weight file that is missing, truncated, foreign or unsafe."""


class TokenizerError(MiniMindError):
    """A tokenizer that is missing or does not belong to the weights."""


class DataError(MiniMindError):
    """A text file that cannot be read as training or evaluation data."""


class DeviceError(MiniMindError):
    """A device or dtype that this machine does not have."""
