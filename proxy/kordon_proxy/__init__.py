"""The Kordon process: everything that touches the world."""
