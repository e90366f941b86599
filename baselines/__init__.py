"""The models of the benchmark: one file each, found by file name."""
