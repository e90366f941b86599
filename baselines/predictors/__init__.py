"""Predictors: each file is one model, which `bench run` finds by its name."""
