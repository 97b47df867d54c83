package config

import "time"

// Maintenance are the settings of the function that maintains, beside those of all functions. The names are those of firnlog broker;
// defaults differ where a look costs a function more than a process.
type Maintenance struct {
	SettleBytes Bytes         `env:"FIRNLOG_SETTLE_BYTES" default:"64MiB" help:"What is settled at a time, and the size of settled objects, about. It takes some twice that of memory."`
	SettleAge   time.Duration `env:"FIRNLOG_SETTLE_AGE" default:"1h" help:"Settle what was written this long ago, even if it is less than that. 0: settle nothing."`
	CompactKeys Bytes         `env:"FIRNLOG_COMPACT_KEYS" default:"32MiB" help:"Memory for the keys that one pass of log compaction knows, 24 bytes each."`

	JournalEvery  time.Duration `env:"FIRNLOG_JOURNAL_EVERY" default:"10s" help:"How often the order of commits is written to the object store while there is news; at most once an invocation. 0: never."`
	BackupEvery   time.Duration `env:"FIRNLOG_BACKUP_EVERY" default:"1h" help:"How often all of etcd's metadata is written to the object store. 0: only where the journal needs it."`
	BackupKeep    int           `env:"FIRNLOG_BACKUP_KEEP" default:"3" help:"This many of the newest backups are kept, whatever their age."`
	BackupKeepFor time.Duration `env:"FIRNLOG_BACKUP_KEEP_FOR" default:"24h" help:"How long backups are kept."`

	SweepEvery       time.Duration `env:"FIRNLOG_SWEEP_EVERY" default:"1h" help:"How often segments and shared objects are looked over for what nothing refers to."`
	SweepSettled     time.Duration `env:"FIRNLOG_SWEEP_SETTLED_EVERY" default:"6h" help:"The same for the folders of partitions, where manifests are read."`
	ScrubRate        Bytes         `env:"FIRNLOG_SCRUB_RATE" default:"0" help:"Bytes a second, on average, at which everything that is stored is read and checked. 0: never."`
	OffsetsRetention time.Duration `env:"FIRNLOG_OFFSETS_RETENTION" default:"168h" help:"How long committed offsets are kept after their group has lost its last member."`

	BytesPerSecond Bytes `env:"FIRNLOG_MAINTENANCE_RATE" default:"8MiB" help:"How fast objects are read and written again at least. Work that would take longer than the invocation has left is not begun."`
}
