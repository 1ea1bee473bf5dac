"""Commands that start programs and look after what they need."""
