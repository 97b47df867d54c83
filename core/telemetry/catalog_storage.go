package telemetry

// storageSections are the object store and etcd.
func storageSections() []Section {
	return []Section{
		{"Object store", []Metric{
			{"firnlog_store_requests_total", Counter, "Requests to the object store, by kind, each attempt.", []Label{byOp()}},
			{"firnlog_store_errors_total", Counter, "Requests to the object store that failed, by kind.", []Label{byOp()}},
			{"firnlog_store_request_seconds", Histogram, "Time of requests to the object store, by kind; of a GET that another one overtook, until then.", []Label{byOp()}},
			{"firnlog_store_hedges_total", Counter, "GETs that were sent a second time since the first took much longer than usual (--hedge-gets). They are in the requests above, and so are those that were cancelled.", nil},
			{"firnlog_store_hedges_won_total", Counter, "Of these, the ones that were answered before the first.", nil},
			{"firnlog_store_bytes_total", Counter, "Bytes to (out) and from (in) the object store.", []Label{{"direction", "in, out"}}},
			{"firnlog_store_dollars_total", Counter, "What these requests cost at the built-in list prices of the bucket's class, by kind.", []Label{byOp()}},
			{"firnlog_topic_stored_bytes", Gauge, "Bytes that a topic's heads and manifests refer to, by storage class; shown by the instance that does the upkeep.", []Label{byTopic(), {"class", "storage classes"}}},
			{"firnlog_topic_storage_dollars", Gauge, "What they cost a month at the built-in list prices, without requests.", []Label{byTopic()}},
		}},
		{"etcd", []Metric{
			{"firnlog_etcd_requests_total", Counter, "Requests to etcd, by kind.", []Label{byOp()}},
			{"firnlog_etcd_errors_total", Counter, "Requests to etcd that failed, by kind.", []Label{byOp()}},
			{"firnlog_etcd_request_seconds", Histogram, "Time of requests to etcd, by kind.", []Label{byOp()}},
			{"firnlog_etcd_conflicts_total", Counter, "Transactions that a guard refused: somebody else was first, and it was read and decided again. Data commits have none but those of the floor.", nil},
			{"firnlog_etcd_database_bytes", Gauge, "Size of etcd's database on disk, as one member told at the last look. 0: it did not.", nil},
			{"firnlog_etcd_database_used_bytes", Gauge, "What of it is in use. Far below the size: defragment.", nil},
		}},
	}
}
