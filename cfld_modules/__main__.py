"""Entry point of `python -m cfld_modules`."""

import sys

from .command_line import main

sys.exit(main())
