"""Simulation: a cluster in memory with a virtual clock.

``job`` is one job's life in time, ``cluster`` is Slurm around it, ``actuators`` are hold and gate, and
``forgetting`` is what a slurmctld that dies loses. The tests of the use cases run their stories on it; the
simulator will run traces on it.
"""
