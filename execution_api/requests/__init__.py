"""What every request passes: sizes, JSON, pages, errors, logs."""
