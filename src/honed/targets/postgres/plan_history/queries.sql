-- What the store knows of plans and pins.

-- note_plan --
-- Remember that a look saw this plan: it goes on, or it is a new one.
WITH latest AS (
  SELECT plan_run_id, plan_hash
  FROM honed.plan_run
  WHERE target_id = %(target_id)s AND statement_id = %(statement_id)s
  ORDER BY plan_run_id DESC
  LIMIT 1
), same AS (
  UPDATE honed.plan_run AS r SET last_seen_at = honed.now()
  FROM latest AS l
  WHERE r.plan_run_id = l.plan_run_id AND l.plan_hash = %(plan_hash)s
  RETURNING r.plan_run_id
)
INSERT INTO honed.plan_run (target_id, statement_id, plan_hash)
SELECT %(target_id)s, %(statement_id)s, %(plan_hash)s
WHERE NOT EXISTS (SELECT FROM same);

-- forget_old_plans --
-- Keep the history bounded: stretches that ended long ago go.
DELETE FROM honed.plan_run
WHERE target_id = %(target_id)s AND last_seen_at < honed.now() - make_interval(days => %(days)s);

-- list_plan_costs --
-- The plans of statements, the present one first, with what calls cost between two looks that saw
-- the same plan, and with everything before the first look for the plan that it saw.
WITH run AS (
  SELECT r.statement_id, r.plan_hash, r.first_seen_at, r.last_seen_at, r.plan_run_id
       , row_number() OVER (PARTITION BY r.statement_id ORDER BY r.plan_run_id) = 1 AS is_oldest
  FROM honed.plan_run AS r
  WHERE r.target_id = %(target_id)s AND r.statement_id = ANY (%(statement_ids)s::text[])
)
SELECT run.statement_id, run.plan_hash, p.plan
     , max(run.last_seen_at) AS last_seen_at
     , coalesce(sum(c.calls), 0)::double precision AS calls
     , coalesce(sum(c.exec_ms), 0)::double precision AS exec_ms
     , coalesce(sum(c.shared_blocks), 0)::double precision AS shared_blocks
     , min(c.started_at) AS counted_from
     , max(c.ended_at) AS counted_to
FROM run
JOIN honed.statement_plan AS p
  ON p.target_id = %(target_id)s AND p.statement_id = run.statement_id
  AND p.plan_hash = run.plan_hash
LEFT JOIN LATERAL (
  SELECT sum(i.calls) AS calls, sum(i.exec_ms) AS exec_ms, sum(i.shared_blocks) AS shared_blocks
       , min(r.started_at) AS started_at, max(r.ended_at) AS ended_at
  FROM honed.reading AS r
  JOIN honed.statement_interval AS i
    ON i.reading_id = r.reading_id AND i.statement_id = run.statement_id
  WHERE r.target_id = %(target_id)s
    AND NOT r.is_first
    AND i.calls > 0
    AND r.ended_at <= run.last_seen_at
    AND (run.is_oldest OR r.started_at >= run.first_seen_at)
) AS c ON true
GROUP BY run.statement_id, run.plan_hash, p.plan
ORDER BY run.statement_id, max(run.plan_run_id) DESC;

-- note_numbers --
-- Remember what the planner knows of a table now: it goes on, or it is new.
WITH latest AS (
  SELECT planner_numbers_id, numbers
  FROM honed.planner_numbers
  WHERE target_id = %(target_id)s AND table_name = %(table_name)s
  ORDER BY planner_numbers_id DESC
  LIMIT 1
), same AS (
  UPDATE honed.planner_numbers AS n SET last_seen_at = honed.now()
  FROM latest AS l
  WHERE n.planner_numbers_id = l.planner_numbers_id AND l.numbers = %(numbers)s::jsonb
  RETURNING n.planner_numbers_id
)
INSERT INTO honed.planner_numbers (target_id, table_name, numbers)
SELECT %(target_id)s, %(table_name)s, %(numbers)s::jsonb
WHERE NOT EXISTS (SELECT FROM same);

-- forget_old_numbers --
-- Keep the history bounded: by age, and to so many stretches of each table.
DELETE FROM honed.planner_numbers AS n
USING (
  SELECT planner_numbers_id
       , row_number() OVER (PARTITION BY table_name ORDER BY planner_numbers_id DESC) AS position
  FROM honed.planner_numbers
  WHERE target_id = %(target_id)s
) AS p
WHERE n.planner_numbers_id = p.planner_numbers_id
  AND (n.last_seen_at < honed.now() - make_interval(days => %(days)s) OR p.position > %(most)s);

-- list_numbers --
-- What the planner knew of tables when a look at a moment, or the last one before, saw them.
SELECT DISTINCT ON (table_name) table_name, numbers
FROM honed.planner_numbers
WHERE target_id = %(target_id)s
  AND table_name = ANY (%(tables)s::text[])
  AND first_seen_at <= %(seen_at)s::timestamptz
ORDER BY table_name, planner_numbers_id DESC;

-- list_costs_over_time --
-- What a call of one statement cost in each stretch, the newest first.
SELECT r.started_at, i.exec_ms / i.calls AS exec_ms_per_call
FROM honed.reading AS r
JOIN honed.statement_interval AS i ON i.reading_id = r.reading_id
WHERE r.target_id = %(target_id)s
  AND NOT r.is_first
  AND i.calls > 0
  AND i.statement_id = %(statement_id)s
  AND r.ended_at >= honed.now() - %(lookback)s::interval
ORDER BY r.reading_id DESC;

-- list_regressed --
-- Statements that were slower than their own history when they were looked at last.
SELECT f.subject AS statement_id
FROM honed.finding AS f
WHERE f.target_id = %(target_id)s AND f.type = 'regression' AND f.closed_at IS NULL
ORDER BY f.finding_id;

-- list_pins --
-- The pins that are on the target and can be taken back, with what made them, and since when nobody
-- has tried without. A trial that told nothing is repeated no sooner than the others.
SELECT i.improvement_id, i.hypothesis, i.steps
     , honed.now() - min(coalesce(p.checked_at, p.pinned_at)) AS unchecked
     , bool_or(p.status = 'expired') AS is_expired
FROM honed.plan_pins AS p
JOIN honed.improvement AS i ON i.improvement_id = p.improvement_id
WHERE i.target_id = %(target_id)s AND i.state = 'kept' AND p.status IN ('active', 'expired')
  AND NOT EXISTS (SELECT FROM honed.improvement AS o
                  WHERE o.target_id = i.target_id
                    AND o.kind = i.kind
                    AND o.hypothesis -> 'parameters' -> 'takes_back' = to_jsonb(i.improvement_id)
                    AND o.state = 'inconclusive'
                    AND o.tried_at > honed.now() - %(after)s::interval)
GROUP BY i.improvement_id
ORDER BY i.improvement_id;
