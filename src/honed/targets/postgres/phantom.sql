-- Statements for phantoms; they run on the private shadow server alone, as its superuser.

-- read_extended --
-- Extended statistics as bytes, with a signature of what they mean: columns by number and type.
SELECT md5(concat_ws(E'\n', pg_get_statisticsobjdef(s.oid), s.stxkeys::text
                   , (SELECT string_agg(format('%%s %%s %%s', a.attnum, a.attname
                                               , format_type(a.atttypid, a.atttypmod)), E'\n'
                                        ORDER BY a.attnum)
                        FROM pg_attribute a
                       WHERE a.attrelid = s.stxrelid AND a.attnum > 0))) AS signature
     , d.stxdinherit AS is_inherited
     , d.stxdndistinct::bytea AS counts
     , d.stxddependencies::bytea AS dependencies
     , d.stxdmcv::bytea AS common
  FROM pg_statistic_ext s
  JOIN pg_statistic_ext_data d ON d.stxoid = s.oid;

-- read_counts_as_bytes --
-- PostgreSQL lets nobody type such statistics in; they are bytes, though.
CREATE CAST (bytea AS pg_ndistinct) WITHOUT FUNCTION;

-- read_dependencies_as_bytes --
-- The same of functional dependencies.
CREATE CAST (bytea AS pg_dependencies) WITHOUT FUNCTION;

-- read_common_as_bytes --
-- The same of lists of common values.
CREATE CAST (bytea AS pg_mcv_list) WITHOUT FUNCTION;

-- write_extended --
-- Give extended statistics to the object that means the same here, and only to it.
INSERT INTO pg_statistic_ext_data
       (stxoid, stxdinherit, stxdndistinct, stxddependencies, stxdmcv)
SELECT s.oid, %(is_inherited)s::bool, %(counts)s::bytea::pg_ndistinct
     , %(dependencies)s::bytea::pg_dependencies, %(common)s::bytea::pg_mcv_list
  FROM pg_statistic_ext s
 WHERE %(signature)s
     = md5(concat_ws(E'\n', pg_get_statisticsobjdef(s.oid), s.stxkeys::text
                   , (SELECT string_agg(format('%%s %%s %%s', a.attnum, a.attname
                                               , format_type(a.atttypid, a.atttypmod)), E'\n'
                                        ORDER BY a.attnum)
                        FROM pg_attribute a
                       WHERE a.attrelid = s.stxrelid AND a.attnum > 0)));
