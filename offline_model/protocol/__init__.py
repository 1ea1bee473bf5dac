"""The wire: OpenAI's chat completions, responses, embeddings and models endpoints, their streams and errors."""
