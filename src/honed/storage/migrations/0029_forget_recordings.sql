-- Lets the daemon forget what language models were asked and answered, once its time is over.
--
-- Why: recordings and prompts hold code and words of others; what nobody replays any more is kept
-- for nothing. What is younger than a day nobody takes away: a recording stays as it was made. What
-- they cost stays: it counts against budgets and holds no text.
-- Errors: 22023 fewer days than one.
-- Locks: none.  Rows rewritten: none.

create function honed.forget_llm_recordings(retention_days integer) returns bigint
language plpgsql volatile security definer
set search_path = honed, pg_catalog, pg_temp
as $$
declare
  v_before timestamptz := honed.now() - make_interval(days => retention_days);
  v_recordings bigint;
  v_texts bigint;
begin
  if retention_days is null or retention_days < 1 then
    raise exception 'recordings are kept for a day at least'
      using errcode = 'invalid_parameter_value', hint = 'retention_days is 1 or more';
  end if;
  delete from honed.llm_recording as r where r.recorded_at < v_before;
  get diagnostics v_recordings = row_count;
  delete from honed.text_request as r where r.ended_at < v_before;
  get diagnostics v_texts = row_count;
  return v_recordings + v_texts;
end;
$$;

revoke all on function honed.forget_llm_recordings from public;
grant execute on function honed.forget_llm_recordings to honed_daemon;
comment on function honed.forget_llm_recordings is
  'Deletes answers of language models that were recorded, and prompts from SQL that ended, so many'
  ' days ago, and returns how many. For the daemon. 22023: fewer days than one.';
