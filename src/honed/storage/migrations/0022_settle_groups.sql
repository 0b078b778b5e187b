-- Settles a group of exceptions with its ticket.
--
-- Why: the intake opens a settled group again when a signal of it comes, and tells that it came back
-- (regressed); a ticket is how a person says that it is settled.
-- Locks: share row exclusive on honed.ticket, for the moment in which its trigger is made.
-- Rows rewritten: none.

create function honed.settle_signal_group() returns trigger
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
begin
  -- Taken back, it is open again: applied_at is null then.
  update honed.signal_group as g
     set resolved_at = new.applied_at
    from honed.project as p
   where p.name = new.project
     and g.project_id = p.project_id
     and g.fingerprint = new.subject
     -- What the intake has opened already is not locked: it may be counting it.
     and g.resolved_at is distinct from new.applied_at;
  return null;
end;
$$;
create trigger ticket_settles_group
  after update of state on honed.ticket
  for each row
  when (
    new.source = 'exception' and old.state is distinct from new.state
    and 'applied' in (old.state, new.state)
  )
  execute function honed.settle_signal_group();
revoke all on function honed.settle_signal_group from public;

comment on function honed.settle_signal_group is
  'Settles the group of signals that a ticket is of when the ticket is applied, and opens it when'
  ' that is taken back.';
