"""What can go wrong for a user: few errors, each one sentence that says what to try."""


class DynamicsError(Exception):
    """Base of every error a user can cause or meet; its text is one full sentence for that user."""


class ConfigError(DynamicsError, ValueError):
    """A setting is outside what is allowed."""


class UnknownNameError(DynamicsError, LookupError):
    """A name (split, release, size, model …) is not one of those that exist."""

    def __init__(self, kind: str, name: str, known: tuple[str, ...]) -> None:
        """Says which `kind` of thing was asked for as `name`, and lists the `known` names."""
        super().__init__(f"unknown {kind} {name!r}: expected one of {', '.join(known)}")


class ShardError(DynamicsError, ValueError):
    """A shard or a manifest is missing, damaged, or belongs to something else."""


class BuildError(DynamicsError, RuntimeError):
    """A split could not be built: the directory is locked, unwritable or full."""
