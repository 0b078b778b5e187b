-- set_limits --
-- Bound how long this connection waits and runs, and where it finds names.
SELECT set_config('statement_timeout', %(statement_timeout)s, false)
     , set_config('lock_timeout', %(lock_timeout)s, false)
     , set_config('idle_in_transaction_session_timeout', '0', false)
     , CASE WHEN %(search_path)s::text <> ''
         THEN set_config('search_path', %(search_path)s::text, false) END /* honed */;

-- read_server --
-- What honed must know of the server and of its own role before it reads.
SELECT current_setting('server_version_num')::integer AS server_version
     , coalesce(current_setting('compute_query_id', true), 'off') AS compute_query_id
     , n.nspname AS schema
     , e.extversion AS extension_version
     , current_user AS role_name
     , pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS reads_all_stats
     , (SELECT r.oid::bigint FROM pg_roles AS r
        WHERE r.rolname = current_user
          AND 'default_transaction_read_only=on' = ANY (r.rolconfig)) AS own_role
FROM (SELECT 1) AS one
LEFT JOIN pg_extension AS e ON e.extname = 'pg_stat_statements'
LEFT JOIN pg_namespace AS n ON n.oid = e.extnamespace /* honed */;

-- find_unreadable_table --
-- The first user table that this role may not read, if any.
SELECT c.oid::regclass::text AS table_name
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm')
  AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname NOT LIKE 'pg\_toast%%'
  AND NOT (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'))
ORDER BY c.oid::regclass::text
LIMIT 1 /* honed */;

-- find_unchangeable_table --
-- The first user table that this role may not index, if any: it is not its owner, nor a member.
SELECT c.oid::regclass::text AS table_name
     , pg_get_userbyid(c.relowner)::text AS owner
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm')
  AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname NOT LIKE 'pg\_toast%%'
  AND NOT (has_schema_privilege(n.oid, 'CREATE') AND pg_has_role(c.relowner, 'USAGE'))
ORDER BY c.oid::regclass::text
LIMIT 1 /* honed */;

-- is_standby --
-- Whether the server only follows another, so that nothing on it can be changed.
SELECT pg_is_in_recovery() AS is_standby /* honed */;

-- is_superuser --
-- Whether this role is bound by no privileges at all.
SELECT rolsuper AS is_superuser FROM pg_roles WHERE rolname = current_user /* honed */;

-- find_plan_advice --
-- A row where sessions have loaded pg_plan_advice (PostgreSQL 19).
SELECT s.name FROM pg_settings AS s WHERE s.name = 'pg_plan_advice.advice' /* honed */;

-- read_resets --
-- When the counters began, and how old the oldest of them is; before the readings themselves.
SELECT i.stats_reset AS statements_reset_at
     , d.stats_reset AS tables_reset_at
     , extract(epoch FROM clock_timestamp() - CASE
         -- The time zero of PostgreSQL means that nobody ever reset them.
         WHEN i.stats_reset > timestamptz '2000-01-02' THEN i.stats_reset
         ELSE pg_postmaster_start_time() END)::double precision AS age_s
FROM {schema}.pg_stat_statements_info AS i
CROSS JOIN pg_stat_database AS d
WHERE d.datname = current_database() /* honed */;

-- read_statements --
-- The cumulative counters of this database's statements, without their texts, which cost a file.
SELECT s.queryid::text AS statement_id
     , s.userid::bigint AS user_id
     , s.calls
     , s.total_exec_time AS exec_ms
     , s.calls * (s.stddev_exec_time ^ 2 + s.mean_exec_time ^ 2) AS exec_ms_squares
     , s.rows AS row_count
     , s.shared_blks_hit + s.shared_blks_read AS shared_blocks
     , s.shared_blks_read AS blocks_read
     , s.temp_blks_read + s.temp_blks_written AS temp_blocks
     , s.wal_bytes
     , {stats_since} AS stats_since
FROM {schema}.pg_stat_statements(false) AS s
WHERE s.dbid = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
  AND s.queryid IS NOT NULL
  AND s.toplevel
  AND s.userid IS DISTINCT FROM %(own_role)s::bigint::oid /* honed */;

-- read_texts --
-- The normalised texts of some statements.
SELECT DISTINCT ON (s.queryid) s.queryid::text AS statement_id, s.query AS text
FROM {schema}.pg_stat_statements(true) AS s
WHERE s.dbid = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
  AND s.queryid = ANY (%(statement_ids)s::bigint[])
  AND s.query IS NOT NULL
ORDER BY s.queryid /* honed */;

-- read_activity --
-- What clients run now or ran last; the text is cut where it fills the server's buffer.
SELECT a.query_id::text AS statement_id
     , a.query AS text
     -- A cut never splits a character, so up to three bytes may be unused.
     , octet_length(a.query)
         >= pg_size_bytes(current_setting('track_activity_query_size')) - 4 AS is_cut
     , a.state = 'active' AS is_running
     , extract(epoch FROM clock_timestamp() - a.query_start)::double precision * 1000 AS running_ms
FROM pg_stat_activity AS a
WHERE a.datname = current_database()
  AND a.backend_type = 'client backend'
  AND a.pid <> pg_backend_pid()
  AND a.query_id IS NOT NULL
  AND a.state IN ('active', 'idle', 'idle in transaction')
  AND strpos(a.query, '/* honed */') = 0
  AND a.usesysid IS DISTINCT FROM %(own_role)s::bigint::oid /* honed */;

-- read_table_writes --
-- The cumulative write counters of user tables.
SELECT format('%%I.%%I', t.schemaname, t.relname) AS table_name
     , t.n_tup_ins AS inserted
     , t.n_tup_upd AS updated
     , t.n_tup_hot_upd AS hot_updated
     , t.n_tup_del AS deleted
FROM pg_stat_user_tables AS t
WHERE t.n_tup_ins + t.n_tup_upd + t.n_tup_del > 0 /* honed */;

-- read_tables --
-- User tables with their counters since the last reset.
SELECT n.nspname AS schema
     , c.relname AS name
     , format('%%I.%%I', n.nspname, c.relname) AS qualified_name
     , c.relkind::text AS sort
     , c.reltuples::double precision AS rows
     , c.relpages AS pages
     , pg_table_size(c.oid) AS size_bytes
     , coalesce(s.n_tup_ins, 0) AS inserted
     , coalesce(s.n_tup_upd, 0) AS updated
     , coalesce(s.n_tup_hot_upd, 0) AS hot_updated
     , coalesce(s.n_tup_del, 0) AS deleted
     , coalesce(s.n_live_tup, 0) AS live_rows
     , coalesce(s.n_mod_since_analyze, 0) AS modified_since_analyze
     , greatest(s.last_analyze, s.last_autoanalyze) AS analyzed_at
     , coalesce(c.reloptions, '{}') AS options
     , coalesce((SELECT format('%%I.%%I', pn.nspname, p.relname)
                 FROM pg_inherits AS i
                 JOIN pg_class AS p ON p.oid = i.inhparent
                 JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
                 WHERE i.inhrelid = c.oid AND c.relispartition), '') AS partition_of
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_stat_all_tables AS s ON s.relid = c.oid
WHERE c.relkind IN ('r', 'p', 'm')
  AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname NOT LIKE 'pg\_toast%%'
  AND NOT EXISTS (SELECT 1 FROM pg_depend AS d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 3 /* honed */;

-- read_columns --
-- Columns of user tables with what the planner knows of them.
SELECT format('%%I.%%I', n.nspname, c.relname) AS table_name
     , a.attname AS name
     , format_type(a.atttypid, a.atttypmod) AS type
     , a.attnotnull AS not_null
     , s.avg_width AS width_bytes
     , s.null_frac::double precision AS null_share
     , s.n_distinct::double precision AS "distinct"
     , coalesce(a.attstattarget, -1)::integer AS statistics_target
     , coalesce(a.attoptions, '{}') AS options
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
-- A partitioned table has statistics of itself and of its children; the latter describe its rows.
LEFT JOIN pg_stats AS s
  ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname
 AND s.inherited = (c.relkind = 'p')
WHERE c.relkind IN ('r', 'p', 'm')
  AND c.relpersistence <> 't'
  AND a.attnum > 0
  AND NOT a.attisdropped
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname NOT LIKE 'pg\_toast%%'
ORDER BY 1, a.attnum /* honed */;

-- read_indexes --
-- Indexes of user tables.
SELECT n.nspname AS schema
     , ic.relname AS name
     , format('%%I.%%I', n.nspname, ic.relname) AS qualified_name
     , format('%%I.%%I', tn.nspname, tc.relname) AS "table"
     , pg_get_indexdef(i.indexrelid) AS definition
     , am.amname AS method
     , (SELECT coalesce(array_agg(pg_get_indexdef(i.indexrelid, k, true) ORDER BY k), '{}')
        FROM generate_series(1, i.indnkeyatts) AS k) AS keys
     , (SELECT coalesce(array_agg(pg_get_indexdef(i.indexrelid, k, true) ORDER BY k), '{}')
        FROM generate_series(i.indnkeyatts + 1, i.indnatts) AS k) AS included
     -- Two keys with the same text serve the same searches only if these are equal, too.
     , (SELECT coalesce(array_agg(format('%%s %%s %%s', i.indclass[k - 1], i.indcollation[k - 1]
                                         , i.indoption[k - 1]) ORDER BY k), '{}')
        FROM generate_series(1, i.indnkeyatts) AS k) AS orderings
     , coalesce(pg_get_expr(i.indpred, i.indrelid, true), '') AS predicate
     , i.indisunique AS is_unique
     , i.indisprimary AS is_primary
     , i.indisvalid AS is_valid
     , coalesce((SELECT con.conname FROM pg_constraint AS con
                 WHERE con.conindid = i.indexrelid AND con.conrelid = i.indrelid
                   AND con.contype IN ('p', 'u', 'x')
                 LIMIT 1), '') AS "constraint"
     , i.indisreplident OR i.indisclustered AS is_chosen
     , pg_relation_size(i.indexrelid) AS size_bytes
     , coalesce(s.idx_scan, 0) AS scans
FROM pg_index AS i
JOIN pg_class AS ic ON ic.oid = i.indexrelid
JOIN pg_namespace AS n ON n.oid = ic.relnamespace
JOIN pg_class AS tc ON tc.oid = i.indrelid
JOIN pg_namespace AS tn ON tn.oid = tc.relnamespace
JOIN pg_am AS am ON am.oid = ic.relam
LEFT JOIN pg_stat_all_indexes AS s ON s.indexrelid = i.indexrelid
WHERE tc.relkind IN ('r', 'p', 'm')
  AND tc.relpersistence <> 't'
  AND tn.nspname NOT IN ('pg_catalog', 'information_schema')
  AND tn.nspname NOT LIKE 'pg\_toast%%'
ORDER BY 3 /* honed */;

-- read_statistics --
-- Extended statistics objects.
SELECT n.nspname AS schema
     , e.stxname AS name
     , format('%%I.%%I', n.nspname, e.stxname) AS qualified_name
     , format('%%I.%%I', tn.nspname, c.relname) AS "table"
     , ARRAY(SELECT CASE k WHEN 'd' THEN 'ndistinct' WHEN 'f' THEN 'dependencies'
                           WHEN 'm' THEN 'mcv' ELSE 'expressions' END
             FROM unnest(e.stxkind::text[]) AS k) AS kinds
     , ARRAY(SELECT quote_ident(a.attname) FROM unnest(e.stxkeys::int2[]) WITH ORDINALITY AS u (num, pos)
             JOIN pg_attribute AS a ON a.attrelid = e.stxrelid AND a.attnum = u.num
             ORDER BY u.pos) || coalesce(pg_get_statisticsobjdef_expressions(e.oid), '{}') AS keys
     , coalesce(e.stxstattarget, -1)::integer AS target
     , pg_get_statisticsobjdef(e.oid) AS definition
FROM pg_statistic_ext AS e
JOIN pg_namespace AS n ON n.oid = e.stxnamespace
JOIN pg_class AS c ON c.oid = e.stxrelid
JOIN pg_namespace AS tn ON tn.oid = c.relnamespace
ORDER BY 3 /* honed */;

-- read_settings --
-- Settings that move the planner, and the size of the database.
SELECT s.name, s.setting
FROM pg_settings AS s
WHERE s.category LIKE 'Query Tuning%%'
   OR s.name IN ('work_mem', 'hash_mem_multiplier', 'maintenance_work_mem', 'shared_buffers',
                 'temp_buffers', 'max_parallel_workers', 'max_parallel_workers_per_gather',
                 'max_worker_processes', 'block_size', 'autovacuum', 'search_path', 'TimeZone',
                 'server_encoding', 'lc_collate')
ORDER BY s.name /* honed */;

-- read_size --
-- The size of the database.
SELECT pg_database_size(current_database()) AS size_bytes /* honed */;

-- read_shape --
-- One line for everything that a step could change: names and definitions, no sizes, no data; and
-- how a statement that changes it names it: by which keyword and name.
SELECT line, keyword, name FROM (
  SELECT format('table %%I.%%I %%s %%s', n.nspname, c.relname, c.relkind, c.reloptions) AS line
       , 'TABLE' AS keyword, c.relname::text AS name
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_toast%%'
  UNION ALL
  -- Where rows are kept as usual nothing is said, so that digests from before still hold.
  SELECT format('method %%I.%%I %%s', n.nspname, c.relname, a.amname)
       , 'TABLE', c.relname
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_am AS a ON a.oid = c.relam
  WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND a.amname <> 'heap'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  UNION ALL
  SELECT format('partition %%I.%%I %%s %%s %%s', n.nspname, c.relname, i.inhparent::regclass
              , pg_get_expr(c.relpartbound, c.oid), pg_get_partkeydef(c.oid))
       , 'TABLE', c.relname
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid AND c.relispartition
  WHERE c.relkind IN ('r', 'p') AND (c.relispartition OR c.relkind = 'p')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  UNION ALL
  -- Positions count without the columns that were dropped: those leave gaps for ever.
  SELECT format('column %%I.%%I %%s %%I %%s %%s %%s %%s %%s %%s', n.nspname, c.relname
              , row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum), a.attname
              , format_type(a.atttypid, a.atttypmod), a.attnotnull
              , pg_get_expr(d.adbin, d.adrelid), coalesce(a.attstattarget, -1), a.attoptions
              , a.attstorage)
       , 'TABLE', c.relname
  FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't'
    AND a.attnum > 0 AND NOT a.attisdropped
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_toast%%'
  UNION ALL
  SELECT format('constraint %%I.%%I %%I %%s %%s', n.nspname, c.relname, k.conname
              , pg_get_constraintdef(k.oid), k.convalidated)
       , 'CONSTRAINT', k.conname
  FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
  WHERE c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  UNION ALL
  SELECT format('index %%s %%s %%s', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisclustered)
       , 'INDEX', ic.relname
  FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
  JOIN pg_class AS ic ON ic.oid = i.indexrelid
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
  WHERE c.relpersistence <> 't'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_toast%%'
  UNION ALL
  SELECT format('index column %%I.%%I %%s %%s', n.nspname, ic.relname, a.attnum, a.attstattarget)
       , 'INDEX', ic.relname
  FROM pg_attribute AS a JOIN pg_class AS ic ON ic.oid = a.attrelid AND ic.relkind IN ('i', 'I')
  JOIN pg_namespace AS n ON n.oid = ic.relnamespace
  WHERE coalesce(a.attstattarget, -1) <> -1 AND ic.relpersistence <> 't'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_toast%%'
  UNION ALL
  SELECT format('statistics %%s %%s', pg_get_statisticsobjdef(e.oid), coalesce(e.stxstattarget, -1))
       , 'STATISTICS', e.stxname
  FROM pg_statistic_ext AS e
  UNION ALL
  SELECT format('setting %%s %%s %%s', coalesce(r.rolname, ''), d.datname IS NOT NULL, x.setting)
       , 'SET', split_part(x.setting, '=', 1)
  FROM pg_db_role_setting AS s
  LEFT JOIN pg_roles AS r ON r.oid = s.setrole
  LEFT JOIN pg_database AS d ON d.oid = s.setdatabase
  CROSS JOIN unnest(s.setconfig) AS x (setting)
  WHERE s.setdatabase = 0 OR d.datname = current_database()
) AS lines
ORDER BY line COLLATE "C" /* honed */;

-- find_invalid_indexes --
-- Indexes that a failed CREATE INDEX CONCURRENTLY left behind; not those that are being built now.
SELECT format('%%I.%%I', n.nspname, ic.relname) AS qualified_name
     , format('%%I.%%I', tn.nspname, tc.relname) AS table_name
     , pg_get_indexdef(i.indexrelid) AS definition
     , pg_relation_size(i.indexrelid) AS size_bytes
FROM pg_index AS i
JOIN pg_class AS ic ON ic.oid = i.indexrelid AND ic.relkind = 'i'
JOIN pg_namespace AS n ON n.oid = ic.relnamespace
JOIN pg_class AS tc ON tc.oid = i.indrelid
JOIN pg_namespace AS tn ON tn.oid = tc.relnamespace
WHERE NOT i.indisvalid
  AND tn.nspname NOT IN ('pg_catalog', 'information_schema')
  AND tn.nspname NOT LIKE 'pg\_toast%%'
  AND NOT EXISTS (SELECT 1 FROM pg_stat_progress_create_index AS p
                  WHERE p.index_relid = i.indexrelid)
ORDER BY 1 /* honed */;

-- read_value_statistics --
-- What the planner knows of the values of some columns, as text.
SELECT s.schemaname AS schema
     , s.tablename AS "table"
     , s.attname AS "column"
     , t.typcategory::text AS category
     , coalesce((s.most_common_vals::text::text[])[1:5], '{}') AS common
     , coalesce(s.histogram_bounds::text::text[], '{}') AS bounds
FROM pg_stats AS s
JOIN pg_namespace AS n ON n.nspname = s.schemaname
JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relname = s.tablename
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = s.attname
JOIN pg_type AS t ON t.oid = a.atttypid
WHERE s.attname = ANY (%(columns)s::text[])
  AND s.schemaname NOT IN ('pg_catalog', 'information_schema') /* honed */;

-- find_parameter_types --
-- The types that the server gave the parameters of a prepared statement, and their categories.
-- With -1 a character of any length is ``bpchar``: ``character`` alone would be one of length 1.
SELECT format_type(u.type, -1) AS type
     -- Of an array, the category of its elements.
     , coalesce(e.typcategory, t.typcategory)::text AS category
FROM pg_prepared_statements AS p
CROSS JOIN unnest(p.parameter_types::oid[]) WITH ORDINALITY AS u (type, position)
JOIN pg_type AS t ON t.oid = u.type
LEFT JOIN pg_type AS e ON e.oid = t.typelem AND t.typcategory = 'A'
WHERE p.name = %(name)s
ORDER BY u.position /* honed */;
