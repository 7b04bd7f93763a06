"""A report that ends a training in its middle."""

from triton_rag_export.compress.outcome import Progress


class KilledAt:
    """Raises KeyboardInterrupt when it has heard of so many updates, whichever training they are of."""

    def __init__(self, update: int) -> None:
        self._left = update

    def __call__(self, progress: Progress) -> None:
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt
