"""Text generation: an engine that batches continuously, over adapters that run a model."""

__all__: list[str] = []
