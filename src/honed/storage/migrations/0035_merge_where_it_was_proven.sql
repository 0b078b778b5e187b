-- Lets a policy merge a change only where its base branch still is where it was proven, on every
-- forge, and not in honed itself alone.
--
-- Why: the checks of a head are of that head; what the base has got since, no check has seen.
-- Locks: none.  Rows rewritten: none.

-- Asks for the merge of a change in the name of the policy, or once more whether it may be merged:
-- by now the policy may be another, and the base branch (base_head) elsewhere. What is no longer
-- allowed waits for a person from then on.
create or replace function honed.merge_by_policy(
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
    when coalesce(merge_by_policy.base_head, '') = ''
      then format('nobody knows where %s is', v_change.base_branch)
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
            jsonb_build_object('head_commit', v_change.head_commit, 'authority', 'policy',
                               'base_head', merge_by_policy.base_head), v_reason);
  end if;
  return query select 'asked', v_reason;
end;
$$;

comment on function honed.merge_by_policy is
  'Asks that a change be merged in the name of the policy, if its checks have passed and the policy'
  ' allows it still, and its base branch (base_head) is where it was proven: asked, waits, or'
  ' needs_person, and why. For the daemon. HN404: no such change.';
