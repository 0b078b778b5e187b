-- Keeps what people say that a call does when it is right.
--
-- Why: an exception tells that a call failed, and not what it should have returned. Where several
-- changes settle it and differ, or one answers with a constant of its own, honed asks; what a person
-- answers becomes an assertion of the test that is made of the exception, in this cycle and the next.
-- Of one call the newest answer counts; the older ones stay, as everything that people decide.
-- Whoever answers after closing a request asks for another try, as who reopens the ticket does; of
-- such a ticket nothing is withheld for the sake of people who want to be left alone.
-- For that a person may reopen what is open, too.
-- Errors: HN404 no such ticket.
-- Locks: none but on the new table.  Rows rewritten: none.
--
-- ticket_answer  one row each answer; only ever added to

create table honed.ticket_answer (
  answer_id bigint generated always as identity primary key,
  ticket_id bigint not null references honed.ticket (ticket_id),
  -- The call as Python writes it, with its module before: shop.cart.total(names=['pen'])
  call text not null check (btrim(call) <> ''),
  -- One of the two: what it returns, as a literal of Python, or the name of what it raises.
  returns text not null default '',
  raises text not null default '',
  -- The login, which the server knows, and the person that the interface says it acted for.
  done_by text not null default session_user,
  acting_for text not null default '',
  answered_at timestamptz not null default honed.now(),
  check ((btrim(returns) = '') <> (btrim(raises) = ''))
);
create index ticket_answer_ticket_idx on honed.ticket_answer (ticket_id, answer_id);

create trigger ticket_answer_is_append_only
  before update or delete or truncate on honed.ticket_answer
  for each statement execute function honed.refuse_backlog_change();

create function honed.answer_ticket(
  ticket_id bigint, call text, returns text default '', raises text default '',
  acting_for text default ''
) returns bigint
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
declare
  v_ticket honed.ticket := honed.ticket_to_change(answer_ticket.ticket_id);
  v_answer_id bigint;
begin
  if coalesce(btrim(answer_ticket.call), '') = ''
     or (coalesce(btrim(answer_ticket.returns), '') = '')
        = (coalesce(btrim(answer_ticket.raises), '') = '')
  then
    raise exception 'an answer names a call, and either what it returns or what it raises'
      using errcode = 'invalid_parameter_value',
            hint = 'select honed.answer_ticket(1, ''shop.cart.total(names=[])'', returns => ''0'')';
  end if;
  insert into honed.ticket_answer (ticket_id, call, returns, raises, acting_for)
  values (
    v_ticket.ticket_id, btrim(answer_ticket.call), coalesce(btrim(answer_ticket.returns), ''),
    coalesce(btrim(answer_ticket.raises), ''), answer_ticket.acting_for
  )
  returning ticket_answer.answer_id into v_answer_id;
  return v_answer_id;
end;
$$;

-- A person may reopen what is open: then it is tried again, whatever was said no to before.
create or replace function honed.may_move_ticket(
  from_state text, to_state text, by_person boolean
) returns boolean
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select (from_state, to_state, by_person) in (
    ('open', 'in_progress', false),
    ('in_progress', 'testing', false), ('in_progress', 'failed', false),
    ('in_progress', 'open', false),
    ('testing', 'ready', false), ('testing', 'failed', false), ('testing', 'open', false),
    ('ready', 'applied', false), ('ready', 'failed', false), ('ready', 'open', false),
    ('failed', 'open', false),
    ('applied', 'open', false),
    ('open', 'open', true), ('open', 'applied', true), ('open', 'rejected', true),
    ('in_progress', 'open', true), ('in_progress', 'applied', true),
    ('in_progress', 'rejected', true),
    ('testing', 'open', true), ('testing', 'applied', true), ('testing', 'rejected', true),
    ('ready', 'open', true), ('ready', 'applied', true), ('ready', 'rejected', true),
    ('failed', 'open', true), ('failed', 'applied', true), ('failed', 'rejected', true),
    ('applied', 'open', true),
    ('rejected', 'open', true)
  )
$$;

-- Whether a person has asked for another try of a ticket since then: by reopening it, or by saying
-- what is right.
create function honed.asked_again(ticket_id bigint, since timestamptz) returns boolean
language sql stable security definer
set search_path = honed, pg_catalog, pg_temp
as $$
  select exists (
    select from honed.ticket_event as e
     where e.ticket_id = asked_again.ticket_id and e.event = 'reopened'
       and e.happened_at > asked_again.since
  ) or exists (
    select from honed.ticket_answer as a
     where a.ticket_id = asked_again.ticket_id and a.answered_at > asked_again.since
  )
$$;

-- Why a change would not be opened now; null: it would. The caller holds the lock of its target.
create or replace function honed.why_withheld(
  target_id bigint, ticket_id bigint, root_cause text, patch_digest text, lane text,
  open_limit integer, cooldown interval
) returns text
language sql stable security definer
set search_path = honed, pg_catalog, pg_temp
as $$
  select case
    when exists (
      select from honed.change_request as c
       where c.target_id = why_withheld.target_id and c.state = 'open'
         and md5(c.root_cause) = md5(why_withheld.root_cause)
    ) then 'duplicate'
    when exists (
      select from honed.change_request as c
       where c.target_id = why_withheld.target_id and c.closed_by_person
         and (md5(c.root_cause) = md5(why_withheld.root_cause)
              or c.patch_digest = why_withheld.patch_digest)
         and not honed.asked_again(why_withheld.ticket_id, c.ended_at)
    ) then 'closed_by_person'
    when exists (
      select from honed.change_request as c
       where c.target_id = why_withheld.target_id and c.closed_by_person
         and c.ended_at > honed.now() - why_withheld.cooldown
         and not honed.asked_again(why_withheld.ticket_id, c.ended_at)
    ) then 'cooldown'
    when (
      select count(*) from honed.change_request as c
       where c.target_id = why_withheld.target_id and c.state = 'open'
         and c.lane = why_withheld.lane
    ) >= why_withheld.open_limit then 'quota'
  end
$$;

grant select on honed.ticket_answer to honed_daemon;
revoke all on function honed.answer_ticket, honed.asked_again from public;
grant execute on function honed.answer_ticket to honed_operator;
grant execute on function honed.asked_again to honed_daemon;
comment on function honed.asked_again is
  'Whether a person has reopened a ticket since then, or said what is right.';
comment on function honed.answer_ticket is
  'Says what a call does when it is right: what it returns, as a literal of Python, or the name of'
  ' the exception that it raises. Of one call the newest answer counts. HN404: no such ticket.';
