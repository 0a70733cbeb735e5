"""Every schema that ever got an id, as it was when it was recorded: `schemas.jsonl`, and who reads and writes it."""
