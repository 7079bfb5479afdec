"""Records and rules: pure, no I/O, no async. Everything else may import this; this imports nothing of ours."""
