package wire

import (
	"net/netip"
	"time"
)

// Settings of the front end. Sizes are in bytes.
type Settings struct {
	FrameBytesMax            int   // largest request; a larger one closes its connection
	RequestMemory            int64 // of large requests of all connections together; readers wait for their share
	ResponseMemory           int64 // of large fetch responses of all connections together; what is above is cut short
	FetchBytesMax            int   // of one fetch response
	PipelineMax              int   // requests of one connection that are not answered yet
	ConnectionsMax           int   // 0: no limit
	ConnectionsPerAddressMax int   // 0: no limit
	FetchSessionsMax         int
	IdleMax                  time.Duration // without a request, until a connection is closed
	FrameTimeout             time.Duration // from the first byte of a request to its last
	WriteTimeout             time.Duration // for each 256 KiB of a response
	AuthTimeout              time.Duration // from the first byte until a client has authenticated
	AuthFailedDelay          time.Duration // before a failure is told
	StrangersMax             int           // connections at a time that have not authenticated
	StrangersPerAddressMax   int           // of one address; 0: no limit
	DrainMax                 time.Duration // for requests in progress when Serve's context ends
	AutoCreate               bool          // topics that a client's Metadata names and allows to be made
	StrictReplication        bool          // refuse a replication factor above the number of live instances, as Kafka does
	ZonesByAddress           []ZoneRule    // for clients that do not say their zone; the first that matches counts
	AutoCreateNamesMax       int           // of one Metadata request
	OffsetMetadataMax        int           // bytes that come with a committed offset
}

// ZoneRule puts clients of a network into a zone.
type ZoneRule struct {
	Network netip.Prefix
	Zone    string
}

// DefaultSettings are used where the operator says nothing.
func DefaultSettings() Settings {
	return Settings{
		FrameBytesMax:          100 << 20,
		RequestMemory:          256 << 20,
		ResponseMemory:         256 << 20,
		FetchBytesMax:          55 << 20,
		PipelineMax:            64,
		FetchSessionsMax:       1000,
		IdleMax:                10 * time.Minute,
		FrameTimeout:           time.Minute,
		WriteTimeout:           30 * time.Second,
		DrainMax:               5 * time.Second,
		AuthTimeout:            30 * time.Second,
		AuthFailedDelay:        100 * time.Millisecond,
		StrangersMax:           1000,
		StrangersPerAddressMax: 200,
		AutoCreate:             true,
		AutoCreateNamesMax:     100,
		OffsetMetadataMax:      4096,
	}
}
