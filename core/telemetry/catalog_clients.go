package telemetry

// clientSections are what clients see of an instance.
func clientSections() []Section {
	code := Label{"error", "Kafka's error names, some 130; NONE is success"}
	route := Label{"route", "routes of openapi.yaml; `console` for its pages, `console/api/…` for what they ask; `none` for all other paths"}
	mechanism := Label{"mechanism", "mechanisms that are offered, BASIC and BEARER of HTTP, and `other`"}
	refused := []Label{{"resource", "Kafka's resource types: TOPIC, GROUP, CLUSTER, TRANSACTIONAL_ID, USER; and REQUEST"}, {"operation", "Kafka's operations, 13; and DISPATCH"}, {"front_end", "kafka, http, console"}}
	quotaKind := Label{"kind", "produce, fetch, request, mutation, connection"}
	return []Section{
		{"Kafka clients", []Metric{
			{"firnlog_kafka_requests_total", Counter, "Requests answered, by API and by the first error in the answer.", []Label{byAPI(), code}},
			{"firnlog_kafka_request_seconds", Histogram, "Time from the header of a request until its answer was written. A Fetch or JoinGroup that waits, as it was asked to, waits in here.", []Label{byAPI()}},
			{"firnlog_kafka_request_bytes_total", Counter, "Bytes of requests, by API.", []Label{byAPI()}},
			{"firnlog_kafka_response_bytes_total", Counter, "Bytes of answers, by API.", []Label{byAPI()}},
			{"firnlog_kafka_connections", Gauge, "Connections that are open.", nil},
			{"firnlog_kafka_connections_total", Counter, "Connections by what became of them at first: accepted, or refused since there were too many.", []Label{{"outcome", "accepted, refused"}}},
			{"firnlog_kafka_connections_failed_total", Counter, "Connections that were ended for a reason beside the usual ones: malformed frames, TLS, authentication, silence, the network.", []Label{{"reason", "reasons, 7 at most"}}},
			{"firnlog_authentications_total", Counter, "Authentications of Kafka clients, and passwords and tokens of HTTP requests, each of which brings one, by mechanism and outcome.", []Label{mechanism, {"outcome", "succeeded, failed"}}},
		}},
		{"HTTP clients", []Metric{
			{"firnlog_http_requests_total", Counter, "Requests answered, by route and status.", []Label{route, {"method", "of the route; `other` for the path `none`, and for what the console does not do"}, {"status", "HTTP statuses"}}},
			{"firnlog_http_request_seconds", Histogram, "Time of a request, waiting for records included.", []Label{route}},
			{"firnlog_http_request_bytes_total", Counter, "Bytes of requests' bodies.", []Label{route}},
			{"firnlog_http_response_bytes_total", Counter, "Bytes of answers' bodies.", []Label{route}},
		}},
		{"Authorization", []Metric{
			{"firnlog_authorization_denied_total", Counter, "What clients were not allowed, by what it is, what they wanted to do to it, and where they came in. What a list leaves out is not counted. The log says who (\"not allowed\").", refused},
		}},
		{"Quotas", []Metric{
			{"firnlog_quota_throttled_total", Counter, "Requests, and connections, that went over a client's quota, by what the quota is of.", []Label{quotaKind}},
			{"firnlog_quota_throttled_seconds_total", Counter, "Time that clients were told to wait for them. Who goes on over its quota waits longer each time: this grows faster than time.", []Label{quotaKind}},
		}},
		{"Groups and transactions", []Metric{
			{"firnlog_groups", Gauge, "Consumer groups in the memory of this instance, which coordinates them.", nil},
			{"firnlog_group_lag", Gauge, "Records between what a consumer group has committed and the end, over all partitions of a topic; shown by the group's coordinator.", []Label{{"group", seriesBound}, byTopic()}},
			{"firnlog_transactions_open", Gauge, "Transactions that are open in the cluster, as of the last look; shown by the instance that does the upkeep.", nil},
			{"firnlog_transactions_oldest_seconds", Gauge, "Age of the oldest of them. Consumers that read committed records wait for it.", nil},
		}},
	}
}
