-- What vacuuming asks a target.

-- list_tables --
-- Every user table with its dead rows, its options for autovacuum and how old its oldest row is.
SELECT n.nspname AS schema
     , c.relname AS name
     , format('%%I.%%I', n.nspname, c.relname) AS qualified_name
     -- The counters begin at 0 after a reset or a crash, and the last ANALYZE may be long ago.
     , greatest(s.n_live_tup, c.reltuples::bigint, 0) AS live_rows
     , coalesce(s.n_dead_tup, 0) AS dead_rows
     , pg_relation_size(c.oid) AS heap_bytes
     , greatest(c.reltuples, 0)::float8 AS planned_rows
     , coalesce(s.last_vacuum::text, '') AS vacuumed_at
     , coalesce(s.last_autovacuum::text, '') AS autovacuumed_at
     , coalesce(c.reloptions, '{}') AS options
     -- Any column that may be set to what it is; none: every one is made by the server.
     , coalesce((SELECT a.attname::text
                 FROM pg_attribute AS a
                 WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                   AND a.attgenerated = '' AND a.attidentity <> 'a'
                 ORDER BY a.attnum LIMIT 1), '') AS settable_column
     , current_setting('autovacuum')::boolean AS is_server_on
     , coalesce(o.is_enabled, true) AS is_enabled
     , coalesce(o.scale_factor, current_setting('autovacuum_vacuum_scale_factor')::float8)
       AS scale_factor
     , coalesce(o.threshold, current_setting('autovacuum_vacuum_threshold')::float8) AS threshold
     -- Unknown before PostgreSQL 18; -1: no such limit.
     , coalesce(o.max_threshold, current_setting('autovacuum_vacuum_max_threshold', true)::float8, -1)
       AS max_threshold
     , age(c.relfrozenxid)::bigint AS frozen_age
     , least(o.freeze_max_age, current_setting('autovacuum_freeze_max_age')::bigint)
       AS freeze_max_age
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN pg_stat_all_tables AS s ON s.relid = c.oid
LEFT JOIN LATERAL (
    SELECT bool_or(p.option_value::boolean) FILTER (WHERE p.option_name = 'autovacuum_enabled')
           AS is_enabled
         , max(p.option_value::float8)
           FILTER (WHERE p.option_name = 'autovacuum_vacuum_scale_factor') AS scale_factor
         , max(p.option_value::float8)
           FILTER (WHERE p.option_name = 'autovacuum_vacuum_threshold') AS threshold
         , max(p.option_value::float8)
           FILTER (WHERE p.option_name = 'autovacuum_vacuum_max_threshold') AS max_threshold
         , max(p.option_value::bigint)
           FILTER (WHERE p.option_name = 'autovacuum_freeze_max_age') AS freeze_max_age
    FROM pg_options_to_table(c.reloptions) AS p
) AS o ON true
WHERE c.relkind IN ('r', 'm')
  AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND n.nspname NOT LIKE 'pg\_toast%%'
  AND NOT EXISTS (SELECT FROM pg_depend AS d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 3 /* honed */;

-- count_holders --
-- How many old transactions and slots hold dead rows back from every VACUUM.
SELECT (SELECT count(*) FROM pg_stat_activity AS a
        WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
          AND (a.backend_xmin IS NOT NULL OR a.backend_xid IS NOT NULL)
          AND a.xact_start < now() - make_interval(secs => %(old_s)s::float8))
     + (SELECT count(*) FROM pg_prepared_xacts AS p
        WHERE p.database = current_database()
          AND p.prepared < now() - make_interval(secs => %(old_s)s::float8))
     + (SELECT count(*) FROM pg_replication_slots AS r
        WHERE NOT r.active AND r.xmin IS NOT NULL) AS holders /* honed */;
