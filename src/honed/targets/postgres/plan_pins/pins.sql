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
