"""What Tocsin costs, measured beside what a user would pick instead."""
