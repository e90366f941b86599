"""Dynamics: video clips in which only motion carries the class, simulated and rendered with Bullet."""

from dynamics_gen.version import __version__

__all__ = ["__version__"]
