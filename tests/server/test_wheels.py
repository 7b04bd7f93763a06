from pathlib import Path

import pytest
from triton_rag_server import ServerNotFoundError
from triton_rag_server.wheels import download_wheel


def test_a_wheel_that_does_not_exist_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ServerNotFoundError, match=r"cannot be downloaded \(ERROR: .*numpy==1\.26\.4"):
        download_wheel("numpy", "1.26.4", tmp_path)
