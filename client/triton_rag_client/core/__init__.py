"""The client without input or output: build a request, parse a reply, decide about retry and deadline.

Nothing here opens a socket, sleeps or reads a clock by itself; the four shells in `transport/` do.
"""

__all__: list[str] = []
