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
