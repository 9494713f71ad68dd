"""The model as a service: HTTP in front of the engine, and the load that tests it.

`api/` is what a client sees, `service.py` decides who is let in and counts what became of them, `backends/`
make the tokens. Knows no lab, no question and no page.
"""
