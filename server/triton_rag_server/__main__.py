"""`python -m triton_rag_server`: prepare the embedded server ahead of time, as an image build does."""

import sys

from triton_rag_server.embedded import prepare_embedded
from triton_rag_server.stub_environment import prepare_stub_environment


def _write_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    root = prepare_embedded(_write_line)
    prepare_stub_environment(root)
    _write_line(str(root))
