"""Many API nodes and many workers around one queue: nginx → nodes → a Redis stream → workers.

`stream.py` is the queue and who may answer, `wire.py` what is written into it, `front.py` the backend of a
node, `worker.py` the other end. `cluster.py` starts all of it on one machine.
"""
