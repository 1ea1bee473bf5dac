"""The command line: starts the programs of the fleet, and speaks to the execution API."""
