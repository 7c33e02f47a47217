"""The parts of bin/bench forecast."""
