"""The service on a Ray cluster: Ray's proxies → fronts → engines, as many of these as the load needs.

`exchange.py` is what a front asks and an engine says, without Ray; `plan.py` how many there are of each;
`proxy.py` is what Ray's proxies add, `deployments.py` has fronts and engines for Ray Serve, and `command.py`
is `python -m serving ray`. Only these two need Ray.
"""
