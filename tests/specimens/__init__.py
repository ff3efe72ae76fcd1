"""Specimens: kinds that behave badly on purpose, each named by what it does."""
