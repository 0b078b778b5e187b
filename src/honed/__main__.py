"""`python -m honed` and the command `honed`."""

from honed.interfaces.cli.root import main

if __name__ == "__main__":
    main()
