"""`python -m headwater.cli`: the same as `headwater`."""

from headwater.cli.main import main

main()
