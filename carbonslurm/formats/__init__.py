"""Readings and writings shared by several rooms: text in, values out, and back. Pure, like ``core``."""
