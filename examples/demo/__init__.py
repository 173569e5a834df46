"""The whole way on real input, told as it happens: `python -m examples.demo`."""
