"""`python -m tui` is `sagewizard`."""

from tui.cli import main

if __name__ == "__main__":
    main()
