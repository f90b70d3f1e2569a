"""AWS, one service a module: thin, typed, raising the program's own errors."""
