"""The report: everything that the runs have come to, on one page."""
