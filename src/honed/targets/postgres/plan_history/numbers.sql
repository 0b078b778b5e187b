-- What the history of plans asks a target.

-- list_planner_numbers --
-- What the planner knows of the columns of some tables, in numbers alone.
SELECT format('%%I.%%I', s.schemaname, s.tablename) AS table_name
     , jsonb_object_agg(s.attname, jsonb_build_object(
         'null_frac', s.null_frac, 'avg_width', s.avg_width
       , 'n_distinct', s.n_distinct, 'correlation', s.correlation)) AS numbers
FROM pg_stats AS s
WHERE NOT s.inherited
  AND format('%%I.%%I', s.schemaname, s.tablename) = ANY (%(tables)s::text[])
GROUP BY s.schemaname, s.tablename /* honed */;
