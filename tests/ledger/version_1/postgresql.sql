-- The tables of a PostgreSQL ledger as commit af7de7d made them.
CREATE TABLE attempts (
	attempt_id TEXT NOT NULL,
	seq BIGINT NOT NULL,
	parent_id TEXT,
	run_id TEXT NOT NULL,
	network TEXT NOT NULL,
	account TEXT NOT NULL,
	asset TEXT NOT NULL,
	started_at TEXT NOT NULL,
	latency_ms INTEGER NOT NULL,
	http_status INTEGER,
	attempt INTEGER NOT NULL,
	events INTEGER NOT NULL,
	status TEXT NOT NULL,
	code TEXT NOT NULL,
	message TEXT NOT NULL,
	network_request_id TEXT NOT NULL,
	PRIMARY KEY (attempt_id)
);
CREATE INDEX ix_attempts_run_id ON attempts (run_id);
CREATE INDEX ix_attempts_seq ON attempts (seq);
CREATE TABLE deliveries (
	delivery_id BIGSERIAL NOT NULL,
	seq BIGINT NOT NULL,
	run_id TEXT NOT NULL,
	stream TEXT NOT NULL,
	line BIGINT NOT NULL,
	network TEXT NOT NULL,
	account TEXT NOT NULL,
	asset TEXT NOT NULL,
	event_id TEXT NOT NULL,
	event_name TEXT NOT NULL,
	network_event TEXT NOT NULL,
	event_time TEXT,
	adjustment TEXT NOT NULL,
	status TEXT NOT NULL,
	reason TEXT NOT NULL,
	code TEXT NOT NULL,
	message TEXT NOT NULL,
	http_status INTEGER,
	latency_ms INTEGER,
	attempts INTEGER NOT NULL,
	attempt_id TEXT,
	network_request_id TEXT NOT NULL,
	match_keys TEXT NOT NULL,
	campaign_id TEXT,
	campaign_name TEXT,
	ad_group_id TEXT,
	ad_id TEXT,
	creative_id TEXT,
	placement TEXT,
	test BOOLEAN NOT NULL,
	value DOUBLE PRECISION,
	currency TEXT,
	sent_at TEXT,
	updated_at TEXT NOT NULL,
	PRIMARY KEY (delivery_id),
	CONSTRAINT identity UNIQUE (network, asset, event_id, event_name, adjustment, test)
);
CREATE INDEX ix_deliveries_seq ON deliveries (seq);
CREATE TABLE runs (
	run_id TEXT NOT NULL,
	seq BIGINT NOT NULL,
	started_at TEXT NOT NULL,
	ended_at TEXT,
	exit_code INTEGER,
	version TEXT NOT NULL,
	counts TEXT NOT NULL,
	PRIMARY KEY (run_id)
);
CREATE INDEX ix_runs_seq ON runs (seq);
CREATE TABLE sequence (
	id INTEGER NOT NULL,
	value BIGINT NOT NULL,
	PRIMARY KEY (id)
);
