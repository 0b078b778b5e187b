-- Lets honed ask language models within a budget, keep what they answered, and answer from SQL.
--
-- Why: a limit that the asking process counts for itself does not hold when two ask at once, or when
-- it dies; so what a piece of work may spend is reserved here before, with what its end will need,
-- and every request draws on it. A request that is asked again is answered from its recording, so
-- that a change can be made again from its record (seed 000, "sp_GenerateText").
-- Errors: HN402 no room in the budget, HN404 no such ticket, reservation or request.
-- Locks: none but on the new tables.  Rows rewritten: none.
--
-- llm_limit      one row: what nobody's settings may exceed; reserving is one at a time by its lock
-- llm_spending   what one piece of work may spend: reserved, then settled, or expired
-- llm_call       every request to a provider, with its cost and the price that this was made of
-- llm_recording  answers by what was asked
-- text_request   prompts from SQL, and what became of each

-- A role belongs to the whole server: another database may have created it already.
do $$
begin
  begin
    create role honed_asker nologin;
  exception when duplicate_object or unique_violation then
    null;
  end;
  if not pg_has_role(current_user, 'honed_asker', 'MEMBER') then
    execute format('grant honed_asker to %I', current_user);
  end if;
  if not pg_has_role('honed_operator', 'honed_asker', 'MEMBER') then
    grant honed_asker to honed_operator;
  end if;
end
$$;
grant usage on schema honed to honed_asker;

create table honed.llm_limit (
  is_only boolean primary key default true check (is_only),
  -- Null: the settings of each process decide alone.
  usd_day numeric check (usd_day between 0 and 1000000),
  usd_ticket numeric check (usd_ticket between 0 and 1000000),
  set_by text not null default session_user,
  set_at timestamptz not null default honed.now(),
  reservations bigint not null default 0
);
insert into honed.llm_limit default values;

create table honed.llm_spending (
  spending_id bigint generated always as identity primary key,
  -- Null: it is for no ticket.
  ticket_id bigint references honed.ticket (ticket_id),
  purpose text not null check (btrim(purpose) <> ''),
  state text not null default 'reserved' check (state in ('reserved', 'settled', 'expired')),
  reserved_usd numeric not null check (reserved_usd between 0 and 1000000),
  -- Of that, what only the end of the work may use: validating and publishing.
  tail_usd numeric not null default 0,
  -- What its calls cost; one whose cost is not known counts with the most that it can.
  drawn_usd numeric not null default 0 check (drawn_usd >= 0),
  reserved_at timestamptz not null default honed.now(),
  expires_at timestamptz not null,
  -- Null while it is reserved.
  settled_at timestamptz,
  check (tail_usd between 0 and reserved_usd),
  check ((state = 'reserved') = (settled_at is null))
);
create index llm_spending_time_idx on honed.llm_spending (reserved_at);
create index llm_spending_ticket_idx on honed.llm_spending (ticket_id);
create index llm_spending_open_idx on honed.llm_spending (expires_at) where state = 'reserved';

create table honed.llm_call (
  call_id bigint generated always as identity primary key,
  spending_id bigint not null references honed.llm_spending (spending_id),
  is_tail boolean not null,
  provider text not null,
  model text not null,
  request_hash text not null check (request_hash ~ '^[0-9a-f]{64}$'),
  -- The row of the price table.
  price jsonb not null check (jsonb_typeof(price) = 'object'),
  most_usd numeric not null check (most_usd between 0 and 1000000),
  -- Null: not known, or not yet.
  cost_usd numeric check (cost_usd between 0 and 1000000),
  input_tokens bigint check (input_tokens >= 0),
  output_tokens bigint check (output_tokens >= 0),
  outcome text not null default 'pending' check (outcome in ('pending', 'answered', 'failed')),
  began_at timestamptz not null default honed.now(),
  ended_at timestamptz,
  check ((outcome = 'pending') = (ended_at is null))
);
create index llm_call_spending_idx on honed.llm_call (spending_id);

create table honed.llm_recording (
  request_hash text primary key check (request_hash ~ '^[0-9a-f]{64}$'),
  provider text not null,
  model text not null,
  request jsonb not null check (jsonb_typeof(request) = 'object'),
  reply jsonb not null check (jsonb_typeof(reply) = 'object'),
  recorded_at timestamptz not null default honed.now()
);

create table honed.text_request (
  request_id bigint generated always as identity primary key,
  -- As it was asked until a worker takes it up, then scrubbed.
  prompt text not null check (prompt ~ '\S' and length(prompt) <= 100000),
  max_tokens integer not null check (max_tokens between 1 and 8192),
  ticket_id bigint references honed.ticket (ticket_id),
  state text not null default 'waiting' check (state in (
    'waiting', 'being_answered', 'answered', 'failed'
  )),
  answer text,
  error text not null default '',
  hint text not null default '',
  model text not null default '',
  cost_usd numeric,
  attempts integer not null default 0,
  -- From when on a worker may take it up: whoever had it before has died, or was refused.
  due_at timestamptz not null default honed.now(),
  requested_by text not null default session_user,
  requested_at timestamptz not null default honed.now(),
  ended_at timestamptz,
  check ((state = 'answered') = (answer is not null)),
  check ((state in ('answered', 'failed')) = (ended_at is not null))
);
create index text_request_open_idx on honed.text_request (request_id)
  where state in ('waiting', 'being_answered');

create function honed.limit_llm_spending(
  usd_day numeric default null, usd_ticket numeric default null
) returns void
language sql volatile security definer
set search_path = honed, pg_catalog, pg_temp
as $$
  update honed.llm_limit
     set usd_day = limit_llm_spending.usd_day, usd_ticket = limit_llm_spending.usd_ticket,
         set_by = session_user, set_at = honed.now()
$$;

-- Whoever reserved and died has spent what was drawn: a call without an end counts with its most.
create function honed.expire_llm_spending() returns bigint
language sql volatile security definer
set search_path = honed, pg_catalog, pg_temp
as $$
  with expired as (
    update honed.llm_spending
       set state = 'expired', settled_at = honed.now()
     where state = 'reserved' and expires_at <= honed.now()
    returning 1
  )
  select count(*) from expired
$$;

-- What a reservation counts for: all of it while it is open, and more if a provider took more.
create function honed.counted_usd(spending honed.llm_spending) returns numeric
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when spending.state = 'reserved' then greatest(spending.reserved_usd, spending.drawn_usd)
    else spending.drawn_usd
  end
$$;

create function honed.refuse_spending(asked numeric, taken numeric, most numeric, whose text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'the budget of % has no room for % USD', whose, round(asked, 6)
    using errcode = 'HN402',
          detail = format('%s of %s USD are spent or reserved.', round(taken, 6), round(most, 6)),
          hint = 'raise llm_budget_usd_day or llm_budget_usd_ticket, and what'
                 ' honed.limit_llm_spending() has set; select * from honed.llm_budget';
end;
$$;

create function honed.reserve_llm_spending(
  ticket_id bigint,
  purpose text,
  usd numeric,
  tail_usd numeric,
  day_limit_usd numeric,
  ticket_limit_usd numeric,
  lifetime interval default interval '1 hour'
) returns bigint
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_limit honed.llm_limit;
  v_asked numeric := reserve_llm_spending.usd + reserve_llm_spending.tail_usd;
  v_most numeric;
  v_taken numeric;
  v_today timestamptz := date_trunc('day', honed.now() at time zone 'UTC') at time zone 'UTC';
  v_spending_id bigint;
begin
  if reserve_llm_spending.usd is null or reserve_llm_spending.usd not between 0 and 1000000
     or reserve_llm_spending.tail_usd is null
     or reserve_llm_spending.tail_usd not between 0 and 1000000
     or reserve_llm_spending.day_limit_usd is null
     or reserve_llm_spending.lifetime is null
     or reserve_llm_spending.lifetime not between interval '1 second' and interval '1 day'
  then
    raise exception 'this cannot be reserved'
      using errcode = 'invalid_parameter_value',
            hint = 'usd and tail_usd are 0 or more, day_limit_usd a number, lifetime up to a day';
  end if;
  if reserve_llm_spending.ticket_id is not null and not exists (
       select from honed.ticket as t where t.ticket_id = reserve_llm_spending.ticket_id
     )
  then
    raise exception 'there is no ticket %', reserve_llm_spending.ticket_id
      using errcode = 'HN404', hint = 'select ticket_id, title from honed.backlog';
  end if;

  -- One at a time: whoever comes second sees what the first has reserved. To update the row rather
  -- than to lock it makes a transaction with an older view of the store fail instead of overrun.
  update honed.llm_limit set reservations = reservations + 1 returning * into strict v_limit;
  perform honed.expire_llm_spending();

  v_most := least(reserve_llm_spending.day_limit_usd, v_limit.usd_day);
  select coalesce(sum(honed.counted_usd(s)), 0) into v_taken
    from honed.llm_spending as s
   where s.reserved_at >= v_today or s.state = 'reserved';
  if v_taken + v_asked > v_most then
    perform honed.refuse_spending(v_asked, v_taken, v_most, 'this day');
  end if;
  if reserve_llm_spending.ticket_id is not null then
    v_most := least(reserve_llm_spending.ticket_limit_usd, v_limit.usd_ticket);
    select coalesce(sum(honed.counted_usd(s)), 0) into v_taken
      from honed.llm_spending as s
     where s.ticket_id = reserve_llm_spending.ticket_id;
    if v_taken + v_asked > v_most then
      perform honed.refuse_spending(
        v_asked, v_taken, v_most, 'ticket ' || reserve_llm_spending.ticket_id
      );
    end if;
  end if;

  insert into honed.llm_spending (ticket_id, purpose, reserved_usd, tail_usd, expires_at)
  values (
    reserve_llm_spending.ticket_id, reserve_llm_spending.purpose, v_asked,
    reserve_llm_spending.tail_usd, honed.now() + reserve_llm_spending.lifetime
  )
  returning spending_id into v_spending_id;
  return v_spending_id;
end;
$$;

create function honed.begin_llm_call(
  spending_id bigint,
  is_tail boolean,
  provider text,
  model text,
  request_hash text,
  price jsonb,
  most_usd numeric
) returns bigint
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_spending honed.llm_spending;
  v_most numeric;
  v_call_id bigint;
begin
  select * into v_spending
    from honed.llm_spending as s where s.spending_id = begin_llm_call.spending_id for update;
  if not found then
    raise exception 'there is no reservation %', begin_llm_call.spending_id
      using errcode = 'HN404', hint = 'select * from honed.llm_spending order by spending_id desc';
  end if;
  if v_spending.state <> 'reserved' or v_spending.expires_at <= honed.now() then
    raise exception 'the reservation % has ended', begin_llm_call.spending_id
      using errcode = 'HN402', hint = 'reserve again: its time was over, or its work was done';
  end if;
  v_most := v_spending.reserved_usd
            - case when begin_llm_call.is_tail then 0 else v_spending.tail_usd end;
  if v_spending.drawn_usd + begin_llm_call.most_usd > v_most then
    perform honed.refuse_spending(
      begin_llm_call.most_usd, v_spending.drawn_usd, v_most,
      'reservation ' || begin_llm_call.spending_id
    );
  end if;
  insert into honed.llm_call (
    spending_id, is_tail, provider, model, request_hash, price, most_usd
  )
  values (
    begin_llm_call.spending_id, begin_llm_call.is_tail, begin_llm_call.provider,
    begin_llm_call.model, begin_llm_call.request_hash, begin_llm_call.price,
    begin_llm_call.most_usd
  )
  returning call_id into v_call_id;
  update honed.llm_spending as s
     set drawn_usd = s.drawn_usd + begin_llm_call.most_usd
   where s.spending_id = begin_llm_call.spending_id;
  return v_call_id;
end;
$$;

-- Also for a reservation that has ended meanwhile: what is known now is better than its most.
create function honed.end_llm_call(
  call_id bigint, outcome text, cost_usd numeric, input_tokens bigint, output_tokens bigint
) returns void
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_call honed.llm_call;
begin
  update honed.llm_call as c
     set outcome = end_llm_call.outcome, cost_usd = end_llm_call.cost_usd,
         input_tokens = end_llm_call.input_tokens, output_tokens = end_llm_call.output_tokens,
         ended_at = honed.now()
   where c.call_id = end_llm_call.call_id and c.outcome = 'pending'
  returning * into v_call;
  if not found then
    raise exception 'there is no call % that goes on', end_llm_call.call_id
      using errcode = 'HN404', hint = 'select * from honed.llm_call order by call_id desc';
  end if;
  update honed.llm_spending as s
     set drawn_usd = s.drawn_usd - v_call.most_usd + coalesce(v_call.cost_usd, v_call.most_usd)
   where s.spending_id = v_call.spending_id;
end;
$$;

create function honed.settle_llm_spending(spending_id bigint) returns numeric
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_drawn numeric;
begin
  update honed.llm_spending as s
     set state = 'settled', settled_at = honed.now()
   where s.spending_id = settle_llm_spending.spending_id and s.state = 'reserved';
  select s.drawn_usd into v_drawn
    from honed.llm_spending as s where s.spending_id = settle_llm_spending.spending_id;
  if not found then
    raise exception 'there is no reservation %', settle_llm_spending.spending_id
      using errcode = 'HN404', hint = 'select * from honed.llm_spending order by spending_id desc';
  end if;
  return v_drawn;
end;
$$;

create function honed.generate_text(
  prompt text, max_tokens integer default 1024, ticket_id bigint default null
) returns bigint
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_request_id bigint;
begin
  if coalesce(generate_text.prompt, '') !~ '\S' or length(generate_text.prompt) > 100000
     or generate_text.max_tokens is null or generate_text.max_tokens not between 1 and 8192
  then
    raise exception 'this cannot be asked'
      using errcode = 'invalid_parameter_value',
            hint = 'the prompt has 1 to 100000 characters, max_tokens is 1 to 8192';
  end if;
  if generate_text.ticket_id is not null and not exists (
       select from honed.ticket as t where t.ticket_id = generate_text.ticket_id
     )
  then
    raise exception 'there is no ticket %', generate_text.ticket_id
      using errcode = 'HN404', hint = 'select ticket_id, title from honed.backlog';
  end if;
  if (select count(*) from honed.text_request as r
       where r.requested_by = session_user and r.state in ('waiting', 'being_answered')) >= 100
  then
    raise exception '100 requests of yours wait already'
      using errcode = 'configuration_limit_exceeded',
            hint = 'wait for their answers; if there are none, `honed run` is not up, or'
                   ' llm_provider is none';
  end if;
  insert into honed.text_request (prompt, max_tokens, ticket_id)
  values (generate_text.prompt, generate_text.max_tokens, generate_text.ticket_id)
  returning request_id into v_request_id;
  perform pg_notify('honed_text_request', v_request_id::text);
  return v_request_id;
end;
$$;

-- Not to be called in the transaction that asked: nobody else sees its request yet.
create function honed.generated_text(request_id bigint, wait interval default interval '0')
returns text
language plpgsql volatile security definer
set search_path = honed, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_until timestamptz := clock_timestamp() + generated_text.wait;
  v_request honed.text_request;
begin
  if generated_text.wait is null
     or generated_text.wait not between interval '0' and interval '10 minutes'
  then
    raise exception 'nobody can wait so long'
      using errcode = 'invalid_parameter_value', hint = 'wait is 0 to 10 minutes';
  end if;
  loop
    select * into v_request
      from honed.text_request as r where r.request_id = generated_text.request_id;
    if not found or (
         v_request.requested_by <> session_user
         and not pg_has_role(session_user, 'honed_operator', 'MEMBER')
       )
    then
      raise exception 'there is no request % of yours', generated_text.request_id
        using errcode = 'HN404', hint = 'select honed.generate_text(...) returns its number';
    end if;
    if v_request.state = 'failed' then
      raise exception 'request % failed: %', v_request.request_id, v_request.error
        using errcode = 'external_routine_exception', hint = v_request.hint;
    end if;
    exit when v_request.state = 'answered' or clock_timestamp() >= v_until;
    perform pg_sleep(0.1);
  end loop;
  return v_request.answer;
end;
$$;

create view honed.llm_cost as
select
  (s.reserved_at at time zone 'UTC')::date as day,
  s.ticket_id,
  s.purpose,
  c.provider,
  c.model,
  count(*) as calls,
  count(*) filter (where c.cost_usd is null) as of_unknown_cost,
  coalesce(sum(c.cost_usd), 0) as known_usd,
  sum(coalesce(c.cost_usd, c.most_usd)) as at_most_usd,
  sum(c.input_tokens) as input_tokens,
  sum(c.output_tokens) as output_tokens
from honed.llm_call as c
join honed.llm_spending as s on s.spending_id = c.spending_id
group by 1, 2, 3, 4, 5
order by 1 desc, 2, 3, 4, 5;

create view honed.llm_budget as
select
  coalesce(sum(honed.counted_usd(s)) filter (where s.state = 'reserved'), 0) as reserved_usd,
  coalesce(sum(s.drawn_usd) filter (where s.state <> 'reserved'), 0) as spent_today_usd,
  l.usd_day as limit_usd_day,
  l.usd_ticket as limit_usd_ticket,
  l.set_by,
  l.set_at
from honed.llm_limit as l
left join honed.llm_spending as s
  on s.state = 'reserved'
  or s.reserved_at >= date_trunc('day', honed.now() at time zone 'UTC') at time zone 'UTC'
group by l.usd_day, l.usd_ticket, l.set_by, l.set_at;

-- What was asked and answered holds code and words of others: it is for whoever may act on it.
revoke all on honed.llm_recording, honed.text_request from honed_viewer;
grant select on honed.llm_recording, honed.text_request to honed_operator;
grant select on
  honed.llm_limit, honed.llm_spending, honed.llm_call, honed.llm_cost, honed.llm_budget
  to honed_daemon;
grant select, insert on honed.llm_recording to honed_daemon;
grant select, update on honed.text_request to honed_daemon;

revoke all on function
  honed.limit_llm_spending, honed.expire_llm_spending, honed.counted_usd, honed.refuse_spending,
  honed.reserve_llm_spending, honed.begin_llm_call, honed.end_llm_call, honed.settle_llm_spending,
  honed.generate_text, honed.generated_text
  from public;
grant execute on function honed.limit_llm_spending to honed_operator;
grant execute on function
  honed.expire_llm_spending, honed.reserve_llm_spending, honed.begin_llm_call,
  honed.end_llm_call, honed.settle_llm_spending
  to honed_daemon;
grant execute on function honed.counted_usd to honed_viewer, honed_daemon;
grant execute on function honed.generate_text, honed.generated_text to honed_asker;

comment on table honed.llm_limit is
  'What nobody''s settings may exceed; honed.limit_llm_spending() sets it.';
comment on table honed.llm_spending is
  'What a piece of work may spend on language models: reserved before it begins, settled at its end.';
comment on table honed.llm_call is 'Every request to a provider, and what it cost.';
comment on table honed.llm_recording is
  'Answers of language models by the SHA-256 of what was asked, both scrubbed.';
comment on table honed.text_request is 'Prompts of honed.generate_text() and what became of each.';
comment on function honed.limit_llm_spending is
  'Sets what language models may cost in a day (UTC) and for a ticket, whatever the settings of a'
  ' process say; null: as those say.';
comment on function honed.expire_llm_spending is
  'Ends reservations whose time is over, and returns how many: a call without an end counts with'
  ' the most that it can have cost. For the daemon.';
comment on function honed.counted_usd is
  'What a reservation counts for against the budgets: all of it while it is open.';
comment on function honed.reserve_llm_spending is
  'Reserves usd, and tail_usd for the end of the work, and returns the reservation''s id. For the'
  ' daemon. HN402: the day''s or the ticket''s budget has no room; HN404: no such ticket.';
comment on function honed.begin_llm_call is
  'Draws the most that a request can cost on a reservation, before it is sent, and returns the'
  ' call''s id. For the daemon. HN402: there is not so much left; HN404: no such reservation.';
comment on function honed.end_llm_call is
  'Says what a request cost; null: not known, it counts with its most. For the daemon. HN404: no'
  ' such call goes on.';
comment on function honed.settle_llm_spending is
  'Ends a reservation and returns what was spent; the rest is free again. For the daemon. HN404: no'
  ' such reservation.';
comment on function honed.generate_text is
  'Asks the language model of `honed run` and returns the request''s id; its answer comes with'
  ' honed.generated_text(), and a notification on the channel honed_generated_text. HN404: no such'
  ' ticket.';
comment on function honed.generated_text is
  'Returns the answer to a request of yours, waiting for it up to 10 minutes; null: there is none'
  ' yet. Ask in another transaction than the request''s. HN404: no such request of yours; 38000: it'
  ' failed.';
comment on view honed.llm_cost is
  'What requests to language models cost, by day (UTC), ticket, purpose and model. of_unknown_cost:'
  ' requests without a known cost; at_most_usd counts those with the most that they can cost.';
comment on view honed.llm_budget is
  'What is reserved now and was spent today (UTC), and what nobody''s settings may exceed.';
