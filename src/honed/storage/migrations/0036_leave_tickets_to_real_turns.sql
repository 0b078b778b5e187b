-- Leaves a ticket as it is while a dry run tries what could settle it.
--
-- Why: `honed fix --dry-run`, and every cycle under the autonomy observe, let the ticket fail where
-- nothing was proven, and so looked like an attempt that somebody had asked for.
-- Locks: none.  Rows rewritten: none.

-- Lets the ticket that an improvement names go along with it, and keeps the improvement as an attempt
-- at it. What a person has decided about the ticket meanwhile stays: then only the attempt ends. What
-- a dry run tries is no attempt: nobody asked for the change, and the ticket stays as it was.
-- Lock order: improvement, ticket, attempt; the ledger's head is locked after all of them.
create or replace function honed.follow_improvement() returns trigger
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
declare
  v_named text := new.hypothesis #>> '{parameters,ticket_id}';
  v_words text;
  v_ticket honed.ticket;
  v_attempt honed.ticket_attempt;
  v_attempt_id bigint;
  v_to text;
begin
  if v_named is null or v_named !~ '^[1-9][0-9]{0,17}$' then
    return null;
  end if;
  if exists (
    select from honed.cycle as c where c.cycle_id = new.cycle_id and c.dry_run
  ) then
    return null;
  end if;
  select * into v_ticket from honed.ticket where ticket_id = v_named::bigint for update;
  if not found then
    return null;
  end if;
  v_words := honed.words_of(new);

  if new.state = 'proposed' then
    if v_ticket.state = 'failed' then
      perform honed.set_ticket_state(v_ticket, 'open', false, 'moved', 'it is tried again');
      v_ticket.state := 'open';
    end if;
    if v_ticket.state = 'open' then
      v_attempt_id := honed.begin_attempt(v_ticket.ticket_id);
      update honed.ticket_attempt
         set improvement_id = new.improvement_id
       where attempt_id = v_attempt_id;
    end if;
    return null;
  end if;

  select * into v_attempt
    from honed.ticket_attempt
   where ticket_id = v_ticket.ticket_id
   order by attempt_number desc
   limit 1;
  -- Something else is tried on it.
  if v_attempt.improvement_id is distinct from new.improvement_id then
    return null;
  end if;

  if v_attempt.finished_at is null then
    if new.state = 'on_trial' then
      update honed.ticket_attempt
         set branch_name = coalesce(honed.branch_of(new.steps), '')
       where attempt_id = v_attempt.attempt_id;
      v_to := 'testing';
    elsif new.state in (
      'proven', 'refuted', 'inconclusive', 'rejected', 'expired', 'rolled_back', 'failed'
    ) then
      perform honed.end_attempt(
        v_attempt.attempt_id, new.state = 'proven', new.hypothesis ->> 'claim',
        jsonb_build_object(
          'improvement_id', new.improvement_id, 'verdict', new.verdict,
          'gates', coalesce(new.evidence -> 'gates', '[]')
        ),
        case when new.state = 'proven' then '' else v_words end
      );
    end if;
  else
    v_to := case
      when new.state = 'kept' then 'applied'
      when new.state = 'rolled_back' and v_ticket.state = 'applied' then 'open'
      when new.state in ('rejected', 'rolled_back', 'failed') then 'failed'
      when new.state in ('dry_run', 'expired') then 'open'
    end;
  end if;
  if v_to is not null and honed.may_move_ticket(v_ticket.state, v_to, false) then
    perform honed.set_ticket_state(
      v_ticket, v_to, false,
      case when v_ticket.state = 'applied' then 'regressed' else 'moved' end, v_words
    );
  end if;
  return null;
end;
$$;
