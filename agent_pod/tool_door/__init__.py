"""The tool endpoint of orchestrators: MCP, the pod's own tools, and those of the tenant's servers."""
