-- Keeps what became of changes of code, and what is learned from that.
--
-- Why: whether a change of code was any good is told days later, by people who let it in or close it
-- and by the faults that come or stay away: that belongs into the record, into the ticket that asked
-- for it, and into the next search. Only names, counts and digests are kept here, no code.
-- Locks: share row exclusive on honed.improvement and access exclusive on honed.ticket_attempt, both
-- for a moment; share on honed.change_request while its index is built.
-- Rows rewritten: none.
--
-- aftermath    what was said last of a change that waits for people, or is watched after they let it in
-- known_bug    what a function was like before a change of it was let in, as a digest
-- code_search  searches for a change that found nothing

create table honed.aftermath (
  improvement_id bigint primary key references honed.improvement (improvement_id) on delete cascade,
  standing text not null check (standing in ('waiting', 'harmed', 'well', 'ended')),
  reason text not null,
  score double precision check (score between 0 and 1),
  facts jsonb not null default '{}' check (jsonb_typeof(facts) = 'object'),
  looked_at timestamptz not null default honed.now(),
  check (score is null or standing = 'well')
);
grant select, insert, update on honed.aftermath to honed_daemon;

create index change_request_improvement_idx on honed.change_request (improvement_id);

create table honed.known_bug (
  known_bug_id bigint generated always as identity primary key,
  change_id bigint not null references honed.change_request (change_id),
  -- Where it was.
  path text not null,
  name text not null,
  kind text not null check (kind in ('function', 'method')),
  -- Which of its two digests says that something is like it.
  form text not null check (form in ('exact', 'shape')),
  digest text not null check (digest ~ '^[0-9a-f]{64}$'),
  known_at timestamptz not null default honed.now(),
  unique (change_id, path, name)
);
grant select, insert on honed.known_bug to honed_daemon;

create table honed.code_search (
  search_id bigint generated always as identity primary key,
  target_id bigint not null references honed.target (target_id),
  kind text not null check (kind <> ''),
  cause text not null check (cause <> ''),
  commit text not null check (commit ~ '^([0-9a-f]{40}|[0-9a-f]{64})$'),
  -- What searched: another engine, or another budget, may find more.
  engine text not null check (engine <> ''),
  -- Why nothing was claimed, for a person.
  reason text not null default '',
  searched_at timestamptz not null default honed.now()
);
create unique index code_search_idx
  on honed.code_search (target_id, kind, commit, md5(cause), md5(engine));
grant select, insert, update, delete on honed.code_search to honed_daemon;

-- The improvement that an attempt is; null: none, somebody tried by hand.
alter table honed.ticket_attempt add column improvement_id bigint;
create index ticket_attempt_improvement_idx on honed.ticket_attempt (improvement_id);

-- Why an improvement came to its state, for the history of its ticket.
create function honed.words_of(p_improvement honed.improvement) returns text
language sql stable
set search_path = honed, pg_catalog, pg_temp
as $$
  select format(
    'improvement %s is %s', p_improvement.improvement_id, replace(p_improvement.state, '_', ' ')
  ) || coalesce(': ' || nullif(coalesce(
    nullif(p_improvement.error, ''),
    (
      select case
               -- What was said of it last was the reason for nothing but its end.
               when p_improvement.state in ('kept', 'rolled_back') then a.reason
             end
        from honed.aftermath as a
       where a.improvement_id = p_improvement.improvement_id
    ),
    (
      select (g.said ->> 'gate') || ': ' || (g.said ->> 'reason')
        from jsonb_array_elements(
               case when jsonb_typeof(p_improvement.evidence -> 'gates') = 'array'
                    then p_improvement.evidence -> 'gates' else '[]' end
             ) as g (said)
       where g.said -> 'passed' = 'false' and p_improvement.state in ('refuted', 'inconclusive')
       limit 1
    )
  ), ''), '')
$$;

-- Lets the ticket that an improvement names go along with it, and keeps the improvement as an attempt
-- at it. What a person has decided about the ticket meanwhile stays: then only the attempt ends.
-- Lock order: improvement, ticket, attempt; the ledger's head is locked after all of them.
create function honed.follow_improvement() returns trigger
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

-- The branch that steps propose; null: none of them proposes one.
create function honed.branch_of(p_steps jsonb) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select (s.step -> 'do' ->> 0)::jsonb ->> 'branch'
    from jsonb_array_elements(p_steps) as s (step)
   where s.step ->> 'runner' = 'repository'
   limit 1
$$;

create trigger improvement_begins_attempt
  after insert on honed.improvement
  for each row execute function honed.follow_improvement();
create trigger ticket_follows_improvement
  after update of state on honed.improvement
  for each row when (old.state is distinct from new.state)
  execute function honed.follow_improvement();

-- What became of changes of code, by what made them. A template that stands for two edits counts for
-- each of them.
create view honed.template_outcomes as
select
  made.template,
  made.proposer,
  made.kind,
  count(*) filter (where made.is_published) as proposed,
  count(*) filter (where made.is_merged) as merged,
  count(*) filter (where made.is_refused) as closed_by_person,
  count(*) filter (where made.is_reverted) as reverted,
  count(*) filter (where made.is_kept) as kept
from (
  select
    part.template,
    coalesce(i.hypothesis #>> '{parameters,proposer}', '') as proposer,
    i.kind,
    coalesce(c.is_published, false) as is_published,
    coalesce(c.is_merged, false) as is_merged,
    coalesce(c.is_closed, false) or i.state = 'rejected' as is_refused,
    coalesce(c.is_merged, false) and i.state = 'rolled_back' as is_reverted,
    i.state = 'kept' as is_kept
  from honed.improvement as i
  cross join lateral
    string_to_table(i.hypothesis #>> '{parameters,template}', '+') as part (template)
  left join lateral (
    select true as is_published,
           bool_or(r.state = 'merged') as is_merged,
           bool_or(r.closed_by_person) as is_closed
      from honed.change_request as r
     where r.improvement_id = i.improvement_id and r.root_cause not like 'take back %'
    having count(*) > 0
  ) as c on true
) as made
where made.is_published or made.is_refused
group by made.template, made.proposer, made.kind;

-- By template alone: whoever used it, for whatever kind, in whatever repository.
create view honed.template_prior as
select
  counted.template, counted.proposed, counted.merged, counted.closed_by_person, counted.reverted,
  counted.kept,
  2 + counted.wins as alpha,
  2 + counted.losses as beta,
  (2 + counted.wins)::double precision / (4 + counted.wins + counted.losses) as posterior_mean,
  least(2.0, greatest(0.5,
    2 * (2 + counted.wins)::double precision / (4 + counted.wins + counted.losses)
  )) as prior
from (
  select
    o.template,
    sum(o.proposed)::bigint as proposed,
    sum(o.merged)::bigint as merged,
    sum(o.closed_by_person)::bigint as closed_by_person,
    sum(o.reverted)::bigint as reverted,
    sum(o.kept)::bigint as kept,
    sum(o.merged - o.reverted)::bigint as wins,
    sum(o.closed_by_person + o.reverted)::bigint as losses
  from honed.template_outcomes as o
  where o.template <> ''
  group by o.template
) as counted;

grant select on honed.template_outcomes, honed.template_prior to honed_daemon, honed_viewer;
revoke all on function
  honed.follow_improvement, honed.words_of, honed.branch_of
  from public;

comment on view honed.template_outcomes is
  'What became of changes of code, by what made them (template, proposer) and by kind: proposed to'
  ' people, merged, closed or rejected by a person, merged and taken back, kept after their watch.';
comment on view honed.template_prior is
  'How well a template has done, over all repositories: a Beta posterior of its changes that were let'
  ' in and stay, from the prior Beta(2, 2) (two successes and two failures: Agresti and Coull 1998,'
  ' section 2). prior: posterior_mean over the prior''s mean, within 0.5 to 2: by so much its next'
  ' changes are taken to be more or less likely.';
