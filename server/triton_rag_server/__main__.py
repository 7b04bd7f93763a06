"""`python -m triton_rag_server`: prepare the embedded server ahead of time, as an image build does."""

import sys

from triton_rag_server.errors import ServerError
from triton_rag_server.find import EMBEDDED, find_tritonserver


def _write_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _main() -> int:
    """Prepare it and write where it is; an error is one line."""
    try:
        found = find_tritonserver(EMBEDDED, _write_line)
    except ServerError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    _write_line(str(found.root))
    return 0


if __name__ == "__main__":
    sys.exit(_main())
