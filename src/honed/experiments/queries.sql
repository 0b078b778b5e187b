-- start_trial --
-- Write a trial that is about to be measured.
INSERT INTO honed.trial (improvement_id, design, seed)
VALUES (%(improvement_id)s, %(design)s::jsonb, %(seed)s)
RETURNING trial_id

-- add_block --
-- Write what one block measured.
INSERT INTO honed.trial_block (trial_id, pair, position, arm, purpose, costs)
VALUES (%(trial_id)s, %(pair)s, %(position)s, %(arm)s, %(purpose)s, %(costs)s::jsonb)

-- finish_trial --
-- Write the end of a trial; no row where it has ended already.
UPDATE honed.trial
   SET ended_at = honed.now(),
       ending = %(ending)s,
       verdict = %(verdict)s,
       reason = %(reason)s,
       error = %(error)s,
       judgement = %(judgement)s::jsonb,
       log_e = %(log_e)s,
       facts = %(facts)s::jsonb,
       elapsed_s = %(elapsed_s)s
 WHERE trial_id = %(trial_id)s
   AND ended_at IS NULL
RETURNING trial_id

-- read_trial --
-- Read one trial.
SELECT trial_id, improvement_id, design, seed, started_at, ended_at, ending, verdict, reason,
       error, judgement, facts, elapsed_s
  FROM honed.trial
 WHERE trial_id = %(trial_id)s

-- find_last_trial --
-- Find the last trial of an improvement that came to an end.
SELECT trial_id
  FROM honed.trial
 WHERE improvement_id = %(improvement_id)s
   AND ended_at IS NOT NULL
 ORDER BY trial_id DESC
 LIMIT 1

-- read_blocks --
-- Read the blocks of one trial in the order of measuring.
SELECT pair, position, arm, purpose, costs
  FROM honed.trial_block
 WHERE trial_id = %(trial_id)s
 ORDER BY pair, position

-- next_level --
-- The level at which e-LOND will test the trial of an improvement if it is the next to end.
SELECT next.level
  FROM honed.improvement
 CROSS JOIN LATERAL honed.next_level(improvement.target_id, %(alpha)s::double precision) AS next
 WHERE improvement.improvement_id = %(improvement_id)s
