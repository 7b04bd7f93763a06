"""Cancels requests by key, for whoever learns that a client has gone where the engine cannot.

A key is handed out with each request and cannot be guessed: who does not receive a request's responses cannot
end it.
"""

import secrets
from weakref import WeakValueDictionary

_KEY_BYTES = 16


class Cancellation:
    """Whether one request was cancelled.

    Attributes:
        key: what cancels it.
        is_cancelled: whether somebody did.
    """

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.is_cancelled = False


class CancellationKeys:
    """The keys of the requests in flight; a request is forgotten when nothing holds its cancellation."""

    def __init__(self) -> None:
        self._by_key: WeakValueDictionary[bytes, Cancellation] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._by_key)

    def issue(self) -> Cancellation:
        """A cancellation with a new key."""
        cancellation = Cancellation(secrets.token_hex(_KEY_BYTES).encode())
        self._by_key[cancellation.key] = cancellation
        return cancellation

    def cancel(self, key: bytes) -> None:
        """Cancel the request of a key; one that has ended, or never was, is left alone."""
        cancellation = self._by_key.get(key)
        if cancellation is not None:
            cancellation.is_cancelled = True
