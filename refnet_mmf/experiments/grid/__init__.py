"""Grids of runs: cells by seeds, each one stock ``mmf_run`` in a folder of its own."""
