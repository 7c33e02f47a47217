"""Measured energy of runs, one source a module: Prometheus.

Slurm's own counters come with sacct; when they can be believed, ``core.energy`` says. What nobody measures is
modelled by ``core.power``. Which it was stands in every figure.
"""
