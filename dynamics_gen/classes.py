"""The ten classes of Dynamics and their two factors (Mastropietro 2017, section 5.2.1)."""

PATHS = ("linear", "sinusoidal", "hypocycloidal", "rotation")
"""First factor, in label order; `rotation` is the one class without a path."""

SPEEDS = ("constant", "accelerating", "bouncing", "rotation")
"""Second factor, in label order; `rotation` is the one class without a speed type."""

MOVING_CLASSES = tuple(f"{path}_{speed}" for path in PATHS[:3] for speed in SPEEDS[:3])
"""The nine classes that travel: path × speed, path slowest."""

CLASSES = (*MOVING_CLASSES, "rotation")
"""All ten, in label order: the label is the index."""

ROTATION = CLASSES.index("rotation")


def factors(label: int) -> tuple[int, int]:
    """Splits a label into its (path, speed) indices into `PATHS` and `SPEEDS`.

    Raises:
        IndexError: the label is not in 0..9.
    """
    if not 0 <= label < len(CLASSES):
        raise IndexError(f"label {label} is not in 0..{len(CLASSES) - 1}")
    return (3, 3) if label == ROTATION else (label // 3, label % 3)
