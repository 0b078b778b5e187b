-- Counts the blocks that statements read from outside of the server's shared buffers.
--
-- Why: whether a cache is cold, and whether warming it helped, shows in the blocks that had to be
-- read; shared_blocks counts those found in memory as well. Null: read before it was counted.
-- Locks: honed.statement_counter and honed.statement_interval, for a moment.  Rows rewritten: none.

alter table honed.statement_counter
  add column blocks_read bigint;

alter table honed.statement_interval
  add column blocks_read bigint check (blocks_read >= 0);
