"""The model itself: its shape, its forward pass, its cache, and what both cost. Reading order: `config.py`,
`minimind.py`, `attention.py`, `rope.py`, `kv_cache.py`.
"""
