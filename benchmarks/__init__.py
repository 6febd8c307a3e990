"""Speed of the library, measured: ``make bench``."""
