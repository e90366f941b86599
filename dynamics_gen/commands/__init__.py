"""The subcommands of `dynamics-gen`, one module each, found by name; each offers `command`."""
