"""The model endpoint of orchestrators: OpenAI's protocol."""
