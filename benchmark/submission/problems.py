"""Everything that is wrong with a JSON document, where `benchmark.schema` stops at the first."""

from __future__ import annotations

import dataclasses
from types import UnionType
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from benchmark.errors import RecordError
from benchmark.schema import build, shown

MOST_ITEMS = 1_000
"""Of a list; a longer one is refused unread."""


def every_problem(kind: Any, value: object, where: str, path: str = "") -> list[str]:
    """Sentences on every field that `schema.build` would refuse, in the order of the fields; none if it would not.

    Args:
        kind: a dataclass, or what a field of one may be.
        value: plain JSON values, as `schema.decode` gives them.
        where: names the file in messages.
        path: of the value in it.
    """
    if get_origin(kind) in (Union, UnionType):
        return [] if value is None else every_problem(get_args(kind)[0], value, where, path)
    if get_origin(kind) is tuple and isinstance(value, list) and len(value) <= MOST_ITEMS:
        inner = get_args(kind)[0]
        return [found for i, item in enumerate(value) for found in every_problem(inner, item, where, f"{path}[{i}]")]
    if get_origin(kind) is tuple:
        return [f"{where}: {path} is {shown(value)}: expected a list of at most {MOST_ITEMS}"]
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        return _fields(kind, value, where, path)
    try:
        build(cast(Any, kind), value, where)
    except RecordError as error:
        return [str(error).replace(f"{where}: the document", f"{where}: {path or 'the document'}", 1)]
    return []


def _fields(kind: Any, value: dict[str, Any], where: str, path: str) -> list[str]:
    hints = get_type_hints(kind, include_extras=True)
    start = f"{path}." if path else ""
    problems = []
    repeated = getattr(value, "repeated", None)
    if repeated is not None:
        problems.append(f"{where}: {start}{_name(repeated)} stands twice: expected every key once")
    unknown = [key for key in value if key not in hints]
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        are = "are no known fields" if more else "is no known field"
        problems.append(f"{where}: {start}{_name(unknown[0])}{more} {are}: expected {', '.join(hints)}")
    for name, hint in hints.items():
        if name not in value:
            problems.append(f"{where}: {start}{name} is missing")
        else:
            problems += every_problem(hint, value[name], where, start + name)
    return problems


def _name(key: str) -> str:
    return key if key.isascii() and key.isidentifier() and len(key) <= 60 else shown(key)
