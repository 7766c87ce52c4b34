/**
 * What the database itself knows about published tables. It is written in the transaction that publishes, so it is
 * right after any crash; and it names tables by oid, so it can't be mistaken when somebody made them anew.
 */
export const BOOKKEEPING = /* sql */ `
CREATE SCHEMA IF NOT EXISTS borg_slave;

CREATE TABLE IF NOT EXISTS borg_slave.layer (
  data_schema text,
  table_name  text,
  -- A restored and verified copy that waits for its swap.
  staged_oid  oid,
  staged_md5  text,
  -- The table that the access view reads, and the dump it came from.
  live_oid    oid,
  live_md5    text,
  live_key    text,    -- digest of the dump without its creation time
  live_size   bigint,  -- bytes of the dump
  live_job    text,
  live_at     timestamptz,
  PRIMARY KEY (data_schema, table_name)
);

-- Where its access view is, and after that where former ones are that others built on; null when a version that did not
-- note it was the last to publish.
ALTER TABLE borg_slave.layer ADD COLUMN IF NOT EXISTS view_schemas text[];

-- Foreign keys of the dumps, those included that had to be left out because their target is not on this slave.
CREATE TABLE IF NOT EXISTS borg_slave.foreign_key (
  data_schema       text,
  table_name        text,
  name              text,
  referenced_schema text,
  referenced_table  text,
  definition        text NOT NULL,
  PRIMARY KEY (data_schema, table_name, name)
);
`;
