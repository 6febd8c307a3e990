"""Figures of the paper that are drawn from runs: a grid of cells by seeds, as tables are."""
