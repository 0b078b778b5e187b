-- add_target --
-- Store a target; no row where its name is taken.
INSERT INTO honed.target (name, sort, observe_url, act_url, options)
VALUES (%(name)s, %(sort)s, %(observe_url)s, %(act_url)s, %(options)s::jsonb)
ON CONFLICT (name) WHERE removed_at IS NULL DO NOTHING
RETURNING target_id, name, sort, observe_url, act_url, options;

-- list_targets --
-- The targets that were not removed.
SELECT target_id, name, sort, observe_url, act_url, options
FROM honed.target
WHERE removed_at IS NULL
ORDER BY name;

-- get_target --
-- One target, by its name or by its id.
SELECT target_id, name, sort, observe_url, act_url, options
FROM honed.target
WHERE removed_at IS NULL
  AND (name = %(name)s::text OR target_id = %(target_id)s::bigint);

-- remove_target --
-- Mark a target as removed; its row stays for the history that hangs on it.
UPDATE honed.target SET removed_at = honed.now()
WHERE removed_at IS NULL AND name = %(name)s
RETURNING target_id;
