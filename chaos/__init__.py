"""Random faults against a whole fleet, and a referee that counts outside of it what came of them: see docs/chaos.md."""
