"""`hub conformance`: an agency in any language holds its publisher and its receiver against the wire page."""
