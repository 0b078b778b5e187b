-- Why: every block that a trial measured, with the design and the seed, so that anybody can judge
-- the trial again and get the same verdict; blocks are only ever added.
-- Locks: none that another session could wait for. Rows rewritten: none.

-- One experiment on one improvement. A worker that dies leaves a trial without an end; the next
-- attempt is a trial of its own.
CREATE TABLE honed.trial (
  trial_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  improvement_id bigint NOT NULL REFERENCES honed.improvement (improvement_id) ON DELETE CASCADE,
  -- Units, margins, alpha: every number that decides.
  design jsonb NOT NULL CHECK (jsonb_typeof(design) = 'object'),
  -- Of every random choice in the order of measuring.
  seed bigint NOT NULL CHECK (seed >= 0),
  started_at timestamptz NOT NULL DEFAULT honed.now(),
  ended_at timestamptz,
  ending text CHECK (ending IN ('decided', 'pairs_spent', 'time_spent', 'failed')),
  verdict text CHECK (verdict IN ('improved', 'worse', 'equivalent', 'inconclusive', 'error')),
  reason text NOT NULL DEFAULT '',
  -- What made the evaluator fail; empty unless the ending is 'failed'.
  error text NOT NULL DEFAULT '',
  -- Effects, intervals and e-values (natural logarithms) of the objective and of each unit.
  judgement jsonb CHECK (jsonb_typeof(judgement) = 'object'),
  -- What building the candidate cost, and what it was built on.
  facts jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(facts) = 'object'),
  -- Seconds of measuring.
  elapsed_s double precision CHECK (elapsed_s >= 0),
  CHECK (num_nulls(ended_at, ending, verdict, judgement, elapsed_s) IN (0, 5)),
  CHECK ((ending = 'failed') = (verdict = 'error' AND error <> ''))
);
CREATE INDEX trial_improvement_idx ON honed.trial (improvement_id, trial_id);

-- One arm, measured for a while. Two blocks with one pair number were measured one after the other.
CREATE TABLE honed.trial_block (
  trial_id bigint NOT NULL REFERENCES honed.trial (trial_id) ON DELETE CASCADE,
  pair integer NOT NULL CHECK (pair >= 0),
  -- 0: measured first.
  position smallint NOT NULL CHECK (position IN (0, 1)),
  arm text NOT NULL CHECK (arm IN ('baseline', 'candidate', 'control')),
  purpose text NOT NULL CHECK (purpose IN ('objective', 'guardrail', 'control')),
  -- Median cost of each unit, in the design's metric.
  costs jsonb NOT NULL CHECK (jsonb_typeof(costs) = 'object'),
  recorded_at timestamptz NOT NULL DEFAULT honed.now(),
  PRIMARY KEY (trial_id, pair, position),
  UNIQUE (trial_id, pair, arm)
);

-- What was measured cannot be changed by who is judged by it: of a trial only its end is written
-- later, of a block nothing.
GRANT SELECT, INSERT ON honed.trial, honed.trial_block TO honed_daemon;
GRANT UPDATE (ended_at, ending, verdict, reason, error, judgement, facts, elapsed_s)
  ON honed.trial TO honed_daemon;
