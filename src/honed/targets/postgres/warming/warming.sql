-- What warming a server's memory asks a target.

-- read_start --
-- When the server was started, how much memory it shares, and what there is to warm it with.
SELECT pg_postmaster_start_time() AS started_at
     , extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::double precision AS age_s
     , (SELECT s.setting::bigint FROM pg_settings AS s WHERE s.name = 'shared_buffers') AS buffers
     , current_setting('block_size')::integer AS block_bytes
     , coalesce((SELECT n.nspname::text FROM pg_extension AS e
                 JOIN pg_namespace AS n ON n.oid = e.extnamespace
                 WHERE e.extname = 'pg_prewarm'), '') AS prewarm_schema
     , coalesce((SELECT n.nspname::text FROM pg_extension AS e
                 JOIN pg_namespace AS n ON n.oid = e.extnamespace
                 WHERE e.extname = 'pg_buffercache'), '') AS buffercache_schema
     , coalesce((SELECT has_table_privilege(c.oid, 'SELECT') FROM pg_class AS c
                 JOIN pg_extension AS e ON e.extnamespace = c.relnamespace
                 WHERE e.extname = 'pg_buffercache' AND c.relname = 'pg_buffercache'), false)
       AS sees_buffers
     -- Hidden from roles that may not read all settings; current_setting() would fail for them.
     , coalesce((SELECT s.setting LIKE '%%pg_prewarm%%' FROM pg_settings AS s
                 WHERE s.name = 'shared_preload_libraries'), false)
       AND coalesce(current_setting('pg_prewarm.autoprewarm', true), 'on')::boolean AS is_automatic
     , EXISTS (SELECT FROM pg_stat_activity AS a
               WHERE a.backend_type = 'autoprewarm worker') AS is_loading /* honed */;

-- count_unused --
-- Buffers that hold nothing: what is read into them drives nothing out.
SELECT count(*) AS unused
FROM {buffercache}.pg_buffercache AS b
WHERE b.relfilenode IS NULL /* honed */;

-- list_relations --
-- Tables and indexes with their pages, how many of those are in memory, how often pages were asked
-- for since the counters began, and whether the acting role may read them.
WITH held AS (
  SELECT b.relfilenode, count(*) AS blocks
  FROM {buffercache}.pg_buffercache AS b
  WHERE b.reldatabase = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
    AND b.relforknumber = 0
  GROUP BY b.relfilenode
), asked AS (
  SELECT t.relid AS relation_id, t.relid AS table_id, t.heap_blks_read + t.heap_blks_hit AS accesses
  FROM pg_statio_user_tables AS t
  UNION ALL
  SELECT i.indexrelid, i.relid, i.idx_blks_read + i.idx_blks_hit
  FROM pg_statio_user_indexes AS i
)
SELECT n.nspname AS schema
     , c.relname AS name
     , tn.nspname AS table_schema
     , tc.relname AS table_name
     , format('%%I.%%I', tn.nspname, tc.relname) AS "table"
     , pg_relation_size(c.oid) / current_setting('block_size')::integer AS pages
     , coalesce(h.blocks, 0) AS held
     , a.accesses
     , %(actor)s = '' OR coalesce(has_schema_privilege(r.oid, n.oid, 'USAGE')
                                  AND has_table_privilege(r.oid, tc.oid, 'SELECT'), false) AS may_read
FROM asked AS a
JOIN pg_class AS c ON c.oid = a.relation_id
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_class AS tc ON tc.oid = a.table_id
JOIN pg_namespace AS tn ON tn.oid = tc.relnamespace
LEFT JOIN held AS h ON h.relfilenode = pg_relation_filenode(c.oid)
LEFT JOIN pg_roles AS r ON r.rolname = %(actor)s
WHERE c.relkind IN ('r', 'm', 'i')
  AND c.relpersistence <> 't'
  AND a.accesses > 0
ORDER BY n.nspname, c.relname /* honed */;

-- may_warm --
-- Whether the acting role may call pg_prewarm.
SELECT coalesce(has_function_privilege(
         r.oid, to_regprocedure(%(function)s), 'EXECUTE'), false) AS may_warm
FROM (SELECT 1) AS one
LEFT JOIN pg_roles AS r ON r.rolname = %(actor)s /* honed */;
