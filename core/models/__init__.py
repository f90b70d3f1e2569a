"""What a model is: its reference, its facts, and the one set of weight files that will be packaged."""
