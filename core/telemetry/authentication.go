package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Authentications counts who has said who it is.
type Authentications struct{ total *prometheus.CounterVec }

// NewAuthentications adds its counter. Neither label is text that a client chose.
func (m *Metrics) NewAuthentications() *Authentications {
	a := &Authentications{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "firnlog_authentications_total", Help: "Authentications of Kafka clients, by mechanism and outcome (succeeded, failed).",
	}, []string{"mechanism", "outcome"})}
	m.Registry.MustRegister(a.total)
	return a
}

// Done counts one.
func (a *Authentications) Done(mechanism string, succeeded bool) {
	outcome := "failed"
	if succeeded {
		outcome = "succeeded"
	}
	a.total.WithLabelValues(mechanism, outcome).Inc()
}
