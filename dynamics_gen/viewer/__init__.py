"""A page that shows the clips of a split: one file that needs nothing else, or served from this machine."""
