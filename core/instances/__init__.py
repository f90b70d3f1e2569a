"""Where a model can run: instance types, whether it fits them, what they cost, how many the account may have."""
