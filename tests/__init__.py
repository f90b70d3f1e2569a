"""The tests: `unit` (fast, pure), `contract` (others' interfaces), `e2e` (the program and the sandbox), `tui`."""
