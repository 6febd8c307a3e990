"""Experiments: miniature data, runs, tables, figures and reports."""
