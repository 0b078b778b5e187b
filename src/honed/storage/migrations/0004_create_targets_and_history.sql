-- Why: the targets, and what honed read of each: statements and tables over time, their plans and
-- real examples, and the last reading of every counter, from which the next difference is taken.
-- Locks: none that another session could wait for. Rows rewritten: none.

CREATE TABLE honed.target (
  target_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL CHECK (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
  sort text NOT NULL CHECK (sort IN ('postgres', 'repository', 'model', 'sessions', 'computation')),
  -- Never with a password: the registry refuses one, and this is the second fence.
  observe_url text NOT NULL
    CHECK (observe_url !~* 'password\s*=' AND observe_url !~ '^[a-z]+://[^/@?]*:[^/@?]+@'),
  act_url text NOT NULL DEFAULT ''
    CHECK (act_url !~* 'password\s*=' AND act_url !~ '^[a-z]+://[^/@?]*:[^/@?]+@'),
  options jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(options) = 'object'),
  added_at timestamptz NOT NULL DEFAULT honed.now(),
  -- A removed target stays, because improvements and their history hang on it.
  removed_at timestamptz
);
CREATE UNIQUE INDEX target_name_idx ON honed.target (name) WHERE removed_at IS NULL;

-- When a target was read last, and what the server said of its counters then.
CREATE TABLE honed.reading_state (
  target_id bigint PRIMARY KEY REFERENCES honed.target (target_id) ON DELETE CASCADE,
  read_at timestamptz NOT NULL,
  -- pg_stat_statements_info.stats_reset; a change means that every counter began again.
  statements_reset_at timestamptz,
  -- pg_stat_database.stats_reset; likewise for the counters of tables.
  tables_reset_at timestamptz
);

-- The last cumulative reading of one row of pg_stat_statements; one row a statement and user.
CREATE TABLE honed.statement_counter (
  target_id bigint NOT NULL REFERENCES honed.target (target_id) ON DELETE CASCADE,
  statement_id text NOT NULL,
  user_id bigint NOT NULL,
  calls bigint NOT NULL,
  exec_ms double precision NOT NULL,
  exec_ms_squares double precision NOT NULL,
  row_count bigint NOT NULL,
  shared_blocks bigint NOT NULL,
  temp_blocks bigint NOT NULL,
  wal_bytes numeric NOT NULL,
  -- pg_stat_statements.stats_since; null before PostgreSQL 17.
  stats_since timestamptz,
  PRIMARY KEY (target_id, statement_id, user_id)
);

-- The last cumulative reading of one table's write counters.
CREATE TABLE honed.table_counter (
  target_id bigint NOT NULL REFERENCES honed.target (target_id) ON DELETE CASCADE,
  table_name text NOT NULL,
  inserted bigint NOT NULL,
  updated bigint NOT NULL,
  hot_updated bigint NOT NULL,
  deleted bigint NOT NULL,
  PRIMARY KEY (target_id, table_name)
);

-- One normalised statement of a target.
CREATE TABLE honed.statement (
  target_id bigint NOT NULL REFERENCES honed.target (target_id) ON DELETE CASCADE,
  -- The server's query identifier.
  statement_id text NOT NULL,
  text text NOT NULL,
  -- What it does; 'own' are honed's readings and other looks at the catalog, 'utility' all that
  -- is no query.
  sort text NOT NULL
    CHECK (sort IN ('select', 'insert', 'update', 'delete', 'merge', 'utility', 'own')),
  first_seen_at timestamptz NOT NULL DEFAULT honed.now(),
  -- Why no example could be found at the last try; empty: there are some, or none was looked for.
  skipped text NOT NULL DEFAULT '',
  PRIMARY KEY (target_id, statement_id)
);

-- One stretch of production between two readings in which something happened.
CREATE TABLE honed.reading (
  reading_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  target_id bigint NOT NULL REFERENCES honed.target (target_id) ON DELETE CASCADE,
  started_at timestamptz NOT NULL,
  ended_at timestamptz NOT NULL,
  -- True: all that the counters held when the target was read first; no stretch to compare with.
  is_first boolean NOT NULL,
  CHECK (started_at <= ended_at)
);
CREATE INDEX reading_target_idx ON honed.reading (target_id, ended_at);

CREATE TABLE honed.statement_interval (
  reading_id bigint NOT NULL REFERENCES honed.reading (reading_id) ON DELETE CASCADE,
  statement_id text NOT NULL,
  -- Calls that ended, and what they cost.
  calls bigint NOT NULL CHECK (calls >= 0),
  exec_ms double precision NOT NULL CHECK (exec_ms >= 0),
  -- Sum of squares of the calls' milliseconds: mean and variance of any union of intervals follow.
  exec_ms_squares double precision NOT NULL CHECK (exec_ms_squares >= 0),
  row_count bigint NOT NULL CHECK (row_count >= 0),
  shared_blocks bigint NOT NULL CHECK (shared_blocks >= 0),
  temp_blocks bigint NOT NULL CHECK (temp_blocks >= 0),
  wal_bytes numeric NOT NULL CHECK (wal_bytes >= 0),
  -- Calls that were seen running, and for how long: a call that is cut off is counted nowhere else.
  seen_calls integer NOT NULL DEFAULT 0 CHECK (seen_calls >= 0),
  seen_ms double precision NOT NULL DEFAULT 0 CHECK (seen_ms >= 0),
  PRIMARY KEY (reading_id, statement_id)
);
CREATE INDEX statement_interval_statement_idx ON honed.statement_interval (statement_id, reading_id);

-- Rows written into one table in one stretch.
CREATE TABLE honed.table_interval (
  reading_id bigint NOT NULL REFERENCES honed.reading (reading_id) ON DELETE CASCADE,
  table_name text NOT NULL,
  inserted bigint NOT NULL CHECK (inserted >= 0),
  updated bigint NOT NULL CHECK (updated >= 0),
  hot_updated bigint NOT NULL CHECK (hot_updated >= 0),
  deleted bigint NOT NULL CHECK (deleted >= 0),
  PRIMARY KEY (reading_id, table_name)
);

-- The plans that a statement's examples had together: one row for each set of shapes.
CREATE TABLE honed.statement_plan (
  target_id bigint NOT NULL,
  statement_id text NOT NULL,
  plan_hash text NOT NULL CHECK (plan_hash ~ '^[0-9a-f]{64}$'),
  plan jsonb NOT NULL CHECK (jsonb_typeof(plan) = 'object'),
  first_seen_at timestamptz NOT NULL DEFAULT honed.now(),
  last_seen_at timestamptz NOT NULL DEFAULT honed.now(),
  PRIMARY KEY (target_id, statement_id, plan_hash),
  FOREIGN KEY (target_id, statement_id)
    REFERENCES honed.statement (target_id, statement_id) ON DELETE CASCADE
);

-- An executable text of a statement. Holds values of the target's data: never leaves the store.
CREATE TABLE honed.statement_example (
  target_id bigint NOT NULL,
  statement_id text NOT NULL,
  sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  example text NOT NULL,
  source text NOT NULL CHECK (source IN ('activity', 'statistics', 'text')),
  -- Whether the target could plan it; what it refuses is deleted.
  is_accepted boolean NOT NULL,
  -- Order among the examples of one statement.
  position integer NOT NULL DEFAULT 0,
  seen_at timestamptz NOT NULL DEFAULT honed.now(),
  PRIMARY KEY (target_id, statement_id, sha256),
  FOREIGN KEY (target_id, statement_id)
    REFERENCES honed.statement (target_id, statement_id) ON DELETE CASCADE
);

-- The registry is changed by persons through an operator's login, the history by the daemon alone.
GRANT SELECT, INSERT, UPDATE ON honed.target TO honed_daemon, honed_operator;
GRANT SELECT, INSERT, UPDATE, DELETE ON
  honed.reading_state, honed.statement_counter, honed.table_counter, honed.statement,
  honed.reading, honed.statement_interval, honed.table_interval, honed.statement_plan,
  honed.statement_example
  TO honed_daemon;
-- Examples hold values of production's rows, which not every viewer of honed may see.
REVOKE SELECT ON honed.statement_example FROM honed_viewer;
GRANT SELECT ON honed.statement_example TO honed_operator;
