"""ReFNet models, one a file."""
