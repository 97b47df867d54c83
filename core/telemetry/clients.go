package telemetry

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Clients counts what clients ask for, and who they say they are. No label is text that a client chose.
type Clients struct {
	requests, in, out             *prometheus.CounterVec
	seconds                       *prometheus.HistogramVec
	connections, failed           *prometheus.CounterVec
	authentications, denied       *prometheus.CounterVec
	httpRequests, httpIn, httpOut *prometheus.CounterVec
	httpSeconds                   *prometheus.HistogramVec
	throttled, throttledSeconds   *prometheus.CounterVec
}

// NewClients adds its metrics.
func (m *Metrics) NewClients() *Clients {
	return &Clients{
		requests: m.counters("firnlog_kafka_requests_total"), in: m.counters("firnlog_kafka_request_bytes_total"), out: m.counters("firnlog_kafka_response_bytes_total"),
		seconds: m.histograms("firnlog_kafka_request_seconds", coarseSeconds()), connections: m.counters("firnlog_kafka_connections_total"),
		failed: m.counters("firnlog_kafka_connections_failed_total"), authentications: m.counters("firnlog_authentications_total"),
		denied:       m.counters("firnlog_authorization_denied_total"),
		httpRequests: m.counters("firnlog_http_requests_total"), httpIn: m.counters("firnlog_http_request_bytes_total"), httpOut: m.counters("firnlog_http_response_bytes_total"),
		throttled: m.counters("firnlog_quota_throttled_total"), throttledSeconds: m.counters("firnlog_quota_throttled_seconds_total"),
		httpSeconds: m.histograms("firnlog_http_request_seconds", coarseSeconds()),
	}
}

// Kafka notes a request that was answered.
func (c *Clients) Kafka(api, code string, took time.Duration, in, out int) {
	c.requests.WithLabelValues(api, code).Inc()
	c.seconds.WithLabelValues(api).Observe(took.Seconds())
	c.in.WithLabelValues(api).Add(float64(in))
	c.out.WithLabelValues(api).Add(float64(out))
}

// Connected notes a connection that was accepted, or refused.
func (c *Clients) Connected(accepted bool) {
	outcome := "refused"
	if accepted {
		outcome = "accepted"
	}
	c.connections.WithLabelValues(outcome).Inc()
}

// Failed notes why a connection ended.
func (c *Clients) Failed(reason string) { c.failed.WithLabelValues(reason).Inc() }

// Authenticated notes an authentication.
func (c *Clients) Authenticated(mechanism string, succeeded bool) {
	outcome := "failed"
	if succeeded {
		outcome = "succeeded"
	}
	c.authentications.WithLabelValues(mechanism, outcome).Inc()
}

// Denied notes that somebody was not allowed something.
func (c *Clients) Denied(resource, operation, frontEnd string) {
	c.denied.WithLabelValues(resource, operation, frontEnd).Inc()
}

// Throttled notes that a client has to wait for its quota.
func (c *Clients) Throttled(kind string, wait time.Duration) {
	c.throttled.WithLabelValues(kind).Inc()
	c.throttledSeconds.WithLabelValues(kind).Add(wait.Seconds())
}

// HTTP notes a request that was answered.
func (c *Clients) HTTP(route, method string, status int, took time.Duration, in, out int64) {
	c.httpRequests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	c.httpSeconds.WithLabelValues(route).Observe(took.Seconds())
	c.httpIn.WithLabelValues(route).Add(float64(in))
	c.httpOut.WithLabelValues(route).Add(float64(out))
}
