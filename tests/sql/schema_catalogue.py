"""Everything that init.sql makes, as text that can be compared."""

import psycopg

_OURS = "in ('public'::regnamespace, 'kernel'::regnamespace)"
_NOT_OF_AN_EXTENSION = "not exists (select from pg_depend d where d.objid = o.oid and d.deptype = 'e')"
_QUERIES = {
    "columns": f"""select o.oid::regclass, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
        a.attidentity, a.attgenerated, pg_get_expr(e.adbin, e.adrelid)
        from pg_class o join pg_attribute a on a.attrelid = o.oid and a.attnum > 0
        left join pg_attrdef e on e.adrelid = o.oid and e.adnum = a.attnum
        where o.relkind in ('r', 'v', 'S') and o.relnamespace {_OURS} and {_NOT_OF_AN_EXTENSION}""",
    "relations": f"""select o.oid::regclass, o.relkind, o.relowner::regrole, o.relacl, o.reloptions, o.relrowsecurity,
        o.relforcerowsecurity, case when o.relkind = 'v' then pg_get_viewdef(o.oid) end
        from pg_class o where o.relkind in ('r', 'v', 'S') and o.relnamespace {_OURS} and {_NOT_OF_AN_EXTENSION}""",
    "indexes": f"""select o.oid::regclass, pg_get_indexdef(o.oid) from pg_class o
        where o.relkind = 'i' and o.relnamespace {_OURS}""",
    "constraints": f"""select o.conrelid::regclass, o.conname, pg_get_constraintdef(o.oid) from pg_constraint o
        where o.connamespace {_OURS}""",
    "policies": """select o.polrelid::regclass, o.polname, o.polcmd, o.polroles::regrole[], o.polpermissive,
        pg_get_expr(o.polqual, o.polrelid), pg_get_expr(o.polwithcheck, o.polrelid) from pg_policy o""",
    "functions": f"""select o.oid::regprocedure, md5(pg_get_functiondef(o.oid)), o.proowner::regrole, o.proacl
        from pg_proc o where o.pronamespace {_OURS} and {_NOT_OF_AN_EXTENSION}""",
    "triggers": "select o.tgrelid::regclass, pg_get_triggerdef(o.oid) from pg_trigger o where not o.tgisinternal",
    "types": f"""select o.oid::regtype, e.enumsortorder, e.enumlabel
        from pg_type o join pg_enum e on e.enumtypid = o.oid where o.typnamespace {_OURS}""",
    "sequences": "select schemaname, sequencename, start_value, min_value, max_value, last_value from pg_sequences",
    "schemas": "select o.nspname, o.nspowner::regrole, o.nspacl from pg_namespace o where o.nspname !~ '^pg_'",
    "roles": "select rolname, rolsuper, rolinherit, rolcreaterole, rolcanlogin, rolbypassrls from pg_roles",
    "memberships": "select roleid::regrole, member::regrole, grantor::regrole, admin_option from pg_auth_members",
}


def catalogue(connection: psycopg.Connection) -> dict[str, list[str]]:
    """What there is, by kind; each thing is one line, and the lines are sorted."""
    return {
        kind: sorted(str(row[0]) for row in connection.execute(f"select q::text from ({query}) q"))  # type: ignore[arg-type]
        for kind, query in _QUERIES.items()
    }
