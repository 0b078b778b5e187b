-- Why: a partition may be archived once nobody has written or read it for months, which the
-- server's counters tell only to whoever remembers what they were.
-- Locks: none but on the new table.  Rows rewritten: none.

CREATE TABLE honed.partition_use (
  target_id bigint NOT NULL REFERENCES honed.target (target_id) ON DELETE CASCADE,
  table_name text NOT NULL,
  -- What the counters said at the last look: rows written, scans of the table and its indexes.
  writes bigint NOT NULL,
  scans bigint NOT NULL,
  -- The most scans that neither a backup nor honed itself explained.
  unexplained bigint NOT NULL,
  first_seen_at timestamptz NOT NULL DEFAULT honed.now(),
  -- When a look found that it had been written or read since the one before; NULL: never.
  used_at timestamptz,
  PRIMARY KEY (target_id, table_name)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON honed.partition_use TO honed_daemon;
