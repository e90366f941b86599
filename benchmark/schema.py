"""Strict JSON: text to frozen dataclasses and back, with the path to the bad field in every message.

A dataclass is its own schema. A field is a dataclass, `bool`, `tuple[X, ...]` (a JSON list), `dict[str, X]`,
`X | None`, `Setting` (any finite JSON value), or a number or text annotated with what is allowed:
`Annotated[float, Number(0, 1)]`, `Annotated[int, Whole()]`, `Annotated[str, Text()]`.
Unknown, missing and repeated keys are refused, as are NaN, infinities and unprintable characters.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Any, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

from benchmark.errors import RecordError

Setting: TypeAlias = Any
"""A field that holds any finite JSON value; only the resolved configuration is so free."""

LINE_WIDTH = 180
MAX_DEPTH = 32
LARGEST = 2**63 - 1
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number from `low` to `high`, both allowed; a whole one is read as a float."""

    low: float = -sys.float_info.max
    high: float = sys.float_info.max

    def __str__(self) -> str:
        return "a " + _bounded("number", self.low, self.high)

    def read(self, value: Any) -> float | None:
        """The value as a float, or None if it is not allowed."""
        good = type(value) in (int, float) and self.low <= value <= self.high  # no NaN or infinity is
        return float(value) if good else None


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from `low` to `high`, both allowed."""

    low: int = 0
    high: int = LARGEST

    def __str__(self) -> str:
        return "a " + _bounded("whole number", self.low, self.high)

    def read(self, value: Any) -> int | None:
        """The value, or None if it is not allowed."""
        return value if type(value) is int and self.low <= value <= self.high else None


@dataclass(frozen=True, slots=True)
class Text:
    """One printable line of at most `longest` characters that matches `pattern`, in words `described`."""

    pattern: str = ".+"
    described: str = "a line of text"
    longest: int = 500

    def __str__(self) -> str:
        return f"{self.described} of at most {self.longest} characters"

    def read(self, value: Any) -> str | None:
        """The value, or None if it is not allowed."""
        good = isinstance(value, str) and len(value) <= self.longest and value.isprintable()
        return value if good and re.fullmatch(self.pattern, value) else None


def parse(kind: type[T], text: str, where: str) -> T:
    """Reads JSON `text` as an instance of the dataclass `kind`; `where` names the file in messages.

    Raises:
        RecordError: the text is not JSON, or a field is missing, unknown, repeated, mistyped or out of range.
    """
    return build(kind, decode(text, where), where)


def decode(text: str, where: str) -> Any:
    """Reads JSON `text` into plain values; repeated keys are noted, for `build` to refuse with their path.

    Raises:
        RecordError: the text is not JSON, holds NaN or an infinity, or is nested too deeply.
    """

    def refuse(constant: str) -> None:
        raise RecordError(f"{where}: {constant} is no JSON number: expected finite numbers only")

    try:
        return json.loads(text, object_pairs_hook=_Object, parse_constant=refuse)
    except RecursionError:
        raise RecordError(f"{where}: nested too deeply: expected at most {MAX_DEPTH} levels") from None
    except RecordError:
        raise
    except ValueError as error:  # also an integer of thousands of digits
        raise RecordError(f"{where}: not valid JSON ({error})") from None


def build(kind: type[T], value: object, where: str) -> T:
    """Checks plain JSON values against the dataclass `kind` and makes an instance of it.

    Raises:
        RecordError: the first bad field, with its path, what was got and what was expected.
    """
    return _read(kind, value, where, "")


def dump(instance: Any) -> str:
    """The dataclass as JSON that people can compare line by line; `parse` reads back an equal instance."""
    return _layout(dataclasses.asdict(instance), "") + "\n"


def shown(value: object) -> str:
    """A JSON value in a few words, for messages."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    text = json.dumps(value, default=repr)
    return text if len(text) <= 60 else text[:57] + "..."


class _Object(dict[str, Any]):
    """A JSON object that remembers the first key that stood in it twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        seen: set[str] = set()
        self.repeated = next((key for key, _ in pairs if key in seen or seen.add(key)), None)


def _read(kind: Any, value: object, where: str, path: str) -> Any:
    rule = kind.__metadata__[0] if hasattr(kind, "__metadata__") else None
    if rule is not None:
        checked = rule.read(value)
        if checked is None:
            raise _mismatch(where, path, value, str(rule))
        return checked
    if kind is bool:
        if not isinstance(value, bool):
            raise _mismatch(where, path, value, "true or false")
        return value
    if kind is Setting:
        return _read_setting(value, where, path)
    if get_origin(kind) in (Union, UnionType):
        return None if value is None else _read(get_args(kind)[0], value, where, path)
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise _mismatch(where, path, value, "a list")
        return tuple(_read(get_args(kind)[0], item, where, f"{path}[{i}]") for i, item in enumerate(value))
    fields = _object(value, where, path)
    if get_origin(kind) is dict:
        return {key: _read(get_args(kind)[1], item, where, _join(path, key)) for key, item in fields.items()}
    hints = _hints(kind)
    for key in fields:
        if key not in hints:
            raise RecordError(f"{where}: {_join(path, key)} is no known field: expected {', '.join(hints)}")
    for key in hints:
        if key not in fields:
            raise RecordError(f"{where}: {_join(path, key)} is missing")
    return kind(**{key: _read(hint, fields[key], where, _join(path, key)) for key, hint in hints.items()})


def _read_setting(value: object, where: str, path: str, depth: int = 0) -> Any:
    """Any JSON value, lists as lists, so that a record equals itself after a round trip."""
    if depth > MAX_DEPTH:
        raise RecordError(f"{where}: {path[:60]} is nested too deeply: expected at most {MAX_DEPTH} levels")
    if isinstance(value, list | tuple):
        return [_read_setting(item, where, f"{path}[{i}]", depth + 1) for i, item in enumerate(value)]
    if isinstance(value, dict):
        fields = _object(value, where, path)
        return {key: _read_setting(item, where, _join(path, key), depth + 1) for key, item in fields.items()}
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and Text(".*").read(value) is not None:
        return value
    if isinstance(value, int | float) and Number(-LARGEST, LARGEST).read(value) is not None:
        return value
    raise _mismatch(where, path, value, "a finite number, a printable line of text, true, false or null")


def _object(value: object, where: str, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _mismatch(where, path, value, "an object")
    repeated = getattr(value, "repeated", None)
    if repeated is not None:
        raise RecordError(f"{where}: {_join(path, repeated)} stands twice: expected every key once")
    for key in value:
        if Text(longest=100).read(key) is None:
            raise RecordError(f"{where}: {path or 'the record'} has the key {shown(key)}: expected a short name")
    return value


def _mismatch(where: str, path: str, value: object, expected: str) -> RecordError:
    return RecordError(f"{where}: {path or 'the document'} is {shown(value)}: expected {expected}")


def _join(path: str, key: str) -> str:
    key = key if re.fullmatch(r"[\w-]{1,100}", key) else shown(key)
    return f"{path}.{key}" if path else key


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _bounded(noun: str, low: float, high: float) -> str:
    if low <= -LARGEST:
        return noun
    return f"{noun}, {low:g} or more" if high >= LARGEST else f"{noun} from {low:g} to {high:g}"


def _layout(value: Any, indent: str) -> str:
    """One line where it fits, else one item a line."""
    line = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if not isinstance(value, dict | list | tuple) or not value or len(indent) + len(line) <= LINE_WIDTH:
        return line
    deeper = indent + " "
    if isinstance(value, dict):
        items = [f"{deeper}{json.dumps(key)}: {_layout(item, deeper)}" for key, item in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    return "[\n" + ",\n".join(deeper + _layout(item, deeper) for item in value) + f"\n{indent}]"
