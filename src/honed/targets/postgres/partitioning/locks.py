"""Locks on several tables, asked for so that no statement of the application is ended for them.

Whoever holds one table and wants another may meet somebody who holds that and wants the first.
PostgreSQL looks for such a pair once somebody has waited ``deadlock_timeout``, and ends the
statement of whoever looked. So a step takes its first lock while it holds none, and then waits
so briefly for each further one that nobody has waited that long for it.
"""

from psycopg import sql

#: Each further lock is waited for a third of ``deadlock_timeout``; until the transaction ends.
BRIEFLY = sql.SQL(
    "SELECT set_config('lock_timeout'"
    ", greatest(1, least(nullif(own.setting::integer, 0), dead.setting::integer / 3))::text, true)"
    " FROM pg_settings AS own, pg_settings AS dead"
    " WHERE own.name = 'lock_timeout' AND dead.name = 'deadlock_timeout'"
)
# Applications, too, mostly come from the table that is referred to. Who has only REFERENCES on it
# may not lock it: it is locked later then, briefly.
LOCK_REFERENCED = sql.SQL("""
DECLARE
    referenced regclass;
BEGIN
    FOR referenced IN
        SELECT DISTINCT confrelid FROM pg_constraint
         WHERE contype = 'f' AND conrelid = {table_name}::regclass AND confrelid <> conrelid
         ORDER BY 1
    LOOP
        IF has_table_privilege(referenced, 'UPDATE, DELETE, TRUNCATE') THEN
            EXECUTE format('LOCK TABLE %s IN {mode} MODE', referenced);
        END IF;
    END LOOP;
END""")
