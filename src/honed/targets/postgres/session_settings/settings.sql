-- What the search for session settings asks a target.

-- find_extension --
-- The schema of pg_stat_statements.
SELECT n.nspname AS schema
FROM pg_extension AS e
JOIN pg_namespace AS n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_stat_statements' /* honed */;

-- read_workplace --
-- The database, its memory, and which share of its blocks it found in its buffers.
SELECT d.datname AS database
     , pg_database_size(d.oid) AS size_bytes
     , pg_size_bytes(current_setting('shared_buffers')) AS buffers_bytes
     , current_setting('max_connections')::integer AS connections
     , coalesce(s.blks_hit::double precision / nullif(s.blks_hit + s.blks_read, 0), 1) AS hit_share
     , EXISTS (SELECT FROM pg_settings AS p
               WHERE p.name = 'shared_buffers' AND p.setting = p.boot_val) AS has_default_buffers
FROM pg_database AS d
LEFT JOIN pg_stat_database AS s ON s.datid = d.oid
WHERE d.datname = current_database() /* honed */;

-- list_values --
-- Settings as a new session of the observing role has them, in their base units.
SELECT s.name, s.setting
FROM pg_settings AS s
WHERE s.name = ANY (%(names)s::text[]) /* honed */;

-- list_assigned --
-- Settings that are given to this database, to a role, or to a role in this database.
SELECT coalesce(r.rolname, '') AS role
     , s.setdatabase <> 0 AS is_here
     , split_part(x.setting, '=', 1) AS name
     , substr(x.setting, strpos(x.setting, '=') + 1) AS value
FROM pg_db_role_setting AS s
LEFT JOIN pg_roles AS r ON r.oid = s.setrole
LEFT JOIN pg_database AS d ON d.oid = s.setdatabase
CROSS JOIN unnest(s.setconfig) AS x (setting)
WHERE (s.setdatabase = 0 OR d.datname = current_database())
  AND (s.setrole = 0 OR r.oid IS NOT NULL)
ORDER BY is_here, role, name /* honed */;

-- list_role_workloads --
-- Which role runs which statements here, what they write to temporary files, and whether the acting
-- role may change its settings.
SELECT r.rolname AS role
     , r.rolsuper AS is_superuser
     , array_agg(DISTINCT s.queryid::text) AS statement_ids
     , sum(s.temp_blks_written)::bigint * current_setting('block_size')::integer AS temp_bytes
     , coalesce(a.rolsuper OR a.oid = r.oid OR (a.rolcreaterole AND NOT r.rolsuper
                AND (current_setting('server_version_num')::integer < 160000
                     OR pg_has_role(a.oid, r.oid, 'MEMBER WITH ADMIN OPTION'))), false) AS may_change
FROM {schema}.pg_stat_statements(false) AS s
JOIN pg_roles AS r ON r.oid = s.userid
LEFT JOIN pg_roles AS a ON a.rolname = %(actor)s
WHERE s.dbid = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
  AND s.queryid IS NOT NULL
  AND s.toplevel
  AND r.rolname <> %(actor)s
  AND (r.rolname <> current_user OR r.rolsuper)
GROUP BY r.oid, r.rolname, r.rolsuper, a.oid, a.rolsuper, a.rolcreaterole
ORDER BY r.rolname /* honed */;

-- may_change_database --
-- Whether the acting role may change this database's settings, and who owns it.
SELECT pg_get_userbyid(d.datdba) AS owner
     , coalesce(a.rolsuper OR pg_has_role(a.oid, d.datdba, 'USAGE'), false) AS may_change
FROM pg_database AS d
LEFT JOIN pg_roles AS a ON a.rolname = %(actor)s
WHERE d.datname = current_database() /* honed */;

-- plan_with --
-- Give the session the settings that an object has, and of all others named what it began with.
SELECT set_config(s.name, coalesce(%(settings)s::jsonb ->> s.name, s.reset_val), false)
FROM pg_settings AS s
WHERE s.name = ANY (%(names)s::text[]) /* honed */;
