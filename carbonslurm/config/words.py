"""What is wrong with a configuration, in one line with the path to it: msgspec's and YAML's words in ours."""

import re
from typing import Any, get_args

import msgspec

from carbonslurm.config.sections import Source
from carbonslurm.errors import ConfigError


def wrong(words: str) -> ConfigError:
    """Return the error; what was written in the file reaches no terminal raw."""
    return ConfigError(
        "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in words)
    )


_AT = re.compile(r"(?P<what>.*?) - at `(?:key in )?\$(?P<path>.*)`$", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.+)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.+)`", re.DOTALL)
_EXPECTED = re.compile(r"Expected `(.+?)`(?:, got `.*`)?$", re.DOTALL)
_LIMIT = re.compile(r"Expected `(\w+)` (.+)$", re.DOTALL)
_TAG = re.compile(r"Invalid (?:enum )?value '(.+)'", re.DOTALL)
_WORDS = {"float": "a number", "int": "a whole number", "str": "a text", "bool": "true or false"}
_WORDS |= {"object": "a mapping", "array": "a list"}


def words_for(message: str, raw: Any) -> str:
    """Turn msgspec's message into ``path: what is wrong``, with the value that was found."""
    match = _AT.match(message)
    what, path = (match["what"], match["path"].lstrip(".")) if match else (message, "")
    for pattern, words in ((_UNKNOWN, "unknown key"), (_MISSING, "missing")):
        found = pattern.match(what)
        if found:
            return f"{_join(path, found[1])}: {words}"
    return f"{path or 'configuration'}: {_expectation(what)}{_got(what, raw, path)}{_hint(path, raw)}"


def _hint(path: str, raw: Any) -> str:
    if path.endswith(".provider"):
        return f": there are {', '.join(str(source.__struct_config__.tag) for source in get_args(Source))}"
    if isinstance(_at(raw, path), bool) and path.rsplit(".", maxsplit=1)[-1] == "zone":
        return " (YAML reads an unquoted NO as false: put it in quotes)"
    return ""


def _expectation(what: str) -> str:
    limit = _LIMIT.match(what)
    if limit:
        return f"expected {_named(limit[1])} {limit[2]}"
    expected = _EXPECTED.match(what)
    if expected:
        return "expected " + " or ".join(_named(word) for word in expected[1].split(" | "))
    unknown = _TAG.match(what)
    return f'unknown value "{unknown[1]}"' if unknown else what


def _got(what: str, raw: Any, path: str) -> str:
    return (
        ""
        if ("got" in what and "Expected" not in what) or _TAG.match(what)
        else f", got {shown(_at(raw, path))}"
    )


def _named(word: str) -> str:
    return _WORDS.get(word, word)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _at(raw: Any, path: str) -> Any:
    """Follow a path such as ``sources[0].zone`` into the raw value."""
    for part in re.findall(r"[^.\[\]]+", path):
        try:
            raw = raw[int(part)] if isinstance(raw, list) else raw[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return raw


def shown(value: Any) -> str:
    """Write a value as JSON does, cut; an unquoted NO or 12:30 shows what YAML made of it."""
    return msgspec.json.encode(value, enc_hook=str).decode(errors="replace")[:60]


def yaml_words(error: Exception) -> str:
    """Return YAML's problem with its line."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "not YAML"
    return f"line {mark.line + 1}: {problem}" if mark else str(problem)
