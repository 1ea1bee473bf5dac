"""Values for a JSON schema, taken from the text of a conversation."""
