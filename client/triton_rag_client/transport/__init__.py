"""The four shells around the core, sync and async, gRPC and HTTP. They move bytes; they decide nothing."""

__all__: list[str] = []
