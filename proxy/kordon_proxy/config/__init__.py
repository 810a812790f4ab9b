"""`kordon.yaml`: what it may say, how it is read, and what is told about a wrong one."""
