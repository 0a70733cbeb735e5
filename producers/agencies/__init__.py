"""What each kind of agency may state: one module per kind. Generated."""
