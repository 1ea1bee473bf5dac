"""Commands for work: deploy, start, tasks, submit, check, import."""
