"""`python -m tuxctl`."""

import sys

from tuxctl.cli import main

sys.exit(main())
