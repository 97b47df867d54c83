package broker

import (
	mathrand "math/rand/v2"
	"net"
	"time"

	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/group/relay"
	"github.com/firnlog/firnlog/core/rest"
	"github.com/firnlog/firnlog/core/topic"
)

// coordinatorPatience is how long a request over HTTP looks for its group's coordinator: longer than the lease of an
// instance that was killed.
const coordinatorPatience = 10 * time.Second

// httpFrontEnd makes what serves HTTP clients. Requests about groups go to their coordinators, over Kafka's protocol.
func (b *Broker) httpFrontEnd(reader fetch.Reader, admin *topic.Admin, forker rest.Forker) *rest.Server {
	b.relay = relay.New(relay.Settings{Local: b.groups, Self: b.instances.Self, Dial: (&net.Dialer{}).DialContext, Patience: coordinatorPatience,
		Peers: b.security.peers, TLS: relay.InstanceTLS(b.security.own)})
	backend := rest.Backend{
		Authenticator: b.restAuthenticator(), Authorizer: b.authorizer("http"),
		Topics: b.stream, Appender: b.ingest, Reader: reader, Cluster: b.instances, Producers: b.producers, Admin: admin, Groups: b.relay, Forker: forker,
		Now: time.Now, Random: mathrand.Int32N, NewID: newMemberID, Answered: b.answered, Trace: b.Trace,
		Quotas: b.security.quotas, Throttled: b.clients.Throttled,
	}
	if b.security.acls != nil {
		backend.ACLs = b.security.acls
	}
	return rest.New(rest.DefaultSettings(), backend, b.Log.With("part", "http"))
}
