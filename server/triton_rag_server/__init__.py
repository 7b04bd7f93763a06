"""Find a tritonserver, start it over a model repository, wait until it is ready, stop it. Standard library
only.
"""

from triton_rag_server.cache_folder import cache_folder, locked, writable_folder
from triton_rag_server.errors import (
    MissingLibraryError,
    ModelLoadError,
    PortInUseError,
    RepositoryNotServableError,
    ServerDiedError,
    ServerError,
    ServerNotFoundError,
    ServerStartError,
    StartTimeoutError,
)
from triton_rag_server.find import TritonInstallation, find_tritonserver
from triton_rag_server.options import ServerOptions, ServerOptionValues
from triton_rag_server.server import TritonServer
from triton_rag_server.startup import StartProgress

__all__ = [
    "MissingLibraryError",
    "ModelLoadError",
    "PortInUseError",
    "RepositoryNotServableError",
    "ServerDiedError",
    "ServerError",
    "ServerNotFoundError",
    "ServerOptionValues",
    "ServerOptions",
    "ServerStartError",
    "StartProgress",
    "StartTimeoutError",
    "TritonInstallation",
    "TritonServer",
    "cache_folder",
    "find_tritonserver",
    "locked",
    "writable_folder",
]
