"""The commands: each parses, calls, renders. One module per command; ``program`` gives them their endings.

Errors go to stderr in one line and to the exit code (errors.py); nothing ends with 0 after an error. What a
command needs is imported inside it, so that --help answers at once.
"""
