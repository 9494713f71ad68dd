"""Small models of several kinds, each trained from several seeds: is a difference more than luck?

Shared by the labs that compare kinds of models. Only `training.py` imports torch.
"""
