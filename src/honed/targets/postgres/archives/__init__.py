"""Archives: rows of a table as Parquet files, proven equal, queryable, and brought back."""
