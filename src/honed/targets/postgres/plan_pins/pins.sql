-- What plan pins ask a target.

-- list_planning_extensions --
-- Extensions that can hold a plan, where they are installed or could be.
SELECT a.name, a.installed_version IS NOT NULL AS is_installed
FROM pg_available_extensions AS a
WHERE a.name IN ('pg_stash_advice', 'pg_hint_plan') /* honed */;

-- plan_with --
-- Give the session settings until its transaction ends.
SELECT set_config(s.name, s.value, true)
FROM jsonb_each_text(%(settings)s::jsonb) AS s (name, value) /* honed */;

-- describe_hint_table --
-- The table of pg_hint_plan: how it finds a statement, whether sessions obey it, who may write it.
SELECT EXISTS (SELECT FROM pg_attribute AS a
               WHERE a.attrelid = t.oid AND a.attname = 'query_id' AND NOT a.attisdropped
              ) AS is_by_identifier
     , (SELECT count(*) = 2 FROM pg_settings AS s
        WHERE s.name IN ('pg_hint_plan.enable_hint', 'pg_hint_plan.enable_hint_table')
          AND s.setting = 'on'
       ) AS is_obeyed
     , CASE WHEN %(actor)s::text = '' THEN true
            ELSE has_table_privilege(%(actor)s::name, t.oid, 'INSERT')
             AND has_table_privilege(%(actor)s::name, t.oid, 'DELETE')
       END AS may_be_written
FROM (SELECT to_regclass('hint_plan.hints') AS oid) AS t
WHERE t.oid IS NOT NULL /* honed */;

-- list_hints --
-- What the table of pg_hint_plan says of each statement, whoever it says it to.
SELECT h.query_id::text AS statement_id, string_agg(h.hints, ' ' ORDER BY h.id) AS hints
FROM hint_plan.hints AS h
GROUP BY h.query_id /* honed */;

-- describe_stash --
-- The functions of pg_stash_advice: who may use them, and whether sessions obey what they keep.
SELECT n.nspname AS schema
     , EXISTS (SELECT FROM pg_settings AS s WHERE s.name = 'pg_stash_advice.stash_name'
              ) AS is_loaded
     , EXISTS (SELECT FROM pg_settings AS s
               WHERE s.name = 'pg_stash_advice.persist' AND s.setting = 'on') AS is_kept
     , bool_and(has_function_privilege(f.oid, 'EXECUTE')
                OR f.proname = 'pg_set_stashed_advice') AS may_be_read
     , CASE WHEN %(actor)s::text = '' THEN true
            ELSE bool_and(has_function_privilege(%(actor)s::name, f.oid, 'EXECUTE')
                          OR f.proname = 'pg_get_advice_stashes')
       END AS may_be_written
FROM pg_extension AS e
JOIN pg_namespace AS n ON n.oid = e.extnamespace
JOIN pg_proc AS f ON f.pronamespace = n.oid
WHERE e.extname = 'pg_stash_advice'
  AND f.proname IN ('pg_get_advice_stashes', 'pg_get_advice_stash_contents'
                  , 'pg_set_stashed_advice')
GROUP BY n.nspname /* honed */;

-- list_stash_names --
-- Which stash sessions use: as this session has it, and of roles that are given another.
SELECT '' AS role, s.setting AS stash, false AS is_here
FROM pg_settings AS s
WHERE s.name = 'pg_stash_advice.stash_name'
UNION ALL
SELECT r.rolname, substr(x.setting, strpos(x.setting, '=') + 1), s.setdatabase <> 0
FROM pg_db_role_setting AS s
JOIN pg_roles AS r ON r.oid = s.setrole
LEFT JOIN pg_database AS d ON d.oid = s.setdatabase
CROSS JOIN unnest(s.setconfig) AS x (setting)
WHERE (s.setdatabase = 0 OR d.datname = current_database())
  AND x.setting LIKE 'pg\_stash\_advice.stash\_name=%%'
ORDER BY is_here /* honed */;

-- list_stashed_advice --
-- What each stash says of each statement; a stash without a statement is there, too.
SELECT s.stash_name AS stash, c.query_id::text AS statement_id, c.advice_string AS advice
FROM {schema}.pg_get_advice_stashes() AS s
LEFT JOIN {schema}.pg_get_advice_stash_contents(NULL) AS c ON c.stash_name = s.stash_name
ORDER BY s.stash_name, c.query_id /* honed */;
