-- Keeps change requests: what is proposed to a repository, where it is reviewed, and its end.
--
-- Why: people are asked about a root cause once and never flooded, whatever process asks, dies or is
-- started again; so the rules are kept here, under one lock of each repository. Without a forge this
-- is the forge: a row and a branch, decided about by honed.merge_change and honed.close_change.
-- What a person closed is neither opened again nor repeated, unless a person reopens its ticket.
-- Errors: HN404 no such change or target, HN409 its head is not the one that was read,
-- HN412 the change's state does not allow it, HN429 a change is withheld.
-- Locks: none but on the new tables.  Rows rewritten: none.
--
-- change_request  one row each, whatever forge it is on
-- change_event    what became of it, who did it and why; only ever added to

create table honed.change_request (
  change_id bigint generated always as identity primary key,
  target_id bigint not null references honed.target (target_id),
  ticket_id bigint references honed.ticket (ticket_id),
  improvement_id bigint references honed.improvement (improvement_id),
  -- What is wrong, by its fingerprint: the same in every change that tries to settle it.
  root_cause text not null check (btrim(root_cause) <> ''),
  -- SHA-256 of what it changes: the same lines again are the same change.
  patch_digest text not null check (patch_digest ~ '^[0-9a-f]{64}$'),
  branch text not null check (branch ~ '^[^[:space:][:cntrl:]]{1,200}$'),
  base_branch text not null check (base_branch ~ '^[^[:space:][:cntrl:]]{1,200}$'),
  -- What was proven, and on what; what somebody else pushes to the branch does not change it.
  base_commit text not null check (base_commit ~ '^([0-9a-f]{40}|[0-9a-f]{64})$'),
  head_commit text not null check (head_commit ~ '^([0-9a-f]{40}|[0-9a-f]{64})$'),
  title text not null check (btrim(title) <> ''),
  body text not null,
  -- Who lets it in: a person who reviews it, or a policy once its checks have passed.
  lane text not null check (lane in ('review', 'automerge')),
  state text not null default 'open' check (state in ('open', 'merged', 'closed')),
  closed_by_person boolean not null default false,
  end_reason text not null default '',
  -- A list of name, state, url, tests, is_required.
  checks jsonb not null default '[]' check (jsonb_typeof(checks) = 'array'),
  -- What they say together, by the names that the daemon's settings expect.
  checks_state text not null default 'pending'
    check (checks_state in ('pending', 'passed', 'failed')),
  forge text not null check (forge in ('local', 'github', 'gitlab', 'gitea')),
  -- By which the forge calls it; null: it is not there yet.
  number bigint check (number > 0),
  -- What the forge shows as its head.
  forge_head text not null default '',
  -- The state that the forge showed last; null: none yet. It lags behind what is decided here.
  forge_state text check (forge_state in ('open', 'merged', 'closed')),
  url text not null default '' check (url ~ '^$|^https?://[^/@[:space:]]+(/[^[:space:]]*)?$'),
  -- The entry of the ledger that says why.
  ledger_index bigint,
  merge_commit text not null default '',
  -- A person has asked for it; null: nobody.
  merge_asked_at timestamptz,
  merge_asked_by text not null default '',
  -- The forge's own time of what was seen last: an answer from before is stale.
  forge_updated_at timestamptz,
  checked_at timestamptz,
  opened_at timestamptz not null default honed.now(),
  updated_at timestamptz not null default honed.now(),
  ended_at timestamptz,
  check ((state = 'open') = (ended_at is null)),
  check (state = 'closed' or not closed_by_person),
  check ((state = 'merged') = (merge_commit <> ''))
);
create unique index change_request_one_open_idx
  on honed.change_request (target_id, md5(root_cause)) where state = 'open';
create unique index change_request_branch_idx
  on honed.change_request (target_id, branch) where state = 'open';
create index change_request_cause_idx on honed.change_request (target_id, md5(root_cause));
create index change_request_patch_idx on honed.change_request (target_id, patch_digest);
create index change_request_ended_idx on honed.change_request (target_id, ended_at);
create index change_request_ticket_idx on honed.change_request (ticket_id);

create table honed.change_event (
  event_id bigint generated always as identity primary key,
  change_id bigint not null references honed.change_request (change_id),
  event text not null check (event in (
    'opened', 'published', 'moved', 'renewed', 'checked', 'merge_asked', 'merged', 'closed', 'reopened'
  )),
  detail jsonb not null default '{}' check (jsonb_typeof(detail) = 'object'),
  reason text not null default '',
  done_by text not null default session_user,
  acting_for text not null default '',
  happened_at timestamptz not null default honed.now()
);
create index change_event_change_idx on honed.change_event (change_id, event_id);

create function honed.refuse_change_rewrite() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'the history of changes is kept: % on %.% is refused',
    tg_op, tg_table_schema, tg_table_name
    using errcode = 'insufficient_privilege';
end;
$$;
create trigger change_event_is_append_only
  before update or delete or truncate on honed.change_event
  for each statement execute function honed.refuse_change_rewrite();
create trigger change_request_is_kept
  before delete or truncate on honed.change_request
  for each statement execute function honed.refuse_change_rewrite();

-- Locks a change; its row, or HN404. Lock order: target, change.
create function honed.change_to_change(p_change_id bigint) returns honed.change_request
language plpgsql
set search_path = honed, pg_catalog, pg_temp
as $$
declare
  v_change honed.change_request;
begin
  select * into v_change from honed.change_request where change_id = p_change_id for update;
  if not found then
    raise exception 'there is no change %', p_change_id
      using errcode = 'HN404', hint = 'select change_id, title from honed.change_requests';
  end if;
  return v_change;
end;
$$;

-- Ends a change that is locked and open, with its event; HN412 where it is not open.
create function honed.end_change(
  p_change honed.change_request, p_state text, p_by_person boolean, p_reason text,
  p_merge_commit text default '', p_acting_for text default ''
) returns void
language plpgsql
set search_path = honed, pg_catalog, pg_temp
as $$
begin
  if p_change.state <> 'open' then
    raise exception 'change % cannot become %', p_change.change_id, p_state
      using errcode = 'HN412',
            detail = format('It is %s.', p_change.state),
            hint = format('select * from honed.change_event where change_id = %s',
                          p_change.change_id);
  end if;
  update honed.change_request
     set state = p_state,
         closed_by_person = p_state = 'closed' and p_by_person,
         end_reason = p_reason,
         merge_commit = p_merge_commit,
         ended_at = honed.now(),
         updated_at = honed.now()
   where change_id = p_change.change_id;
  insert into honed.change_event (change_id, event, detail, reason, acting_for)
  values (
    p_change.change_id, p_state, jsonb_build_object('by_person', p_by_person), p_reason,
    p_acting_for
  );
end;
$$;

-- Why a change would not be opened now; null: it would. The caller holds the lock of its target.
create function honed.why_withheld(
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
         -- A person who reopens its ticket asks for another try.
         and not exists (
           select from honed.ticket_event as e
            where e.ticket_id = why_withheld.ticket_id and e.event = 'reopened'
              and e.happened_at > c.ended_at
         )
    ) then 'closed_by_person'
    when exists (
      select from honed.change_request as c
       where c.target_id = why_withheld.target_id and c.closed_by_person
         and c.ended_at > honed.now() - why_withheld.cooldown
    ) then 'cooldown'
    when (
      select count(*) from honed.change_request as c
       where c.target_id = why_withheld.target_id and c.state = 'open'
         and c.lane = why_withheld.lane
    ) >= why_withheld.open_limit then 'quota'
  end
$$;

-- Opens a change, or returns the one that is open with the same branch and head: asked again after
-- a crash, it is the same.
create function honed.open_change(draft jsonb, open_limit integer, cooldown interval)
returns bigint
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_draft honed.change_request := jsonb_populate_record(null::honed.change_request, open_change.draft);
  v_change_id bigint;
  v_why text;
begin
  -- One at a time in each repository, so that two cannot both be the last within a quota.
  perform from honed.target as t
    where t.target_id = v_draft.target_id and t.removed_at is null for no key update;
  if not found then
    raise exception 'there is no target %', v_draft.target_id
      using errcode = 'HN404', hint = 'select name from honed.target where removed_at is null';
  end if;
  select c.change_id into v_change_id
    from honed.change_request as c
   where c.target_id = v_draft.target_id and c.state = 'open'
     and c.branch = v_draft.branch and c.head_commit = v_draft.head_commit;
  if found then
    return v_change_id;
  end if;
  v_why := honed.why_withheld(
    v_draft.target_id, v_draft.ticket_id, v_draft.root_cause, v_draft.patch_digest, v_draft.lane,
    open_change.open_limit, open_change.cooldown
  );
  if v_why is not null then
    raise exception 'a change is withheld: %', v_why
      using errcode = 'HN429', hint = 'select change_id, title, state from honed.change_requests';
  end if;
  insert into honed.change_request (
    target_id, ticket_id, improvement_id, root_cause, patch_digest, branch, base_branch,
    base_commit, head_commit, title, body, lane, forge, ledger_index
  )
  values (
    v_draft.target_id, v_draft.ticket_id, v_draft.improvement_id, v_draft.root_cause,
    v_draft.patch_digest, v_draft.branch, v_draft.base_branch, v_draft.base_commit,
    v_draft.head_commit, v_draft.title, v_draft.body, v_draft.lane, v_draft.forge,
    v_draft.ledger_index
  )
  returning change_id into v_change_id;
  -- In honed itself a change is called by its row.
  if v_draft.forge = 'local' then
    update honed.change_request set number = change_id where change_id = v_change_id;
  end if;
  insert into honed.change_event (change_id, event, detail)
  values (v_change_id, 'opened', jsonb_build_object('head_commit', v_draft.head_commit));
  return v_change_id;
end;
$$;

-- Records what a forge says of a change; false where it said something newer before.
create function honed.record_change(change_id bigint, seen jsonb) returns boolean
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_change honed.change_request := honed.change_to_change(record_change.change_id);
  v_seen honed.change_request := jsonb_populate_record(v_change, record_change.seen);
begin
  if v_seen.forge_updated_at < v_change.forge_updated_at or v_change.state = 'merged' then
    return false;
  end if;
  if v_seen.state = 'merged' and v_seen.merge_commit = '' then
    v_seen.merge_commit := v_change.head_commit;
  end if;
  update honed.change_request as c
     set number = v_seen.number,
         url = v_seen.url,
         title = v_seen.title,
         body = v_seen.body,
         forge_head = v_seen.forge_head,
         forge_state = v_seen.state,
         forge_updated_at = v_seen.forge_updated_at,
         updated_at = honed.now()
   where c.change_id = v_change.change_id;
  if v_change.number is null and v_seen.number is not null then
    insert into honed.change_event (change_id, event, detail)
    values (v_change.change_id, 'published',
            jsonb_build_object('number', v_seen.number, 'url', v_seen.url));
  end if;
  if v_seen.forge_head not in (v_change.forge_head, v_change.head_commit, '') then
    insert into honed.change_event (change_id, event, detail)
    values (v_change.change_id, 'moved', jsonb_build_object('forge_head', v_seen.forge_head));
  end if;
  if v_seen.state = 'open' and v_change.state = 'closed' then
    -- Closed here and open there is a close that has not reached the forge. Only where the forge
    -- has shown it closed a person has opened it again; honed never does. It stays closed while
    -- another is open for the same cause or branch.
    if v_change.forge_state = 'closed' and not exists (
      select from honed.change_request as c
       where c.target_id = v_change.target_id and c.state = 'open'
         and (md5(c.root_cause) = md5(v_change.root_cause) or c.branch = v_change.branch)
    ) then
      update honed.change_request as c
         set state = 'open', closed_by_person = false, end_reason = '', ended_at = null
       where c.change_id = v_change.change_id;
      insert into honed.change_event (change_id, event) values (v_change.change_id, 'reopened');
    end if;
  elsif v_seen.state = 'merged' and v_change.state = 'closed' then
    -- Somebody was faster there than the close.
    v_change.state := 'open';
    perform honed.end_change(v_change, 'merged', true, 'seen on the forge', v_seen.merge_commit);
  elsif v_seen.state <> v_change.state then
    -- What honed closes, it withdraws here first: what is found closed, a person closed.
    perform honed.end_change(
      v_change, v_seen.state, v_seen.state = 'closed', 'seen on the forge', v_seen.merge_commit
    );
  end if;
  return true;
end;
$$;

create function honed.record_checks(
  change_id bigint, head_commit text, checks jsonb, checks_state text
) returns boolean
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_change honed.change_request := honed.change_to_change(record_checks.change_id);
begin
  -- Of a head that was not proven.
  if v_change.head_commit <> record_checks.head_commit then
    return false;
  end if;
  if v_change.checks is distinct from record_checks.checks then
    insert into honed.change_event (change_id, event, detail)
    values (v_change.change_id, 'checked', jsonb_build_object('checks', record_checks.checks));
  end if;
  update honed.change_request as c
     set checks = record_checks.checks, checks_state = record_checks.checks_state, checked_at = honed.now()
   where c.change_id = v_change.change_id;
  return true;
end;
$$;

-- Says that a change was proven again: on a newer base, or with another patch.
create function honed.renew_change(
  change_id bigint, base_commit text, head_commit text, patch_digest text, body text,
  ledger_index bigint default null
) returns void
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_change honed.change_request := honed.change_to_change(renew_change.change_id);
begin
  if v_change.state <> 'open' then
    raise exception 'change % cannot be renewed', v_change.change_id
      using errcode = 'HN412',
            detail = format('It is %s.', v_change.state),
            hint = format('select * from honed.change_event where change_id = %s',
                          v_change.change_id);
  end if;
  -- What a person asked to merge is no longer what would be merged.
  update honed.change_request as c
     set base_commit = renew_change.base_commit,
         head_commit = renew_change.head_commit,
         patch_digest = renew_change.patch_digest,
         body = renew_change.body,
         ledger_index = coalesce(renew_change.ledger_index, c.ledger_index),
         checks = '[]', checks_state = 'pending', checked_at = null,
         merge_asked_at = null, merge_asked_by = '',
         updated_at = honed.now()
   where c.change_id = v_change.change_id;
  insert into honed.change_event (change_id, event, detail)
  values (v_change.change_id, 'renewed',
          jsonb_build_object('head_commit', array[v_change.head_commit, renew_change.head_commit],
                             'base_commit', array[v_change.base_commit, renew_change.base_commit]));
end;
$$;

create function honed.withdraw_change(change_id bigint, reason text) returns void
language sql volatile security definer
set search_path = honed, pg_catalog, pg_temp
as $$
  select honed.end_change(
    honed.change_to_change(withdraw_change.change_id), 'closed', false, withdraw_change.reason
  )
$$;

create function honed.close_change(change_id bigint, reason text, acting_for text default '')
returns void
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
begin
  if coalesce(btrim(close_change.reason), '') = '' then
    raise exception 'a decision about change % needs a reason', close_change.change_id
      using errcode = 'invalid_parameter_value', hint = 'say in words why; the history keeps it';
  end if;
  perform honed.end_change(
    honed.change_to_change(close_change.change_id), 'closed', true, close_change.reason, '',
    close_change.acting_for
  );
end;
$$;

-- Asks for a merge; whoever holds the repository's token carries it out.
create function honed.merge_change(
  change_id bigint, head_commit text default null, acting_for text default ''
) returns void
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_change honed.change_request := honed.change_to_change(merge_change.change_id);
begin
  if v_change.state <> 'open' then
    raise exception 'change % cannot be merged', v_change.change_id
      using errcode = 'HN412',
            detail = format('It is %s.', v_change.state),
            hint = format('select * from honed.change_event where change_id = %s',
                          v_change.change_id);
  end if;
  if v_change.head_commit <> merge_change.head_commit then
    raise exception 'change % is no longer what was read', v_change.change_id
      using errcode = 'HN409',
            detail = format('Its head is %s.', v_change.head_commit),
            hint = format('select * from honed.change_requests where change_id = %s',
                          v_change.change_id);
  end if;
  if v_change.merge_asked_at is not null then
    return;
  end if;
  update honed.change_request as c
     set merge_asked_at = honed.now(), merge_asked_by = session_user, updated_at = honed.now()
   where c.change_id = v_change.change_id;
  insert into honed.change_event (change_id, event, detail, acting_for)
  values (v_change.change_id, 'merge_asked',
          jsonb_build_object('head_commit', v_change.head_commit), merge_change.acting_for);
end;
$$;

create view honed.change_requests as
select
  c.change_id, t.name as target, c.ticket_id, k.title as ticket, c.improvement_id, c.title,
  c.state, c.lane, c.closed_by_person, c.end_reason, c.branch, c.base_branch, c.base_commit,
  c.head_commit, c.forge_head, c.forge, c.number, c.url, c.body,
  c.checks_state, c.checks, c.merge_commit, c.ledger_index, c.merge_asked_at, c.merge_asked_by, c.opened_at,
  c.updated_at, c.ended_at
from honed.change_request as c
join honed.target as t using (target_id)
left join honed.ticket as k on k.ticket_id = c.ticket_id;

grant select on honed.change_request, honed.change_event, honed.change_requests to honed_daemon;
grant select on honed.change_event, honed.change_requests to honed_viewer;

revoke all on function
  honed.refuse_change_rewrite, honed.change_to_change, honed.end_change, honed.why_withheld,
  honed.open_change, honed.record_change, honed.record_checks, honed.renew_change,
  honed.withdraw_change, honed.close_change, honed.merge_change
  from public;
grant execute on function
  honed.why_withheld, honed.open_change, honed.record_change, honed.record_checks,
  honed.renew_change, honed.withdraw_change
  to honed_daemon;
grant execute on function honed.close_change to honed_operator;
-- What it lets in is code: as much as any other approval.
grant execute on function honed.merge_change to honed_approver;

comment on view honed.change_requests is
  'Changes of code that were proposed, on whatever forge; checks_state: failed if a required check'
  ' failed, passed if those that the settings expect are there and all passed, else pending.';
comment on function honed.merge_change is
  'Asks that a change be merged as it is now; who holds the repository''s token carries it out, and'
  ' refuses where head or base are no longer what was proven; with a head_commit only that is meant.'
  ' HN404: no such change; HN409: another head; HN412: it is not open.';
comment on function honed.close_change is
  'Closes a change for good: neither it nor another for the same root cause is opened again, unless'
  ' its ticket is reopened. HN404: no such change; HN412: it is not open.';
comment on function honed.open_change is
  'Opens a change and returns its id; the one that is open with this branch and head, if there is.'
  ' For the daemon. HN404: no such target; HN429: withheld, and why: duplicate, closed_by_person,'
  ' cooldown or quota.';
comment on function honed.why_withheld is
  'Why a change would not be opened now: duplicate, closed_by_person, cooldown, quota; null: it'
  ' would. For the daemon.';
comment on function honed.record_change is
  'Records what a forge says of a change, and returns false where it said something newer before.'
  ' What is found closed, a person closed; what is closed here is opened again only where the forge'
  ' had shown it closed before. For the daemon. HN404: no such change.';
comment on function honed.record_checks is
  'Records what the checks of a change''s head say, each and together, and returns false where the'
  ' head is another by now. For the daemon. HN404: no such change.';
comment on function honed.renew_change is
  'Says that a change was proven again, with another head or base; whoever asked for its merge has to'
  ' ask again. For the daemon. HN404: no such change; HN412: it is not open.';
comment on function honed.withdraw_change is
  'Closes a change that honed itself no longer wants. For the daemon. HN404: no such change; HN412:'
  ' it is not open.';
