"""Orchestrators: user space. They import `orchestrators.kit` and their framework, nothing else of the house."""
