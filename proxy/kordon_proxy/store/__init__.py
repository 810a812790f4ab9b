"""What Kordon keeps beside its files: state that is looked up and changed, shared by all processes of one Kordon."""
