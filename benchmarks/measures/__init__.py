"""One module for each kind of measure; each of their functions runs in a process of its own."""
