"""Our own operators for ONNX Runtime on a CPU: source in C, and the compiler that comes as a package."""

from triton_rag_export.kernels.library import install_kernels, kernel_fingerprint, kernel_library

__all__ = ["install_kernels", "kernel_fingerprint", "kernel_library"]
