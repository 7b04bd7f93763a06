"""What this machine has and lacks for serving, building and measuring."""

from triton_rag_client.diagnosis.finding import Finding, State
from triton_rag_client.diagnosis.machine import check_machine
from triton_rag_client.diagnosis.packages import check_packages
from triton_rag_client.diagnosis.server import check_server

__all__ = ["Finding", "State", "check_machine", "check_packages", "check_server"]
