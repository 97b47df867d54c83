// Package instance knows which instances live and which one is preferred for
// a partition.
//
// Owns: this instance's leased key, the list of live instances, node ids,
// and the rendezvous hash. Does not own: anything that safety rests on; a
// preferred instance is a hint.
package instance

import (
	"slices"
	"time"
)

// Endpoint is an address that an instance advertises to clients of one listener.
type Endpoint struct {
	Listener string `json:"listener"` // "" is the first
	Host     string `json:"host"`
	Port     int32  `json:"port"`
	TLS      bool   `json:"tls,omitempty"`
}

// Info is what the others know of an instance.
type Info struct {
	Node      int32      `json:"-"`
	Endpoints []Endpoint `json:"endpoints"`
	HTTP      string     `json:"http,omitempty"`
	// Key is the public half of the key by which the instance proves to others that it is this one (core/auth, Peers). It is drawn anew at each start.
	Key     []byte    `json:"key,omitempty"`
	Zone    string    `json:"zone,omitempty"`
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	// FormatNewest is the newest format of records that the build knows; 0: it is of before there was another one than 1.
	FormatNewest int `json:"formatNewest,omitempty"`
	// Draining: it is about to leave, and clients shall go elsewhere. It still serves those that come.
	Draining bool `json:"draining,omitempty"`
	// Hidden: it has nothing to do any more for clients that are told the truth, and closes their connections within seconds.
	Hidden bool `json:"hidden,omitempty"`
}

// Shown are the instances whose addresses clients shall know; all of them where all are hidden.
func Shown(everyone []Info) []Info {
	hidden := func(in Info) bool { return in.Hidden }
	if out := slices.DeleteFunc(slices.Clone(everyone), hidden); len(out) > 0 {
		return out
	}
	return everyone
}

// Serving are the instances that do not drain; all of them where all do.
func Serving(live []Info) []Info {
	draining := func(in Info) bool { return in.Draining }
	if !slices.ContainsFunc(live, draining) || !slices.ContainsFunc(live, func(in Info) bool { return !in.Draining }) {
		return live
	}
	return slices.DeleteFunc(slices.Clone(live), draining)
}

// Endpoint gives the address for clients of a listener; the first one if the instance has none by that name.
func (i Info) Endpoint(listener string) Endpoint {
	for _, e := range i.Endpoints {
		if e.Listener == listener {
			return e
		}
	}
	if len(i.Endpoints) == 0 {
		return Endpoint{Host: "localhost"}
	}
	return i.Endpoints[0]
}
