-- add_project --
-- Store a project; no row where its name is taken.
INSERT INTO honed.project (name, public_key, target_id)
VALUES (
  %(name)s
, %(public_key)s
, (SELECT target_id FROM honed.target WHERE removed_at IS NULL AND name = %(target)s::text)
)
ON CONFLICT (name) DO NOTHING
RETURNING project_id, name, public_key, target_id, disabled_at;

-- list_projects --
-- Every project, also those that are disabled.
SELECT project_id, name, public_key, target_id, disabled_at
FROM honed.project
ORDER BY name;

-- enable_project --
-- Take signals of a project, or take none.
UPDATE honed.project
SET disabled_at = CASE WHEN NOT %(enabled)s THEN coalesce(disabled_at, honed.now()) END
WHERE name = %(name)s
RETURNING project_id, name, public_key, target_id, disabled_at;

-- record_groups --
-- Count signals in their groups; returns how many are of groups beyond the limit of the day.
SELECT honed.record_groups(%(groups)s::jsonb, %(most_a_day)s::integer) AS overflow;

-- record_counts --
-- Add to what was counted today.
INSERT INTO honed.intake_count AS c (day, project_id, source, outcome, reason, count)
SELECT (honed.now() AT TIME ZONE 'UTC')::date, u.project_id, u.source, u.outcome, u.reason, u.count
FROM unnest(
  %(project_ids)s::bigint[], %(sources)s::text[], %(outcomes)s::text[], %(reasons)s::text[]
, %(counts)s::bigint[]
) AS u (project_id, source, outcome, reason, count)
ORDER BY u.source, u.project_id, u.outcome, u.reason
ON CONFLICT (day, source, project_id, outcome, reason) DO UPDATE
SET count = c.count + excluded.count, last_at = excluded.last_at;

-- make_partitions --
-- Make the partitions of the next days.
SELECT honed.make_signal_partitions() AS made;

-- drop_partitions --
-- Drop the partitions whose time is over; as the daemon.
SELECT honed.drop_signal_partitions(%(retention_days)s::integer) AS dropped;

-- read_intake_status --
-- What came in today, by source.
SELECT source, accepted_today, adjusted_today, skipped_today, refused_today, last_accepted_at
FROM honed.intake_status;
