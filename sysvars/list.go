package sysvars

// MaxSize is the upper limit of disk quota and speeds: 1 PiB.
const MaxSize = 1 << 50

// Names of the variables the code asks for.
const (
	EnableDistTask          = "tidb_enable_dist_task"
	ServiceScope            = "tidb_service_scope"
	MaxDistTaskNodes        = "tidb_max_dist_task_nodes"
	DDLEnableFastReorg      = "tidb_ddl_enable_fast_reorg"
	DDLDiskQuota            = "tidb_ddl_disk_quota"
	DDLReorgWorkerCnt       = "tidb_ddl_reorg_worker_cnt"
	DDLReorgBatchSize       = "tidb_ddl_reorg_batch_size"
	DDLReorgPriority        = "tidb_ddl_reorg_priority"
	DDLErrorCountLimit      = "tidb_ddl_error_count_limit"
	DDLReorgMaxWriteSpeed   = "tidb_ddl_reorg_max_write_speed"
	CloudStorageURI         = "tidb_cloud_storage_uri"
	EnableMetadataLock      = "tidb_enable_metadata_lock"
	EnableDDL               = "tidb_enable_ddl"
	EnableFastCreateTable   = "tidb_enable_fast_create_table"
	StatsUpdateDuringDDL    = "tidb_stats_update_during_ddl"
	DDLFlashbackConcurrency = "tidb_ddl_flashback_concurrency"
	RedactLog               = "tidb_redact_log"
	MaxUserJobs             = "dxf_max_user_jobs"
	MaxUserQueuedJobs       = "dxf_max_user_queued_jobs"
	NativeDDLMaxSize        = "dxf_native_ddl_max_size"
	CutOverLockWait         = "dxf_cut_over_lock_wait"
)

// list is in alphabetical order, which is also the order of SHOW VARIABLES.
var list = []Var{
	// Ours: seconds a cut-over may wait in the table's queue, once it has tried in
	// vain to find the table idle. Transactions that have read the table and go on to
	// write it get a deadlock (1213) then, and everybody else waits. 0 is never.
	{Name: CutOverLockWait, Scope: Global, Type: Unsigned, Default: "0", Max: 3600},
	// Ours: how many jobs of one account run at once, and how many may be unfinished.
	// 0 is no limit.
	{Name: MaxUserJobs, Scope: Global, Type: Unsigned, Default: "8", Max: 1 << 20},
	{Name: MaxUserQueuedJobs, Scope: Global, Type: Unsigned, Default: "64", Max: 1 << 20},
	{
		// Ours: a table smaller than this many bytes gets its index by the
		// store's own build, which no copy can beat at that size. 0 is never.
		Name: NativeDDLMaxSize, Scope: Global, Type: Size, Default: "67108864", Max: MaxSize,
	},
	{Name: CloudStorageURI, Scope: Global, Type: String, read: redactURI},
	{Name: DDLDiskQuota, Scope: Global, Type: Int, Default: "107374182400", Min: 100 << 30, Max: MaxSize},
	{Name: DDLEnableFastReorg, Scope: Global, Type: Bool, Default: "ON"},
	{Name: DDLErrorCountLimit, Scope: Global, Type: Unsigned, Default: "512", Max: 1<<63 - 1},
	{Name: DDLFlashbackConcurrency, Scope: Global, Type: Unsigned, Default: "64", Min: 1, Max: 256},
	{Name: DDLReorgBatchSize, Scope: Global | Session, Type: Unsigned, Default: "256", Min: 32, Max: 10240},
	{Name: DDLReorgMaxWriteSpeed, Scope: Global, Type: Size, Default: "0", Max: MaxSize},
	{
		Name: DDLReorgPriority, Scope: Session, Type: Enum, Default: "PRIORITY_LOW",
		Values: []string{"PRIORITY_LOW", "PRIORITY_NORMAL", "PRIORITY_HIGH"},
	},
	{Name: DDLReorgWorkerCnt, Scope: Global | Session, Type: Unsigned, Default: "4", Min: 1, Max: 256},
	{Name: EnableDDL, Scope: Instance, Type: Bool, Default: "ON"},
	{Name: EnableDistTask, Scope: Global, Type: Bool, Default: "ON"},
	{Name: EnableFastCreateTable, Scope: Global, Type: Bool, Default: "ON"},
	{Name: EnableMetadataLock, Scope: Global, Type: Bool, Default: "ON"},
	{
		// -1 is automatic. Where the store is not TiKV that means no limit.
		Name: MaxDistTaskNodes, Scope: Global | Session, Type: Int, Default: "-1", Min: -1, Max: 128,
		check: checkMaxDistTaskNodes,
	},
	{Name: RedactLog, Scope: Global | Session, Type: Enum, Default: "OFF", Values: []string{"OFF", "ON", "MARKER"}},
	{Name: ServiceScope, Scope: Instance, Type: String, check: checkServiceScope},
	{Name: StatsUpdateDuringDDL, Scope: Global | Session, Type: Bool, Default: "OFF"},
}
