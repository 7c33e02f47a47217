"""The configuration: YAML in, frozen values out, read once.

``sections`` has every key with its default (docs/config.md lists them), ``reading`` reads and checks the
file, ``words`` says what is wrong with it: an unknown key, a wrong type or an impossible value is one
ConfigError with the path to it (``policy.threshold: expected a number, got "low"``). Of secrets it knows the
files alone: they are read where they are used.
"""

from carbonslurm.config.reading import DEFAULT_PATH, PATH_VARIABLE, default_path, load, parse
from carbonslurm.config.sections import Config, Duration, FileSource, NesoSource

__all__ = [
    "DEFAULT_PATH",
    "PATH_VARIABLE",
    "Config",
    "Duration",
    "FileSource",
    "NesoSource",
    "default_path",
    "load",
    "parse",
]
