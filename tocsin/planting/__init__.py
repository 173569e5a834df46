"""Logs in which it is known what failed: ordinary traffic, failures planted in it, and a manifest of them.

What stands here is made up after what servers and libraries print, and shares no line with the samples of the pattern
library: so what a scanner finds of it says something.
"""
