"""Sealed tickets: a seed draws a changed prediction whose answer nobody has before this machine measured it.

    ticket = draw(question, seed=4711, registry=registry)
    ticket.text                    # "Q06-7H-04K7-Q1": question, edition, seed, check
    ticket.prediction.params       # the settings that it drew
    read(ticket.text, questions, registry) == ticket

Reading order: `text.py`, `draw.py`. The variations stand in `tickets.toml` of a question.
"""

from labs.tickets.draw import MOST_SEEDS, Ticket, draw, is_ticket, read, seed_from, variants
from labs.tickets.text import TicketError

__all__ = ["MOST_SEEDS", "Ticket", "TicketError", "draw", "is_ticket", "read", "seed_from", "variants"]
