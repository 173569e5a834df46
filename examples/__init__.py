"""Tocsin in use: a small shop that logs through it, and the demo of the whole way."""
