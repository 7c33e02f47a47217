"""The ledger: what we did, what ran, what it emitted, kept in one database.

``tables`` is the schema, ``migrations`` how it came about. ``writing.Ledger`` is for the daemon, which is the
only writer; ``reading.Reading`` is for everybody else, ``accounts.Accounts`` where runs and their sums are
all that is asked for. They are put together from one class for each port: ``archive`` (forecasts and measured
values), ``actions`` and ``memory`` (what is ours), ``jobs`` (first sights), ``runs`` (sacct and figures),
``reports``. What differs between databases is in ``sqlite`` and ``postgres`` only.
"""
