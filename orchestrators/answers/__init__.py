"""What becomes of a model's answer: read, held against the output schema and against what tools returned."""
