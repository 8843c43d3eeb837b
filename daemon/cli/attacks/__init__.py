"""Attacks on the isolation, as tests run them and as `vecward doctor --attack` does on a host."""
