"""The commands of the client, one file each. They import what is heavy when they are called."""

__all__: list[str] = []
