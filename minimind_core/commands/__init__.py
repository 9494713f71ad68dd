"""The commands of `python -m minimind_core`: one file each, with HELP, add_arguments and run.

A command is found by its file; `import_.py` is `import`, which Python keeps for itself. Whatever loads
torch is imported inside `run`, so that help and usage errors come at once.
"""
