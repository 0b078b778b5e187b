"""The mechanisms that can hold a plan, a file each; ``search.LADDER`` has their order."""
