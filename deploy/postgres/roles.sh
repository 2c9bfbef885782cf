#!/bin/sh
# The roles of Tenure, made once, when the database is created: each service may log in and owns nothing;
# the migrator owns the database and grants each role its own schema (chassis/migrations.py).
# A role without a password in its variable is made without login.
set -eu

role() { # role NAME PASSWORD
    printf '%s\n' "select format('create role %I %s', :'role', case :'password' when '' then 'nologin'" \
        "  else format('login password %L', :'password') end)" '\gexec' \
        | psql --quiet -v ON_ERROR_STOP=1 --no-psqlrc -U "$POSTGRES_USER" -d postgres -v role="$1" -v password="$2"
}

role tenure_migrator "$MIGRATOR_DATABASE_PASSWORD"
role tenure_billing "$BILLING_DATABASE_PASSWORD"
role tenure_licensing "$LICENSING_DATABASE_PASSWORD"
role tenure_notifications "$NOTIFICATIONS_DATABASE_PASSWORD"
role tenure_ops "$OPS_DATABASE_PASSWORD"
role tenure_reader "$READER_DATABASE_PASSWORD"
role tenure_simulator "${SIMULATOR_DATABASE_PASSWORD:-}"
psql --quiet -v ON_ERROR_STOP=1 --no-psqlrc -U "$POSTGRES_USER" -d postgres \
    -c 'create database tenure owner tenure_migrator' \
    -c 'revoke connect on database tenure from public' \
    -c 'grant connect on database tenure to tenure_billing, tenure_licensing, tenure_notifications, tenure_ops, tenure_reader, tenure_simulator'
