"""`hub doctor`: one connection looked at step by step."""
