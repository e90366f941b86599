"""The one-dimensional laws of motion along a path, with their closed forms.

The generator takes from here the state a clip starts in; Bullet integrates it. The closed forms screen drawn
parameters and are what tests compare Bullet with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeedLaw:
    """How an object goes along a path of a given length in a given time.

    Attributes:
        kind: "constant": s'' = 0. "accelerating": s'' = a > 0. "bouncing": s'' = -g towards a stop at s = 0, where
            s' turns into -e s'.
        length: visited length of the path, world units.
        duration: seconds between the first and the last frame.
        initial_speed: accelerating: speed at the first frame over the mean speed; bouncing: over the speed of the
            first impact.
        restitution: e of the bounces.
        falls: duration over the time of one fall from the apex.
    """

    kind: str
    length: float
    duration: float
    initial_speed: float = float("nan")
    restitution: float = float("nan")
    falls: float = float("nan")

    def start(self) -> tuple[float, float, float]:
        """Arc length, speed along it and acceleration along it (world units, seconds) at the first frame."""
        if self.kind == "constant":
            return 0.0, self.length / self.duration, 0.0
        if self.kind == "accelerating":
            mean = self.length / self.duration
            return 0.0, self.initial_speed * mean, 2 * (1 - self.initial_speed) * mean / self.duration
        fall = self.duration / self.falls
        gravity = 2 * self.apex() / fall**2
        return self.length, -self.initial_speed * gravity * fall, -gravity

    def apex(self) -> float:
        """Bouncing: height from which a fall from rest passes the start with the start's speed, world units."""
        return self.length / (1 - self.initial_speed**2)

    def rebound(self) -> float:
        """Bouncing: greatest s after the first contact, world units; more than `length` would leave the path."""
        return self.restitution**2 * self.apex()

    def arc_length(self, t: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        """Closed form of s at times `t` >= 0, seconds from the first frame."""
        s, v, a = self.start()
        t = np.asarray(t, dtype=np.float64)
        if self.kind != "bouncing":
            return s + v * t + a * t**2 / 2
        out = np.empty_like(t)
        begin = 0.0
        for end, impact_speed in self.impacts(float(t.max(initial=0.0))):
            inside = (t >= begin) & (t <= end)
            out[inside] = s + v * (t[inside] - begin) + a * (t[inside] - begin) ** 2 / 2
            s, v, begin = 0.0, self.restitution * impact_speed, end
        return out

    def impacts(self, until: float) -> list[tuple[float, float]]:
        """Bouncing: (time, speed just before) of every contact up to and including the first one after `until`."""
        s, v, a = self.start()
        impact_speed = float(np.sqrt(v * v - 2 * a * s))
        time = (impact_speed + v) / -a
        found = [(time, impact_speed)]
        while time <= until:
            impact_speed *= self.restitution
            time += 2 * impact_speed / -a
            found.append((time, impact_speed))
        return found
