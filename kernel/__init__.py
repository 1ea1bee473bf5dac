"""The kernel: the only code that talks to the database."""
