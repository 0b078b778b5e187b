"""What is shipped for authors of plug-ins: contracts, real PostgreSQL fixtures, ill worlds."""
