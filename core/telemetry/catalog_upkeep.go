package telemetry

// upkeepSections are maintenance. All but settling's memory is shown by the one instance that does it.
func upkeepSections() []Section {
	kind := Label{"kind", "settle, merge, own, spill"}
	direction := Label{"direction", "in, out"}
	return []Section{
		{"Maintenance", []Metric{
			{"firnlog_upkeep_held", Gauge, "1 on the instance that does the maintenance.", nil},
			{"firnlog_upkeep_steps_total", Counter, "Steps of maintenance, by outcome.", []Label{byStep(), {"outcome", "done, failed"}}},
			{"firnlog_upkeep_step_seconds", Histogram, "Time of a step.", []Label{byStep()}},
			{"firnlog_upkeep_last_done_timestamp_seconds", Gauge, "When this instance last did a step to its end.", []Label{byStep()}},
			{"firnlog_unsettled_bytes", Gauge, "Bytes in fresh segments, which settling has not rewritten yet.", nil},
			{"firnlog_unsettled_oldest_seconds", Gauge, "Age of the oldest record among them, by its segment. Far above --settle-age: settling falls behind.", nil},
			{"firnlog_settle_jobs_total", Counter, "Settling jobs by kind.", []Label{kind}},
			{"firnlog_settle_bytes_total", Counter, "Bytes that settling read (in) and wrote (out), by kind of job.", []Label{kind, direction}},
			{"firnlog_settle_requests_total", Counter, "Requests of settling to the object store, by kind of job.", []Label{kind, byOp()}},
			{"firnlog_settle_damaged_total", Counter, "Stretches of partitions that settling could not read.", nil},
			{"firnlog_settle_damaged", Gauge, "Stretches of partitions that could not be read when they were last to be settled.", nil},
			{"firnlog_compact_read_bytes_total", Counter, "Bytes of record batches that log compaction looked at to rewrite them.", nil},
			{"firnlog_compact_written_bytes_total", Counter, "Bytes of objects that log compaction wrote.", nil},
			{"firnlog_compact_dropped_records_total", Counter, "Records that log compaction left out.", nil},
			{"firnlog_cold_moved_bytes_total", Counter, "Bytes of record batches moved to cold storage.", nil},
			{"firnlog_cold_refused_partitions", Gauge, "Partitions whose storage class for cold objects the store refuses.", nil},
			{"firnlog_retention_overdue_partitions", Gauge, "Partitions of which something had expired and was not removed yet, after the last look.", nil},
			{"firnlog_retention_overdue_seconds", Gauge, "How long the longest of them is overdue.", nil},
			{"firnlog_scrub_bytes_total", Counter, "Bytes of record batches that scrub has read and checked.", nil},
			{"firnlog_scrub_findings_total", Counter, "What scrub has found damaged, by kind; what stays damaged is found again each round.", []Label{{"kind", "kinds of findings of fsck, some 30"}}},
		}},
	}
}

// instanceSections are the instance itself.
func instanceSections() []Section {
	return []Section{
		{"Instance", []Metric{
			{"firnlog_build_info", Gauge, "1, with the version.", []Label{{"version", "one"}}},
			{"firnlog_instances", Gauge, "Live instances.", nil},
			{"firnlog_ready", Gauge, "1 where a part is well, 0 where it is what /readyz complains of.", []Label{{"part", "parts of /readyz, 7"}}},
			{"firnlog_certificate_expiry_timestamp_seconds", Gauge, "When the certificate of a listener ends.", []Label{{"listener", "listeners of this instance"}}},
			{"firnlog_certificate_files_refused", Gauge, "1 while the certificate files of a listener cannot be used, and what they held before is.", []Label{{"listener", "listeners of this instance"}}},
			{"firnlog_log_lines_dropped_total", Counter, "Log lines left out, since there were too many with the same message.", nil},
			{"firnlog_metrics_folded_series", Gauge, "Series summed up as `(others)` at the last scrape, since there were more than --metrics-series.", []Label{{"metric", "metrics with topics or groups"}}},
		}},
	}
}
