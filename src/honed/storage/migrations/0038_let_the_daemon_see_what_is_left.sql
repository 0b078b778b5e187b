-- Lets the daemon ask what a change has left on its target.
--
-- Why: what failed half-way keeps its claim from being made again as long as something is left of
-- it. Only logins that may read everything could ask that, so a daemon that has its own role alone
-- could not weigh such a claim.
-- Locks: none.  Rows rewritten: none.

grant execute on function honed.is_on_target to honed_daemon;
