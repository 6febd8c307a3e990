"""The paper's tables: what they hold, and how they are computed and written."""
