"""The rooms of the API, one module each."""
