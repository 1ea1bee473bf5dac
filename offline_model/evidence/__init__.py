"""What is asked, which passages were given, and which of their sentences answer."""
