"""The labs: what is measured, one folder a question, and the runner that measures it elsewhere.

Start with `contract.py`, then `fields.py`, then any lab folder, then `runner/`.
"""
