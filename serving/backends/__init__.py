"""What makes the tokens: our engine in this process, or any OpenAI-compatible server.

`backend.py` is the seam: whoever stands behind it is asked the same way.
"""
