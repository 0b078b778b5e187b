-- Lets a policy merge a change once its checks have passed, keeps the entry of the ledger of every
-- decision about a change and of its end, and remembers that a forge has something new.
--
-- Why: a policy that approves a change without a person may let it in as well, by the same rules
-- asked once more; and what became of a change is signed, whoever decided it. People decide in psql
-- without the key of the ledger, so the daemon writes the entries of what it finds decided.
-- Locks: ACCESS EXCLUSIVE on change_event for a new check, which is a moment: it is small.
-- Rows rewritten: none.
--
-- change_entry   which entry of the ledger says it, one row each event; only ever added to
-- change_notice  repositories whose forge says that something happened; the daemon looks, and
--                forgets it

alter table honed.change_event
  drop constraint change_event_event_check,
  add constraint change_event_event_check check (event in (
    'opened', 'published', 'moved', 'renewed', 'checked', 'merge_asked', 'merged', 'closed',
    'reopened', 'to_review'
  ));

create table honed.change_entry (
  event_id bigint primary key references honed.change_event (event_id),
  ledger_index bigint not null unique,
  leaf_hash text not null check (leaf_hash ~ '^[0-9a-f]{64}$')
);
create trigger change_entry_is_append_only
  before update or delete or truncate on honed.change_entry
  for each statement execute function honed.refuse_change_rewrite();

-- One row however often it is said: what happened is asked of the forge.
create table honed.change_notice (
  target_id bigint primary key references honed.target (target_id),
  noticed_at timestamptz not null default honed.now()
);

-- Locks a change; decisions about it, and its ends, that no entry of the ledger says yet.
create function honed.unsealed_events(change_id bigint)
returns table (
  event_id bigint, event text, detail jsonb, done_by text, patch_digest text, parent text
)
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_change honed.change_request := honed.change_to_change(unsealed_events.change_id);
begin
  return query
    select e.event_id, e.event, e.detail, e.done_by, v_change.patch_digest, coalesce(
             (select s.leaf_hash
                from honed.change_entry as s
                join honed.change_event as b on b.event_id = s.event_id
               where b.change_id = v_change.change_id
               order by s.event_id desc
               limit 1),
             (select i.leaf_hash
                from honed.improvement_event as i
               where i.improvement_id = v_change.improvement_id and i.leaf_hash is not null
               order by i.event_id desc
               limit 1),
             '')
      from honed.change_event as e
     where e.change_id = v_change.change_id
       and e.event in ('merge_asked', 'merged', 'closed', 'reopened')
       and not exists (select from honed.change_entry as s where s.event_id = e.event_id)
     order by e.event_id;
end;
$$;

-- Who lets the change of an improvement in, and why it is a person. What has risk_limit or more is a
-- person's, if a worker's settings say so.
create function honed.change_lane(improvement_id bigint, risk_limit integer default null)
returns table (lane text, reason text)
language plpgsql volatile security definer
set search_path = honed, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_improvement honed.improvement;
  v_policy honed.policy;
  v_cycle honed.cycle;
  v_threshold integer;
  v_whose text;
  v_gates jsonb;
  v_objection text;
begin
  select * into v_improvement
    from honed.improvement as i where i.improvement_id = change_lane.improvement_id;
  select * into v_policy from honed.policy order by policy_version desc limit 1;
  select * into v_cycle from honed.cycle where cycle_id = v_improvement.cycle_id;
  select t.threshold, t.whose into v_threshold, v_whose
    from honed.approval_threshold(v_improvement.target_id) as t;
  v_gates := v_improvement.evidence -> 'gates';
  v_objection := case
    when v_improvement.improvement_id is null then 'it is in no record'
    when v_improvement.state not in ('applying', 'watching', 'kept')
      then format('its improvement is %s', v_improvement.state)
    when v_cycle.cycle_id is null then 'its cycle is gone'
    when v_improvement.danger <> 'none'
      then format('only a person lets in what has the danger %s', v_improvement.danger)
    when v_improvement.risk > 7 then format('its risk %s is above 7', v_improvement.risk)
    when v_improvement.risk >= change_lane.risk_limit
      then format('its risk %s is not below %s', v_improvement.risk, change_lane.risk_limit)
    when v_improvement.hypothesis -> 'parameters' ->> 'proposer' = 'language_model'
      then 'only a person lets in what a language model wrote'
    when v_policy.policy_version is null then 'there is no policy'
    when v_policy.autonomy not in ('limited', 'full')
      then format('the autonomy is %s', v_policy.autonomy)
    when v_policy.require_human_approval then 'the configuration wants a person'
    when v_cycle.require_approval then 'the cycle wants a person'
    when v_policy.autonomy = 'limited' and v_policy.target_area = ''
      then 'the autonomy is limited, and no target area is set'
    when v_policy.target_area not in ('', v_improvement.area)
      then format('the configuration is for the area %s', v_policy.target_area)
    when v_cycle.target_area not in ('', v_improvement.area)
      then format('the cycle is for the area %s', v_cycle.target_area)
    when v_improvement.priority < v_threshold
      then format('its priority %s is below %s%s', v_improvement.priority, v_threshold, v_whose)
    when honed.adoption_obstacle(v_improvement.improvement_id) <> ''
      then honed.adoption_obstacle(v_improvement.improvement_id)
    -- Tests, automation, migrations and what judges are a person's, whatever the risk.
    when v_gates @> '[{"gate": "allowed_paths", "passed": true}]' is not true
      then 'no gate says that it keeps to the files that need no person'
    when v_gates @> '[{"passed": false}]' then 'a gate does not let it pass'
  end;
  return query select case when v_objection is null then 'automerge' else 'review' end,
                      coalesce(v_objection, format('policy %s allows it', v_policy.policy_version));
end;
$$;

-- Asks for the merge of a change in the name of the policy, or once more whether it may be merged:
-- by now the policy may be another, and the base branch (base_head, where its tests are not run
-- again) elsewhere. What is no longer allowed waits for a person from then on.
create function honed.merge_by_policy(
  change_id bigint, base_head text default null, risk_limit integer default null
)
returns table (answer text, reason text)
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_change honed.change_request := honed.change_to_change(merge_by_policy.change_id);
  v_is_asked boolean := v_change.merge_asked_at is not null;
  v_lane text;
  v_reason text;
  v_waits text;
begin
  if v_is_asked and v_change.merge_asked_by <> 'the policy' then
    return query select 'asked', format('%s asked for it', v_change.merge_asked_by);
    return;
  end if;
  v_waits := case
    when v_change.state <> 'open' then format('it is %s', v_change.state)
    when v_change.lane <> 'automerge' then 'a person reviews it'
    when (select stopped from honed.switch) then 'honed was told to stop'
    when v_change.checks_state <> 'passed'
      then format('its checks say %s', v_change.checks_state)
  end;
  if v_waits is not null then
    return query select 'waits', v_waits;
    return;
  end if;
  select l.lane, l.reason into v_lane, v_reason
    from honed.change_lane(v_change.improvement_id, merge_by_policy.risk_limit) as l;
  if v_lane = 'automerge' and merge_by_policy.base_head <> v_change.base_commit then
    v_lane := 'review';
    v_reason := format('%s has moved since it was proven', v_change.base_branch);
  end if;
  if v_lane <> 'automerge' then
    update honed.change_request as c
       set lane = 'review', merge_asked_at = null, merge_asked_by = '', updated_at = honed.now()
     where c.change_id = v_change.change_id;
    insert into honed.change_event (change_id, event, reason)
    values (v_change.change_id, 'to_review', v_reason);
    return query select 'needs_person', v_reason;
    return;
  end if;
  if not v_is_asked then
    update honed.change_request as c
       set merge_asked_at = honed.now(), merge_asked_by = 'the policy', updated_at = honed.now()
     where c.change_id = v_change.change_id;
    insert into honed.change_event (change_id, event, detail, reason)
    values (v_change.change_id, 'merge_asked',
            jsonb_build_object('head_commit', v_change.head_commit, 'authority', 'policy'), v_reason);
  end if;
  return query select 'asked', v_reason;
end;
$$;

grant select, insert on honed.change_entry to honed_daemon;
grant select on honed.change_entry to honed_viewer;
grant select, insert, delete on honed.change_notice to honed_daemon;
revoke all on function honed.unsealed_events, honed.change_lane, honed.merge_by_policy from public;
grant execute on function honed.unsealed_events, honed.merge_by_policy to honed_daemon;
grant execute on function honed.change_lane to honed_viewer, honed_daemon;

comment on function honed.unsealed_events is
  'Decisions about a change, and its ends, that no entry of the ledger says yet; locks the change.'
  ' For the daemon. HN404: no such change.';
comment on function honed.change_lane is
  'Who lets the change of an improvement in: review (a person) or automerge (the policy, once its'
  ' checks have passed), and why.';
comment on function honed.merge_by_policy is
  'Asks that a change be merged in the name of the policy, if its checks have passed and the policy'
  ' allows it still, and its base branch is where it was proven, if base_head says where it is: asked,'
  ' waits, or needs_person, and why. For the daemon. HN404: no such change.';
