"""The board: records and reference figures in, one table out."""
