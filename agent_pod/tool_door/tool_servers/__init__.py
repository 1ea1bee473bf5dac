"""The MCP servers of a tenant, as tools of its tasks.

redaction   keeps a server's credentials out of all that comes back from it
transport   goes only where the operator allows, and knows how far a tool call got
client      lists the tools of a server and calls them
tools       one tool of a server as the gateway runs it
servers     which tools a task has, and how long a list of tools is believed
"""
