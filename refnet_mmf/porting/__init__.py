"""Puts a working MMF on a current Python: a table of substitutions and the tool that applies it."""
