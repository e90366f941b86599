"""`python -m dynamics_gen` is `dynamics-gen`."""

from dynamics_gen.cli import main

main(prog_name="dynamics-gen")
