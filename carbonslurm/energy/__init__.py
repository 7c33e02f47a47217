"""Measured energy of runs, one source a module: Slurm's own counters, Prometheus.

Nothing measures yet: every run's energy is modelled (core/power.py), and says so in its figure's method.
"""
