-- lock_cycle --
-- One cycle, its row locked. Lock order: job, cycle, improvement, ledger head.
SELECT cycle.cycle_id, cycle.target_id, target.name AS target, cycle.phase, cycle.dry_run,
       cycle.max_changes, cycle.require_approval, cycle.target_area, cycle.lookback,
       cycle.storage_budget_mb, cycle.write_budget, cycle.ticket_id,
       cycle.requested_by, cycle.requested_at, cycle.started_at, cycle.finished_at,
       cycle.next_delay_s, cycle.cost_s, cycle.error
  FROM honed.cycle
  JOIN honed.target USING (target_id)
 WHERE cycle.cycle_id = %(cycle_id)s
   FOR UPDATE OF cycle;

-- get_cycle --
-- One cycle.
SELECT cycle.cycle_id, cycle.target_id, target.name AS target, cycle.phase, cycle.dry_run,
       cycle.max_changes, cycle.require_approval, cycle.target_area, cycle.lookback,
       cycle.storage_budget_mb, cycle.write_budget, cycle.ticket_id,
       cycle.requested_by, cycle.requested_at, cycle.started_at, cycle.finished_at,
       cycle.next_delay_s, cycle.cost_s, cycle.error
  FROM honed.cycle
  JOIN honed.target USING (target_id)
 WHERE cycle.cycle_id = %(cycle_id)s;

-- list_cycles --
-- The newest cycles of one target, or of all, newest first.
SELECT cycle.cycle_id, cycle.target_id, target.name AS target, cycle.phase, cycle.dry_run,
       cycle.max_changes, cycle.require_approval, cycle.target_area, cycle.lookback,
       cycle.storage_budget_mb, cycle.write_budget, cycle.ticket_id,
       cycle.requested_by, cycle.requested_at, cycle.started_at, cycle.finished_at,
       cycle.next_delay_s, cycle.cost_s, cycle.error
  FROM honed.cycle
  JOIN honed.target USING (target_id)
 WHERE %(target_id)s::bigint IS NULL OR cycle.target_id = %(target_id)s
 ORDER BY cycle.cycle_id DESC
 LIMIT %(limit)s;

-- create_cycle --
-- A new cycle that waits for its first message.
INSERT INTO honed.cycle (
         target_id, dry_run, max_changes, require_approval, target_area, lookback
       )
VALUES (%(target_id)s, %(dry_run)s, %(max_changes)s, %(require_approval)s, %(target_area)s,
        %(lookback)s)
RETURNING cycle_id;

-- delete_cycle --
-- Remove a cycle whose first message was not needed.
DELETE FROM honed.cycle WHERE cycle_id = %(cycle_id)s;

-- enter_phase --
-- Bring a cycle into another phase; an error is added to those that it has.
UPDATE honed.cycle
   SET phase = %(phase)s,
       started_at = coalesce(started_at, honed.now()),
       finished_at = CASE WHEN %(ends)s THEN honed.now() END,
       next_delay_s = coalesce(%(next_delay_s)s::double precision, next_delay_s),
       error = concat_ws('; ', nullif(error, ''), nullif(%(error)s, '')),
       cost_s = greatest(
         extract(epoch FROM honed.now() - coalesce(started_at, honed.now())), 0
       )
 WHERE cycle_id = %(cycle_id)s;

-- busy_cycle --
-- Another cycle of the target that has more to do than to watch what it changed.
SELECT cycle_id
  FROM honed.cycle
 WHERE target_id = %(target_id)s
   AND cycle_id <> %(cycle_id)s
   AND phase IN ('analyzing', 'hypothesizing', 'acting')
 ORDER BY cycle_id
 LIMIT 1;

-- is_target_there --
-- Whether a target is still registered.
SELECT EXISTS (
         SELECT FROM honed.target WHERE target_id = %(target_id)s AND removed_at IS NULL
       ) AS is_there;

-- is_stopped --
-- The kill switch, and who set it.
SELECT stopped, reason, changed_by, changed_at FROM honed.switch;

-- store_analysis --
-- Keep the record of one look at a target.
INSERT INTO honed.analysis (cycle_id, target_id, record)
VALUES (%(cycle_id)s, %(target_id)s, %(record)s::jsonb)
RETURNING analysis_id;

-- name_analysis --
-- Write the id of an analysis into its own record (seed 001, phase 1).
UPDATE honed.analysis
   SET record = jsonb_build_object('analysisId', analysis_id) || record
 WHERE analysis_id = %(analysis_id)s;

-- store_finding --
-- Store a fact, or see it again: an open fact has one row.
INSERT INTO honed.finding AS finding (
         target_id, type, subject, title, evidence, weight, analysis_id
       )
VALUES (%(target_id)s, %(type)s, %(subject)s, %(title)s, %(evidence)s::jsonb, %(weight)s,
        %(analysis_id)s)
ON CONFLICT (target_id, type, md5(subject)) WHERE closed_at IS NULL DO UPDATE
   SET title = excluded.title,
       evidence = excluded.evidence,
       weight = excluded.weight,
       analysis_id = excluded.analysis_id,
       times_seen = finding.times_seen + 1,
       last_seen_at = honed.now()
RETURNING finding_id;

-- close_findings --
-- Close what the newest look at a target no longer finds.
UPDATE honed.finding
   SET closed_at = honed.now()
 WHERE target_id = %(target_id)s
   AND closed_at IS NULL
   AND analysis_id IS DISTINCT FROM %(analysis_id)s;

-- list_cycle_findings --
-- What the analysis of a cycle found, heaviest first; of a cycle for a ticket what that is about.
SELECT finding.finding_id, finding.type, finding.subject, finding.title, finding.evidence,
       finding.weight
  FROM honed.finding
  JOIN honed.analysis ON analysis.analysis_id = finding.analysis_id
  JOIN honed.cycle ON cycle.cycle_id = analysis.cycle_id
  LEFT JOIN honed.ticket ON ticket.ticket_id = cycle.ticket_id
 WHERE analysis.cycle_id = %(cycle_id)s
   AND (cycle.ticket_id IS NULL
        OR finding.evidence -> 'ticket_id' = to_jsonb(cycle.ticket_id)
        OR ticket.subject = finding.type || ': ' || finding.subject
        OR (finding.type = 'failing_test'
            AND ticket.source = 'test'
            AND ticket.evidence -> 'failures' -> 'tests' ? finding.subject))
 ORDER BY finding.weight DESC, finding.finding_id;

-- get_analysis --
-- The newest analysis of a cycle.
SELECT analysis_id, record, analyzed_at
  FROM honed.analysis
 WHERE cycle_id = %(cycle_id)s
 ORDER BY analysis_id DESC
 LIMIT 1;

-- adopt_approved --
-- Let a cycle carry out what was approved in an earlier one but went beyond that one's limit.
UPDATE honed.improvement
   SET cycle_id = %(cycle_id)s
 WHERE target_id = %(target_id)s
   AND state = 'approved'
   AND cycle_id IS DISTINCT FROM %(cycle_id)s
RETURNING improvement_id;

-- count_changes --
-- How many improvements of a cycle have begun to change the target; one that expired before its
-- first step has not.
SELECT count(*) AS changes
  FROM honed.improvement
 WHERE cycle_id = %(cycle_id)s
   AND applying_at IS NOT NULL
   AND state <> 'expired';

-- changing_now --
-- Another improvement of the target that is being applied or watched; where people have to let it
-- in first, its watch holds up nothing.
SELECT improvement_id
  FROM honed.improvement
 WHERE target_id = %(target_id)s
   AND improvement_id <> %(improvement_id)s
   AND (state = 'applying'
        OR state = 'watching' AND kind <> ALL (%(waiting_for_people)s::text[]))
 ORDER BY improvement_id
 LIMIT 1;

-- own_way --
-- A row if honed's own steps, one after the other, lead from one fingerprint of a target to another;
-- a step during which anything else changed too has no fingerprints, and is no part of a way.
WITH RECURSIVE step AS (
  SELECT effect.detail ->> 'fingerprint_before' AS before,
         effect.detail ->> 'fingerprint_after' AS after
    FROM honed.effect
    JOIN honed.improvement USING (improvement_id)
   WHERE improvement.target_id = %(target_id)s
     AND effect.detail ->> 'fingerprint_after' IS NOT NULL
), reached (fingerprint) AS (
  SELECT %(tried_on)s::text
   UNION
  SELECT step.after
    FROM reached
    JOIN step ON step.before = reached.fingerprint
)
SELECT fingerprint
  FROM reached
 WHERE fingerprint = %(fingerprint)s;

-- list_approved --
-- The approved improvements of a target whose cycle is still there, longest waiting first.
SELECT improvement_id, cycle_id
  FROM honed.improvement
 WHERE target_id = %(target_id)s
   AND state = 'approved'
   AND cycle_id IS NOT NULL
 ORDER BY approved_at, improvement_id;

-- disturbances --
-- When trials and changes of a target may have disturbed it, since a moment; what still goes on
-- ends in the future. A step of which nobody will learn any more what became of it ended with its
-- improvement, or after a day: no step takes so long.
SELECT trial_started_at AS began_at,
       coalesce(tried_at, completed_at, honed.now() + interval '1 day') AS ended_at
  FROM honed.improvement
 WHERE target_id = %(target_id)s
   AND trial_started_at IS NOT NULL
   AND coalesce(tried_at, completed_at, 'infinity') >= %(since)s
UNION ALL
SELECT effect.intended_at, ended.at
  FROM honed.effect
  JOIN honed.improvement USING (improvement_id)
 CROSS JOIN LATERAL (
         SELECT coalesce(
                  effect.ended_at,
                  CASE WHEN improvement.state = 'failed' THEN improvement.completed_at END,
                  effect.intended_at + interval '1 day'
                ) AS at
       ) AS ended
 WHERE improvement.target_id = %(target_id)s
   AND ended.at >= %(since)s;

-- list_on_target --
-- The improvements of a target of which something is on it, last begun first.
SELECT improvement_id
  FROM honed.improvement
 WHERE target_id = %(target_id)s
   AND honed.is_on_target(improvement_id)
 ORDER BY applying_at DESC NULLS LAST, improvement_id DESC;

-- list_approved_yet --
-- The improvements of a target that are approved and neither begun nor rejected; the approval of
-- the first may not have been read yet.
SELECT improvement_id
  FROM honed.improvement
 WHERE target_id = %(target_id)s
   AND (state = 'approved'
        OR state = 'awaiting_approval' AND EXISTS (
             SELECT FROM honed.approval
              WHERE approval.improvement_id = improvement.improvement_id
                AND approval.decision = 'approved'
           ))
   AND NOT EXISTS (
         SELECT FROM honed.approval
          WHERE approval.improvement_id = improvement.improvement_id
            AND approval.decision = 'rejected'
       )
 ORDER BY improvement_id;

-- is_being_taken_back --
-- Whether a message that asks for an improvement to be taken back waits, or is being handled.
SELECT EXISTS (
         SELECT
           FROM honed.procrastinate_jobs
          WHERE task_name = 'act'
            AND status IN ('todo', 'doing')
            AND args @> jsonb_build_object(
                  'improvement_id', %(improvement_id)s::bigint, 'roll_back', true
                )
       ) AS is_asked;

-- open_effect --
-- Record the intent to carry out one step.
INSERT INTO honed.effect (improvement_id, direction, ordinal, step, detail)
VALUES (%(improvement_id)s, %(direction)s, %(ordinal)s, %(step)s::jsonb, %(detail)s::jsonb)
RETURNING effect_id, direction, ordinal, step, intended_at, ended_at, '' AS outcome, error,
          0 AS duration_s, detail;

-- close_effect --
-- Record what became of an intent.
UPDATE honed.effect
   SET outcome = %(outcome)s,
       ended_at = honed.now(),
       error = %(error)s,
       duration_s = %(duration_s)s,
       detail = detail || %(detail)s::jsonb
 WHERE effect_id = %(effect_id)s
   AND outcome IS NULL
RETURNING effect_id;

-- list_effects --
-- Every step of an improvement that was begun, oldest first.
SELECT effect_id, direction, ordinal, step, intended_at, ended_at, coalesce(outcome, '') AS outcome,
       error, coalesce(duration_s, 0) AS duration_s, detail
  FROM honed.effect
 WHERE improvement_id = %(improvement_id)s
 ORDER BY effect_id;

-- last_leaf --
-- The ledger entry of the last change of state of an improvement.
SELECT leaf_hash
  FROM honed.improvement_event
 WHERE improvement_id = %(improvement_id)s
   AND leaf_hash IS NOT NULL
 ORDER BY event_id DESC
 LIMIT 1;

-- note_wait --
-- Say in the history of an improvement why it waits, unless that was the last thing said; it is no
-- change of state, and no entry of the ledger.
INSERT INTO honed.improvement_event (improvement_id, from_state, to_state, detail)
SELECT improvement.improvement_id, improvement.state, improvement.state,
       jsonb_build_object('reason', %(reason)s::text)
  FROM honed.improvement
 WHERE improvement.improvement_id = %(improvement_id)s
   AND %(reason)s::text IS DISTINCT FROM (
         SELECT event.detail ->> 'reason'
           FROM honed.improvement_event AS event
          WHERE event.improvement_id = improvement.improvement_id
          ORDER BY event.event_id DESC
          LIMIT 1
       );

-- store_watch_pair --
-- Keep one comparison of production before and after a change.
INSERT INTO honed.watch_pair (
         improvement_id, ordinal, before_start, before_end, after_start, after_end, before, after,
         mix, pages_before, pages_after, drift, controls, left_out
       )
VALUES (%(improvement_id)s, %(ordinal)s, %(before_start)s, %(before_end)s, %(after_start)s,
        %(after_end)s, %(before)s::jsonb, %(after)s::jsonb, %(mix)s::jsonb,
        %(pages_before)s::jsonb, %(pages_after)s::jsonb, %(drift)s::double precision,
        %(controls)s, %(left_out)s::text[]);

-- list_watch_pairs --
-- What was compared so far, oldest first.
SELECT ordinal, before_start, before_end, after_start, after_end, before, after, mix, pages_before,
       pages_after, drift, controls, left_out
  FROM honed.watch_pair
 WHERE improvement_id = %(improvement_id)s
   AND NOT control
 ORDER BY ordinal;

-- targets_due --
-- Targets without a cycle that waits or runs, whose last one began long enough ago. Of one that is
-- new there must be a stretch of recorded production: without it there is nothing to find.
SELECT target.target_id
  FROM honed.target
 WHERE target.removed_at IS NULL
   AND NOT EXISTS (
         SELECT FROM honed.cycle
          WHERE cycle.target_id = target.target_id
            AND (cycle.phase NOT IN ('finished', 'failed', 'superseded')
                 OR coalesce(cycle.started_at, cycle.requested_at)
                    > honed.now() - make_interval(secs => %(interval_s)s::double precision))
       )
   AND (target.added_at < honed.now() - make_interval(secs => %(interval_s)s::double precision)
        OR EXISTS (SELECT FROM honed.reading WHERE reading.target_id = target.target_id))
 ORDER BY target.target_id;

-- now --
-- The time by honed's clock.
SELECT honed.now() AS now;

-- list_findings --
-- Facts of one target or of all, open ones first and the heaviest of them first.
SELECT finding.finding_id, target.name AS target, finding.type, finding.subject, finding.title,
       finding.evidence, finding.weight, finding.times_seen, finding.first_seen_at,
       finding.last_seen_at, finding.closed_at,
       ARRAY(
         SELECT link.improvement_id
           FROM honed.improvement_finding AS link
          WHERE link.finding_id = finding.finding_id
          ORDER BY link.improvement_id
       ) AS improvement_ids
  FROM honed.finding
  JOIN honed.target USING (target_id)
 WHERE (%(finding_id)s::bigint IS NULL OR finding.finding_id = %(finding_id)s)
   AND (%(target)s::text IS NULL OR target.name = %(target)s)
   AND (%(closed)s OR finding.closed_at IS NULL)
 ORDER BY finding.closed_at IS NOT NULL, finding.weight DESC, finding.finding_id
 LIMIT %(limit)s;

-- request_cycle --
-- Ask for a cycle now, as a person does from psql; one that waits for its time gives way.
SELECT honed.run_cycle(
         target => %(target)s::text,
         dry_run => %(dry_run)s::boolean,
         max_changes => %(max_changes)s::integer,
         require_approval => %(require_approval)s::boolean,
         target_area => %(target_area)s::text,
         lookback => %(lookback)s::interval,
         storage_budget_mb => %(storage_budget_mb)s::integer,
         write_budget => %(write_budget)s::double precision,
         ticket_id => %(ticket_id)s::bigint
       ) AS cycle_id;

-- stop --
-- Let nothing more be changed.
SELECT honed.stop(%(reason)s::text);

-- start --
-- Allow changes again.
SELECT honed.start();

-- list_queues --
-- Each queue: what is due, since when the longest waits, what is being done, what was given up.
SELECT queue, depth, delayed, coalesce(extract(epoch FROM oldest), 0)::double precision AS oldest_s,
       doing, failed
  FROM honed.queue_health
 ORDER BY queue;

-- count_states --
-- How many improvements of targets that are still there are in each state.
SELECT improvement.state, count(*) AS improvements
  FROM honed.improvement
  JOIN honed.target USING (target_id)
 WHERE target.removed_at IS NULL
 GROUP BY improvement.state
 ORDER BY improvement.state;

-- list_unfinished --
-- The improvements of a target that have not come to their end, longest there first.
SELECT improvement_id
  FROM honed.improvement
 WHERE target_id = %(target_id)s
   AND state <> ALL (%(resting)s::text[])
 ORDER BY improvement_id;

-- list_open_cycles --
-- The cycles of a target that have not ended.
SELECT cycle_id
  FROM honed.cycle
 WHERE target_id = %(target_id)s
   AND phase NOT IN ('finished', 'failed', 'superseded')
 ORDER BY cycle_id;

-- get_target_name --
-- What a target is called, also after it was removed.
SELECT name FROM honed.target WHERE target_id = %(target_id)s;

-- list_texts --
-- The texts of statements of a target.
SELECT statement_id, text
  FROM honed.statement
 WHERE target_id = %(target_id)s
   AND statement_id = ANY (%(statement_ids)s::text[]);
