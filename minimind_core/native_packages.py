"""What the programs need to be installed that our speed on a CPU is compared with. No torch."""

from __future__ import annotations

PACKAGES = {
    "llama.cpp": {"llama_cpp": "llama-cpp-python==0.3.36", "gguf": "gguf==0.19.0"},
    "ONNX Runtime": {"onnxruntime": "onnxruntime==1.31.1", "onnx": "onnx==1.23.2"},
}
"""What each peer needs: modules, and what pip calls them."""


def install_line(peer: str) -> str:
    """The line that installs all that a peer needs.

    >>> install_line("ONNX Runtime")
    'pip install onnxruntime==1.31.1 onnx==1.23.2'
    """
    return f"pip install {' '.join(PACKAGES[peer].values())}"
