-- Lets the intake make partitions of signals, and only the daemon drop them.
--
-- Why: whoever takes signals in could say how long they are kept, and so drop them all: by the
-- argument of the function that kept the partitions, or by the setting honed.fake_now. Now its role
-- adds days and takes none away.
-- Locks: none but on the functions that are replaced.
-- Rows rewritten: none.

drop function honed.keep_signal_partitions(integer);

-- Senders wait while this waits for a lock: rather it is done the next time.
create function honed.make_signal_partitions() returns integer
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  v_today date := (honed.now() at time zone 'UTC')::date;
  v_day date;
  v_name text;
  v_made integer := 0;
begin
  -- One at a time; whoever comes second leaves it to the first.
  if not pg_try_advisory_xact_lock(7450126840319) then
    return 0;
  end if;
  for v_day in select generate_series(v_today - 1, v_today + 3, interval '1 day')::date loop
    v_name := 'signal_' || to_char(v_day, 'YYYYMMDD');
    continue when to_regclass('honed.' || v_name) is not null;
    begin
      -- Made alone and attached: that locks out no sender and no reader, as creating it in its
      -- place would.
      execute format(
        'create table honed.%I (like honed.signal including defaults including constraints)',
        v_name
      );
      execute format(
        'alter table honed.signal attach partition honed.%I for values from (%L) to (%L)',
        v_name,
        (v_day::timestamp at time zone 'UTC'), ((v_day + 1)::timestamp at time zone 'UTC')
      );
      v_made := v_made + 1;
    exception when lock_not_available then
      exit;
    end;
  end loop;
  return v_made;
end;
$$;

create function honed.drop_signal_partitions(retention_days integer) returns integer
language plpgsql security definer
set search_path = honed, pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
declare
  v_first date := (honed.now() at time zone 'UTC')::date - drop_signal_partitions.retention_days;
  v_name text;
  v_dropped integer := 0;
begin
  if coalesce(drop_signal_partitions.retention_days, 0) < 1 then
    raise exception 'signals cannot be kept for % days', drop_signal_partitions.retention_days
      using errcode = 'invalid_parameter_value', hint = 'keep them for 1 day or more';
  end if;
  if not pg_try_advisory_xact_lock(7450126840319) then
    return 0;
  end if;
  for v_name in
    select c.relname
      from pg_inherits as i join pg_class as c on c.oid = i.inhrelid
     where i.inhparent = 'honed.signal'::regclass
       and c.relname ~ '^signal_[0-9]{8}$'
       and to_date(substr(c.relname, 8), 'YYYYMMDD') < v_first
     order by c.relname
  loop
    begin
      execute format('drop table honed.%I', v_name);
      v_dropped := v_dropped + 1;
    exception when lock_not_available then
      exit;
    end;
  end loop;
  delete from honed.intake_count where day < v_first;
  return v_dropped;
end;
$$;

revoke all on function honed.make_signal_partitions, honed.drop_signal_partitions from public;
grant execute on function honed.make_signal_partitions to honed_intake;
grant execute on function honed.drop_signal_partitions to honed_daemon;

comment on function honed.make_signal_partitions is
  'Makes the partitions of signals from yesterday to three days ahead; returns how many are new.';
comment on function honed.drop_signal_partitions is
  'Drops the partitions of signals, and the counts of the intake, that are older than so many days;'
  ' returns how many partitions are gone. For the daemon, which knows signal_retention_days.';
