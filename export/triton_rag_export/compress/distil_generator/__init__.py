"""Distillation of generators, causal and encoder-decoder: a student learns what a teacher says of a token."""

__all__: list[str] = []
