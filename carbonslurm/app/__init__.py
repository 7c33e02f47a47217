"""The use cases: each one a short straight story over the Protocols of ``ports``.

Nothing here knows an adapter or asks what time it is; wiring hands both in. The decisions are in ``core``.
"""
