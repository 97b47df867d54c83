package broker

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/firnlog/firnlog/core/archive"
	"github.com/firnlog/firnlog/core/auth"
	"github.com/firnlog/firnlog/core/console"
	"github.com/firnlog/firnlog/core/cost"
	"github.com/firnlog/firnlog/core/fetch"
	"github.com/firnlog/firnlog/core/quota"
	"github.com/firnlog/firnlog/objectstore"
)

// consoleArchive is memory for manifests that somebody looks at.
const consoleArchive = 2 << 20

// consolePage makes the web console; nil: it is off.
func (b *Broker) consolePage(reader fetch.Reader, store objectstore.Store) (*console.Server, error) {
	if !b.Console {
		return nil, nil
	}
	prices, err := cost.ReadPrices(cost.BuiltIn())
	if err != nil {
		return nil, err
	}
	backend := console.Backend{
		Stream: b.stream, Reader: reader, Cluster: b.instances, Archive: archive.New(store, consoleArchive),
		Costs: cost.NewObserver(store, b.stream, prices, time.Now, costEvery), Prices: prices, Requests: b.storeRequests(time.Now()),
		Authorizer: b.authorizer("console"), Answered: b.consoleAnswered, Used: b.fetched, Name: b.Cluster, Version: b.Version, Now: time.Now,
	}
	if a := b.restAuthenticator(); a != nil {
		backend.Authenticator = a
	}
	return console.New(backend, b.Log.With("part", "console"))
}

func (b *Broker) consoleAnswered(a console.Answered) {
	b.clients.HTTP(a.Route, a.Method, a.Status, a.Took, 0, a.BytesOut)
}

// fetched counts what the console has read for somebody against their quota.
func (b *Broker) fetched(ctx context.Context, bytes int) time.Duration {
	if !b.security.quotas.On() {
		return 0
	}
	return b.security.quotas.Take(quota.Fetch, auth.IdentityOf(ctx).Principal.Name, "", float64(bytes))
}

// storeRequests reads this instance's own counters.
func (b *Broker) storeRequests(began time.Time) func() (map[string]float64, time.Duration) {
	return func() (map[string]float64, time.Duration) {
		counts := map[string]float64{}
		families, _ := b.metrics.Registry.Gather() // what could be gathered counts
		for _, f := range families {
			if f.GetName() != "firnlog_store_requests_total" {
				continue
			}
			for _, m := range f.GetMetric() {
				for _, l := range m.GetLabel() {
					if l.GetName() == "op" {
						counts[l.GetValue()] += m.GetCounter().GetValue()
					}
				}
			}
		}
		return counts, time.Since(began)
	}
}

// forConsole says that a request is the console's, or one of a browser that should be sent there; the latter is answered.
func (b *Broker) forConsole(w http.ResponseWriter, r *http.Request) bool {
	if b.console == nil {
		return false
	}
	if console.WantsPage(r) {
		w.Header().Set("Vary", "Accept")
		http.Redirect(w, r, console.Root, http.StatusFound)
		return true
	}
	if path := r.URL.Path; path+"/" != console.Root && !strings.HasPrefix(path, console.Root) {
		return false
	}
	b.console.ServeHTTP(w, r)
	return true
}
