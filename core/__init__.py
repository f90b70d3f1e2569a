"""What sagewizard knows and does, without a terminal.

Data flows one way: model reference → facts → fit → plan → deployment (events, ledger) → endpoint → conversation. Every
value is frozen; every step is a function or a small class from one to the next. Front ends live in `tui`.
"""

__version__ = "0.1.0"
