import sys

from .cli import main

# Processes that work for this one import it again.
if __name__ == "__main__":
    sys.exit(main())
