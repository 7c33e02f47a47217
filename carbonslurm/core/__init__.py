"""What is decided, and nothing else: pure functions and frozen values.

No input or output, no clock, no logging, no randomness; only the standard library and numpy. Time comes in
as an argument. A decision comes out as data (``action``), which ``app`` carries out.
"""
