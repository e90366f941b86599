"""The toy of 25 Gaussians: its data, its networks as ensembles of runs, and how they are trained and compared."""
