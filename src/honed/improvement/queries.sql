-- find --
-- Improvements that meet every condition given, newest first.
SELECT improvement_id, cycle_id, target_id, kind, subject, state, hypothesis, steps, evidence,
       priority, risk, danger, area, digest, target_fingerprint, policy_version, propensity,
       predicted_log_ratio, measured_log_ratio, production_log_ratio, verdict, outcome, error,
       proposed_at, trial_started_at, tried_at, awaiting_since, approved_at, applying_at,
       applied_at, rolled_back_at, completed_at, updated_at, cost_s
  FROM honed.improvement
 WHERE (%(improvement_id)s::bigint IS NULL OR improvement_id = %(improvement_id)s)
   AND (%(target_id)s::bigint IS NULL OR target_id = %(target_id)s)
   AND (%(cycle_id)s::bigint IS NULL OR cycle_id = %(cycle_id)s)
   AND (%(kind)s::text IS NULL OR kind = %(kind)s)
   AND (%(subject)s::text IS NULL OR subject = %(subject)s)
   AND (%(states)s::text[] IS NULL OR state = ANY (%(states)s))
 ORDER BY improvement_id DESC
 LIMIT %(limit)s;

-- lock --
-- Lock the row of one improvement. Lock order: job, cycle, improvement, ledger head.
SELECT improvement_id FROM honed.improvement WHERE improvement_id = %(improvement_id)s FOR UPDATE;

-- list_events --
-- Every change of state of one improvement, oldest first.
SELECT event_id, coalesce(from_state, '') AS from_state, to_state, detail,
       coalesce(ledger_index, -1) AS ledger_index, coalesce(leaf_hash, '') AS leaf_hash, happened_at
  FROM honed.improvement_event
 WHERE improvement_id = %(improvement_id)s
 ORDER BY event_id;

-- propose --
-- Store a claim; no row where an open improvement makes it already.
INSERT INTO honed.improvement (
         cycle_id, target_id, kind, subject, hypothesis, evidence, priority, risk, danger, area,
         target_fingerprint, propensity, predicted_log_ratio
       )
VALUES (%(cycle_id)s, %(target_id)s, %(kind)s, %(subject)s, %(hypothesis)s::jsonb,
        %(evidence)s::jsonb, %(priority)s, %(risk)s, %(danger)s, %(area)s,
        %(target_fingerprint)s, %(propensity)s, %(predicted_log_ratio)s)
ON CONFLICT DO NOTHING
RETURNING improvement_id;

-- link_findings --
-- Say which findings a claim answers; those that are gone are left out.
INSERT INTO honed.improvement_finding (improvement_id, finding_id)
SELECT %(improvement_id)s, finding_id
  FROM honed.finding
 WHERE finding_id = ANY (%(finding_ids)s::bigint[]);

-- move --
-- Write a new state with everything that changes with it; a null leaves its column as it is.
UPDATE honed.improvement
   SET state = %(state)s,
       steps = coalesce(%(steps)s::jsonb, steps),
       evidence = coalesce(%(evidence)s::jsonb, evidence),
       digest = coalesce(%(digest)s, digest),
       target_fingerprint = coalesce(%(target_fingerprint)s, target_fingerprint),
       policy_version = coalesce(%(policy_version)s::bigint, policy_version),
       measured_log_ratio = coalesce(%(measured_log_ratio)s::double precision, measured_log_ratio),
       production_log_ratio
         = coalesce(%(production_log_ratio)s::double precision, production_log_ratio),
       verdict = coalesce(%(verdict)s, verdict),
       outcome = coalesce(%(outcome)s, outcome),
       error = coalesce(%(error)s, error),
       cost_s = cost_s + %(cost_s)s::double precision,
       trial_started_at
         = CASE WHEN %(state)s = 'on_trial' THEN honed.now() ELSE trial_started_at END,
       tried_at
         = CASE WHEN state = 'on_trial' THEN honed.now() ELSE tried_at END,
       awaiting_since
         = CASE WHEN %(state)s = 'awaiting_approval' THEN honed.now() ELSE awaiting_since END,
       approved_at = CASE WHEN %(state)s = 'approved' THEN honed.now() ELSE approved_at END,
       applying_at = CASE WHEN %(state)s = 'applying' THEN honed.now() ELSE applying_at END,
       applied_at = CASE WHEN %(state)s = 'watching' THEN honed.now() ELSE applied_at END,
       rolled_back_at = CASE WHEN %(state)s = 'rolled_back' THEN honed.now() ELSE rolled_back_at END,
       completed_at
         = CASE WHEN %(ends)s THEN coalesce(completed_at, honed.now()) ELSE completed_at END,
       updated_at = honed.now()
 WHERE improvement_id = %(improvement_id)s;

-- bind --
-- Write what an approval must name.
UPDATE honed.improvement
   SET digest = %(digest)s,
       target_fingerprint = %(target_fingerprint)s,
       policy_version = %(policy_version)s,
       updated_at = honed.now()
 WHERE improvement_id = %(improvement_id)s;

-- last_leaf --
-- The ledger entry of the last change of state.
SELECT leaf_hash
  FROM honed.improvement_event
 WHERE improvement_id = %(improvement_id)s
   AND leaf_hash IS NOT NULL
 ORDER BY event_id DESC
 LIMIT 1;

-- record_event --
-- Record a change of state with its ledger entry.
INSERT INTO honed.improvement_event (
         improvement_id, from_state, to_state, detail, ledger_index, leaf_hash, job_id
       )
VALUES (%(improvement_id)s, %(from_state)s, %(to_state)s, %(detail)s::jsonb,
        %(ledger_index)s, %(leaf_hash)s, %(job_id)s);
