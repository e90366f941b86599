"""Ways to spoil a file: bytes that are others, JSON values that are wilder."""

from __future__ import annotations

import copy
import random
from typing import Any


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Flipped bits, wild numbers, pieces from elsewhere, an early end: rather among small values, as metadata are."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        place = rng.randrange(len(changed))
        for _ in range(rng.choice([0, 50])):
            if changed[place] < 16:
                break
            place = rng.randrange(len(changed))
        length = rng.choice([1, 2, 4, 8])
        other = rng.randrange(len(changed))
        part = {
            "flip": bytes([changed[place] ^ 1 << rng.randrange(8)]),
            "ones": b"\xff" * length,
            "zeros": bytes(length),
            "noise": rng.randbytes(length),
            "copy": bytes(changed[other : other + rng.choice([8, 64, 256])]),
            "end": b"",
        }[rng.choice(["flip", "flip", "flip", "ones", "zeros", "noise", "copy", "end"])]
        changed[place : place + len(part)] = part
        if not part:
            del changed[place + 1 :]
    return bytes(changed[: len(data)])


WILD: list[Any] = [
    *(
        None,
        True,
        0,
        1,
        -1,
        2**31,
        2**63,
        10**30,
        0.5,
        1e308,
        "",
        "x",
        "../..",
        "|u1",
        "<f8",
        "|O",
        "|V9",
        "é",
        "\ud800",
    ),
    *([], {}, [[]], [1 << 40], [1 << 20] * 8, {"dtype": "|u1", "shape": [1 << 33]}, ["a"] * 1000, "9" * 5000),
]


def wilder(value: Any, rng: random.Random) -> Any:
    """A JSON value in which one place, at any depth, holds something else, nothing, or twice the same."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.1:
        return copy.deepcopy(rng.choice(WILD))
    value = copy.copy(value)
    key = rng.choice(list(value) if isinstance(value, dict) else range(len(value)))
    kind = rng.random()
    if kind < 0.1:
        del value[key]
    elif kind < 0.2 and isinstance(value, list):
        value.insert(key, copy.deepcopy(value[key]))
    elif kind < 0.2 and isinstance(value, dict):
        value[rng.choice(["x", "a/b/c", "mask", "depth", "video", ""])] = value[key]
    else:
        value[key] = wilder(value[key], rng)
    return value
