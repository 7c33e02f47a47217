"""bin/test --matrix: tests/slurm, whole, on every Slurm that we support.

The list is tests/slurm/versions.toml. The suite that this machine itself runs is tested here, with .venv;
each of the others in a root folder made by debootstrap, with the Slurm and the Python that it ships. All run
side by side, each in namespaces of its own (mounts, processes, network): no port and no process of one is
seen by another, and whatever happens nothing is left running. The roots are kept, and made anew after a week.

::

    versions.py    the list
    entering.py    the command that runs something in a root, or here
    children.py    running commands, and ending them all
    roots.py       making the roots, and the virtual environments in them
    outcome.py     what a run came to, and how that is said
    running.py     one version from its root to its outcome
"""
