"""One function per fact, by what the fact is about. Generated."""
