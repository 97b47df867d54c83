package telemetry

// logSections are the write path and the read path.
func logSections() []Section {
	return []Section{
		{"Writing", []Metric{
			{"firnlog_flushes_total", Counter, "Commits that were confirmed.", nil},
			{"firnlog_flush_bytes_total", Counter, "Bytes of segments committed.", nil},
			{"firnlog_flush_batches_total", Counter, "Record batches committed.", nil},
			{"firnlog_flush_records_total", Counter, "Records committed, and those of batches that the fold then refused.", nil},
			{"firnlog_flush_seconds", Histogram, "Time of each part of a flush.", []Label{{"part", "put, commit, learn"}}},
			{"firnlog_flush_size_bytes", Histogram, "Size of what one commit names: many small ones cost PUTs.", nil},
			{"firnlog_segments_sealed_total", Counter, "Segments sealed, by why it was then.", []Label{{"reason", "linger, full, stop"}}},
			{"firnlog_commits_lost_total", Counter, "Commits that were given up, by what is known of them. Clients were told to try again.", []Label{{"outcome", "nothing, unknown"}}},
			{"firnlog_commits_repeated_total", Counter, "Tries of a commit whose outcome was not known, and that were made again.", nil},
			{"firnlog_segments_renamed_total", Counter, "Segments that were put again, since the floor had passed their id: the instance or its store was slow for a minute.", nil},
			{"firnlog_ingest_memory_bytes", Gauge, "Bytes of batches on their way.", nil},
			{"firnlog_ingest_memory_max_bytes", Gauge, "What there is for them (--ingest-memory). Producers wait when it is full.", nil},
		}},
		{"Reading", []Metric{
			{"firnlog_cache_hits_total", Counter, "Look-ups of an object that was in memory.", nil},
			{"firnlog_cache_misses_total", Counter, "Objects, or pieces of them, that had to be read from the store.", nil},
			{"firnlog_cache_bytes", Gauge, "Bytes of segments in memory.", nil},
		}},
		{"The log", []Metric{
			{"firnlog_log_revision", Gauge, "Revision of etcd up to which this instance has folded the log.", nil},
			{"firnlog_log_behind_revisions", Gauge, "How far that was behind etcd at the beginning of the last barrier. Other writers of the same etcd count as well.", nil},
			{"firnlog_log_reads_total", Counter, "How often the log was read anew: at the start, and whenever the watch had a gap.", nil},
			{"firnlog_barrier_seconds", Histogram, "Time of barriers: until this instance had seen all that was acknowledged anywhere.", nil},
			{"firnlog_barriers_failed_total", Counter, "Barriers that etcd, or the watch, did not let through in time. Clients were told to try again.", nil},
			{"firnlog_topics", Gauge, "Topics.", nil},
			{"firnlog_partitions", Gauge, "Partitions of all topics.", nil},
			{"firnlog_commits_uncovered_revisions", Gauge, "Revisions since the oldest commit that a checkpoint has not covered. It grows without end where checkpoints fail.", nil},
			{"firnlog_partitions_uncovered", Gauge, "Partitions with commits that their heads do not cover yet.", nil},
			{"firnlog_floor_behind_seconds", Gauge, "How far the floor lies behind the clock. Nothing is trimmed or swept that is newer.", nil},
		}},
	}
}
