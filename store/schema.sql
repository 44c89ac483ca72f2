-- The framework's tables. Names, columns and their order are TiDB's where TiDB
-- has the table; columns of ours in them are INVISIBLE, so that SELECT * is
-- TiDB's too. Every statement can be run again.

CREATE TABLE IF NOT EXISTS tidb_global_task (
  id bigint NOT NULL AUTO_INCREMENT,
  task_key varchar(256) NOT NULL,
  type varchar(256) NOT NULL,
  dispatcher_id varchar(261) DEFAULT NULL,
  state varchar(64) NOT NULL,
  priority int DEFAULT 1,
  create_time timestamp NULL DEFAULT NULL,
  start_time timestamp NULL DEFAULT NULL,
  state_update_time timestamp NULL DEFAULT NULL,
  end_time timestamp NULL DEFAULT NULL,
  meta longblob DEFAULT NULL,
  concurrency int DEFAULT NULL,
  step int DEFAULT NULL,
  target_scope varchar(256) DEFAULT '',
  error blob DEFAULT NULL,
  modify_params json DEFAULT NULL,
  max_node_count int DEFAULT 0,
  error_count int NOT NULL DEFAULT 0 INVISIBLE,
  last_error blob DEFAULT NULL INVISIBLE,
  submitter varchar(300) NOT NULL DEFAULT '' INVISIBLE,
  PRIMARY KEY (id),
  KEY state (state),
  UNIQUE KEY task_key (task_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS tidb_global_task_history (
  id bigint NOT NULL AUTO_INCREMENT,
  task_key varchar(256) NOT NULL,
  type varchar(256) NOT NULL,
  dispatcher_id varchar(261) DEFAULT NULL,
  state varchar(64) NOT NULL,
  priority int DEFAULT 1,
  create_time timestamp NULL DEFAULT NULL,
  start_time timestamp NULL DEFAULT NULL,
  state_update_time timestamp NULL DEFAULT NULL,
  end_time timestamp NULL DEFAULT NULL,
  meta longblob DEFAULT NULL,
  concurrency int DEFAULT NULL,
  step int DEFAULT NULL,
  target_scope varchar(256) DEFAULT '',
  error blob DEFAULT NULL,
  modify_params json DEFAULT NULL,
  max_node_count int DEFAULT 0,
  error_count int NOT NULL DEFAULT 0 INVISIBLE,
  last_error blob DEFAULT NULL INVISIBLE,
  PRIMARY KEY (id),
  KEY state (state),
  UNIQUE KEY task_key (task_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS tidb_background_subtask (
  id bigint NOT NULL AUTO_INCREMENT,
  step int DEFAULT NULL,
  namespace varchar(256) DEFAULT NULL,
  task_key varchar(256) DEFAULT NULL,
  ddl_physical_tid bigint DEFAULT NULL,
  type int DEFAULT NULL,
  exec_id varchar(261) DEFAULT NULL,
  exec_expired timestamp NULL DEFAULT NULL,
  state varchar(64) NOT NULL,
  checkpoint longblob NOT NULL,
  concurrency int DEFAULT NULL,
  create_time timestamp NULL DEFAULT NULL,
  start_time bigint DEFAULT NULL,
  state_update_time bigint DEFAULT NULL,
  end_time timestamp NULL DEFAULT NULL,
  meta longblob DEFAULT NULL,
  ordinal int DEFAULT NULL,
  error blob DEFAULT NULL,
  summary json DEFAULT NULL,
  epoch bigint NOT NULL DEFAULT 0 INVISIBLE,
  PRIMARY KEY (id),
  KEY idx_task_key (task_key),
  KEY idx_exec_id (exec_id),
  UNIQUE KEY uk_task_key_step_ordinal (task_key, step, ordinal)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS tidb_background_subtask_history (
  id bigint NOT NULL AUTO_INCREMENT,
  step int DEFAULT NULL,
  namespace varchar(256) DEFAULT NULL,
  task_key varchar(256) DEFAULT NULL,
  ddl_physical_tid bigint DEFAULT NULL,
  type int DEFAULT NULL,
  exec_id varchar(261) DEFAULT NULL,
  exec_expired timestamp NULL DEFAULT NULL,
  state varchar(64) NOT NULL,
  checkpoint longblob NOT NULL,
  concurrency int DEFAULT NULL,
  create_time timestamp NULL DEFAULT NULL,
  start_time bigint DEFAULT NULL,
  state_update_time bigint DEFAULT NULL,
  end_time timestamp NULL DEFAULT NULL,
  meta longblob DEFAULT NULL,
  ordinal int DEFAULT NULL,
  error blob DEFAULT NULL,
  summary json DEFAULT NULL,
  epoch bigint NOT NULL DEFAULT 0 INVISIBLE,
  PRIMARY KEY (id),
  KEY idx_task_key (task_key),
  KEY idx_state_update_time (state_update_time)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS dist_framework_meta (
  host varchar(261) NOT NULL,
  role varchar(64) DEFAULT NULL,
  cpu_count int DEFAULT 0,
  keyspace_id bigint NOT NULL DEFAULT -1,
  uuid varchar(64) NOT NULL DEFAULT '' INVISIBLE,
  expires timestamp(6) NULL DEFAULT NULL INVISIBLE,
  PRIMARY KEY (host)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS tidb_ddl_job (
  job_id bigint NOT NULL,
  reorg int DEFAULT NULL,
  schema_ids mediumtext DEFAULT NULL,
  table_ids mediumtext DEFAULT NULL,
  job_meta longblob DEFAULT NULL,
  type int DEFAULT NULL,
  processing int DEFAULT NULL,
  PRIMARY KEY (job_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS tidb_ddl_history (
  job_id bigint NOT NULL,
  job_meta longblob DEFAULT NULL,
  db_name char(64) DEFAULT NULL,
  table_name char(64) DEFAULT NULL,
  schema_ids mediumtext DEFAULT NULL,
  table_ids mediumtext DEFAULT NULL,
  create_time datetime DEFAULT NULL,
  submitter varchar(300) NOT NULL DEFAULT '' INVISIBLE,
  PRIMARY KEY (job_id),
  KEY submitter (submitter)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Always empty: our checkpoints are in the subtasks. It is there to be read.
CREATE TABLE IF NOT EXISTS tidb_ddl_reorg (
  job_id bigint NOT NULL,
  ele_id bigint DEFAULT NULL,
  ele_type blob DEFAULT NULL,
  start_key blob DEFAULT NULL,
  end_key blob DEFAULT NULL,
  physical_id bigint DEFAULT NULL,
  reorg_meta longblob DEFAULT NULL,
  UNIQUE KEY job_id (job_id, ele_id, ele_type(20))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS tidb_import_jobs (
  id bigint(64) NOT NULL AUTO_INCREMENT,
  create_time timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  start_time timestamp(6) NULL DEFAULT NULL,
  update_time timestamp(6) NULL DEFAULT NULL,
  end_time timestamp(6) NULL DEFAULT NULL,
  table_schema varchar(64) NOT NULL,
  table_name varchar(64) NOT NULL,
  table_id bigint(64) NOT NULL,
  created_by varchar(300) NOT NULL,
  parameters text NOT NULL,
  source_file_size bigint(64) NOT NULL,
  status varchar(64) NOT NULL,
  step varchar(64) NOT NULL,
  summary text DEFAULT NULL,
  error_message text DEFAULT NULL,
  PRIMARY KEY (id),
  KEY created_by (created_by),
  KEY status (status)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- What we know of an import job and TiDB has no column for: the connection that
-- waits for it, what it waits for, and its error with number and SQLSTATE.
CREATE TABLE IF NOT EXISTS import_job (
  job_id bigint NOT NULL,
  conn_id bigint NOT NULL DEFAULT 0,
  waiting text NOT NULL,
  error blob DEFAULT NULL,
  PRIMARY KEY (job_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS global_variables (
  variable_name varchar(64) NOT NULL,
  variable_value varchar(16000) DEFAULT NULL,
  PRIMARY KEY (variable_name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- One row: who dispatches, under which term, until when.
CREATE TABLE IF NOT EXISTS owner (
  id int NOT NULL,
  host varchar(261) NOT NULL DEFAULT '',
  uuid varchar(64) NOT NULL DEFAULT '',
  term bigint NOT NULL DEFAULT 0,
  expires timestamp(6) NULL DEFAULT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

INSERT IGNORE INTO owner (id) VALUES (1);

-- Numbers that grow: job, the last job id; schema, the version of this file.
CREATE TABLE IF NOT EXISTS counter (
  name varchar(64) NOT NULL,
  value bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

INSERT IGNORE INTO counter (name, value) VALUES ('job', 0);

-- One row: what the nodes know and nobody else does. Whoever reads it can hold up
-- jobs, and clients for moments.
CREATE TABLE IF NOT EXISTS secret (
  id int NOT NULL,
  value varchar(64) NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS changefeed (
  job_id bigint NOT NULL,
  table_schema varchar(64) NOT NULL,
  table_name varchar(64) NOT NULL,
  shadow_name varchar(64) NOT NULL,
  mode varchar(16) NOT NULL,
  exec_id varchar(261) NOT NULL DEFAULT '',
  epoch bigint NOT NULL,
  expires timestamp(6) NULL DEFAULT NULL,
  binlog_file varchar(512) NOT NULL,
  binlog_pos bigint NOT NULL,
  applied bigint NOT NULL DEFAULT 0,
  lag_at timestamp(6) NULL DEFAULT NULL,
  error blob DEFAULT NULL,
  server varchar(64) NOT NULL DEFAULT '',
  file_mark varchar(64) NOT NULL DEFAULT '',
  PRIMARY KEY (job_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Where a window ends that an applier in strict mode writes in several
-- transactions; until the last of them there is a row.
CREATE TABLE IF NOT EXISTS changefeed_window (
  job_id bigint NOT NULL,
  window_file varchar(512) NOT NULL,
  window_pos bigint NOT NULL,
  PRIMARY KEY (job_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Appliers read the inserted rows from the binlog: id, job_id and kind stay
-- the first three columns.
CREATE TABLE IF NOT EXISTS changefeed_marker (
  id bigint NOT NULL AUTO_INCREMENT,
  job_id bigint NOT NULL,
  kind varchar(16) NOT NULL,
  created timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
  acked timestamp(6) NULL DEFAULT NULL,
  PRIMARY KEY (id),
  KEY job_id (job_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- information_schema.DDL_JOBS. Times are shown in the zone of the session that
-- reads: FROM_UNIXTIME is the one way a view has to that zone. Some releases of
-- MariaDB 10.11 take an empty text in JSON for NULL. {rows read} is what the task
-- types make of it, see rowsRead.
CREATE OR REPLACE VIEW ddl_jobs AS
SELECT
  job_id AS JOB_ID,
  CAST(COALESCE(JSON_VALUE(m, '$.schema_name'), '') AS CHAR(64)) AS DB_NAME,
  CAST(COALESCE(JSON_VALUE(m, '$.table_name'), '') AS CHAR(64)) AS TABLE_NAME,
  CAST(COALESCE(JSON_VALUE(m, '$.type'), '') AS CHAR(64)) AS JOB_TYPE,
  CAST(COALESCE(JSON_VALUE(m, '$.schema_state'), '') AS CHAR(64)) AS SCHEMA_STATE,
  CAST(JSON_VALUE(m, '$.schema_id') AS SIGNED) AS SCHEMA_ID,
  CAST(JSON_VALUE(m, '$.table_id') AS SIGNED) AS TABLE_ID,
  CAST(row_count AS SIGNED) AS ROW_COUNT,
  FROM_UNIXTIME(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', CAST(REPLACE(REPLACE(NULLIF(JSON_VALUE(m, '$.create_time'), '0001-01-01T00:00:00Z'), 'T', ' '), 'Z', '') AS DATETIME(6))) * 0.000001) AS CREATE_TIME,
  FROM_UNIXTIME(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', CAST(REPLACE(REPLACE(NULLIF(JSON_VALUE(m, '$.start_time'), '0001-01-01T00:00:00Z'), 'T', ' '), 'Z', '') AS DATETIME(6))) * 0.000001) AS START_TIME,
  FROM_UNIXTIME(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', CAST(REPLACE(REPLACE(NULLIF(JSON_VALUE(m, '$.end_time'), '0001-01-01T00:00:00Z'), 'T', ' '), 'Z', '') AS DATETIME(6))) * 0.000001) AS END_TIME,
  CAST(COALESCE(JSON_VALUE(m, '$.state'), '') AS CHAR(64)) AS STATE,
  JSON_UNQUOTE(JSON_EXTRACT(m, '$.query')) AS QUERY
FROM (
  SELECT j.job_id, CONVERT(j.job_meta USING utf8mb4) AS m, {rows read} AS row_count, 0 AS ended, j.job_id AS place
  FROM tidb_ddl_job j
  UNION ALL
  SELECT h.job_id, CONVERT(h.job_meta USING utf8mb4), CAST(JSON_VALUE(CONVERT(h.job_meta USING utf8mb4), '$.row_count') AS SIGNED), 1, -h.job_id
  FROM tidb_ddl_history h
) j
ORDER BY ended, place;
