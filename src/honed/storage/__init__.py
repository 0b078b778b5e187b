"""honed's own PostgreSQL: the server, connections, named queries, migrations."""
