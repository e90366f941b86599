"""Experiments of the thesis that are no model on the board: one file each, found by file name."""
