"""`python -m kordon_proxy` is `kordon`."""

from .cli import main

main()
