-- Objects of rarer kinds that belong to no extension. OIDs below 16384 are the server's own.
WITH owned AS (
    SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e'
), found AS (
    SELECT 'c_function' AS kind,
           pg_catalog.format('%I.%I(%s)', n.nspname, p.proname,
                             pg_catalog.pg_get_function_identity_arguments(p.oid)) AS name,
           p.probin AS detail,
           'pg_catalog.pg_proc'::regclass AS classid,
           p.oid AS objid
    FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang AND l.lanname = 'c'
    WHERE p.oid >= 16384
    UNION ALL
    SELECT 'postfix_operator',
           pg_catalog.format('%I.%s(%s)', n.nspname, o.oprname,
                             pg_catalog.format_type(o.oprleft, NULL)),
           o.oprcode::regproc::text,
           'pg_catalog.pg_operator'::regclass,
           o.oid
    FROM pg_catalog.pg_operator o
    JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
    WHERE o.oprkind = 'r' AND o.oid >= 16384
    UNION ALL
    SELECT 'conversion',
           pg_catalog.format('%I.%I', n.nspname, c.conname),
           c.conproc::regproc::text,
           'pg_catalog.pg_conversion'::regclass,
           c.oid
    FROM pg_catalog.pg_conversion c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace
    -- One of the server's own functions has the new server's arguments there.
    WHERE c.oid >= 16384 AND c.conproc::oid >= 16384
    UNION ALL
    -- The array functions whose argument types changed in 14.
    SELECT 'polymorphic_array',
           pg_catalog.format('aggregate %I.%I(%s)', n.nspname, p.proname,
                             pg_catalog.pg_get_function_identity_arguments(p.oid)),
           f.proname::text,
           'pg_catalog.pg_proc'::regclass,
           p.oid
    FROM pg_catalog.pg_aggregate a
    JOIN pg_catalog.pg_proc p ON p.oid = a.aggfnoid
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_catalog.pg_proc f ON f.oid IN (a.aggtransfn, a.aggfinalfn) AND f.oid < 16384
    WHERE p.oid >= 16384
      AND a.aggtranstype IN ('anyarray'::regtype, 'anyelement'::regtype)
      AND f.proname IN ('array_append', 'array_cat', 'array_prepend', 'array_remove',
                        'array_replace', 'array_position', 'array_positions', 'width_bucket')
    UNION ALL
    SELECT 'polymorphic_array',
           pg_catalog.format('operator %I.%s', n.nspname, o.oprname),
           f.proname::text,
           'pg_catalog.pg_operator'::regclass,
           o.oid
    FROM pg_catalog.pg_operator o
    JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
    JOIN pg_catalog.pg_proc f ON f.oid = o.oprcode AND f.oid < 16384
    WHERE o.oid >= 16384
      AND (o.oprleft IN ('anyarray'::regtype, 'anyelement'::regtype)
           OR o.oprright IN ('anyarray'::regtype, 'anyelement'::regtype))
      AND f.proname IN ('array_append', 'array_cat', 'array_prepend', 'array_remove',
                        'array_replace', 'array_position', 'array_positions', 'width_bucket')
    UNION ALL
    SELECT 'language',
           pg_catalog.quote_ident(l.lanname),
           CASE WHEN l.lanpltrusted THEN 'trusted' ELSE 'untrusted' END,
           'pg_catalog.pg_language'::regclass,
           l.oid
    FROM pg_catalog.pg_language l
    WHERE l.lanispl AND l.lanname <> 'plpgsql'
    UNION ALL
    SELECT 'cast',
           pg_catalog.format('%s AS %s', pg_catalog.format_type(c.castsource, NULL),
                             pg_catalog.format_type(c.casttarget, NULL)),
           CASE WHEN c.castfunc <> 0 THEN c.castfunc::regproc::text END,
           'pg_catalog.pg_cast'::regclass,
           c.oid
    FROM pg_catalog.pg_cast c
    WHERE c.oid >= 16384
    UNION ALL
    SELECT 'text_search',
           pg_catalog.format('dictionary %I.%I', n.nspname, d.dictname),
           pg_catalog.format('template %I', t.tmplname),
           'pg_catalog.pg_ts_dict'::regclass,
           d.oid
    FROM pg_catalog.pg_ts_dict d
    JOIN pg_catalog.pg_namespace n ON n.oid = d.dictnamespace
    JOIN pg_catalog.pg_ts_template t ON t.oid = d.dicttemplate
    WHERE d.oid >= 16384
    UNION ALL
    SELECT 'text_search',
           pg_catalog.format('parser %I.%I', n.nspname, s.prsname),
           NULL,
           'pg_catalog.pg_ts_parser'::regclass,
           s.oid
    FROM pg_catalog.pg_ts_parser s
    JOIN pg_catalog.pg_namespace n ON n.oid = s.prsnamespace
    WHERE s.oid >= 16384
    UNION ALL
    SELECT 'text_search',
           pg_catalog.format('template %I.%I', n.nspname, t.tmplname),
           NULL,
           'pg_catalog.pg_ts_template'::regclass,
           t.oid
    FROM pg_catalog.pg_ts_template t
    JOIN pg_catalog.pg_namespace n ON n.oid = t.tmplnamespace
    WHERE t.oid >= 16384
    UNION ALL
    SELECT 'security_label',
           s.provider,
           pg_catalog.count(*)::text,
           'pg_catalog.pg_seclabel'::regclass,
           0::oid
    FROM pg_catalog.pg_seclabel s
    GROUP BY s.provider
    UNION ALL
    SELECT 'default_privileges',
           pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.defaclrole)),
           n.nspname::text,
           'pg_catalog.pg_default_acl'::regclass,
           a.oid
    FROM pg_catalog.pg_default_acl a
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = a.defaclnamespace
)
SELECT f.kind, f.name, f.detail
FROM found f
LEFT JOIN owned o ON o.classid = f.classid AND o.objid = f.objid
WHERE o.objid IS NULL
GROUP BY f.kind, f.name, f.detail;
