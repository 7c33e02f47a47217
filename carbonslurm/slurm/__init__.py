"""The wire to Slurm: its own commands, run with a timeout, an argv list and a clean environment.

What is asked and how answers are read is pure and lives in ``formats``; here are only the calls. The three
actuators are ``begin``, ``hold`` and ``gate``, behind one port.
"""
