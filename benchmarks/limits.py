"""What the kernel lets a process have."""

import resource


def allow_many_files() -> None:
    """Thousands of connections: as many file descriptors as this process, and what it starts, may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
