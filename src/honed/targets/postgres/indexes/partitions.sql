-- What building indexes on partitioned tables asks a target.

-- list_tables_with_foreign_partitions --
-- Partitioned tables with a part on another server: an index never covers all of them.
SELECT DISTINCT n.nspname AS schema
     , c.relname AS name
FROM pg_class AS f
JOIN pg_class AS c ON c.oid = pg_partition_root(f.oid)
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE f.relkind = 'f' AND f.relispartition /* honed */;
