package sweep

import (
	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/ledger"
)

// SealDocket is a docket of an era that lists a segment.
func SealDocket(era, key string) []byte {
	id, err := ledger.ParseSegmentKey(key)
	if err != nil {
		panic(err)
	}
	b, err := sealDocket(era, []ulid.ULID{id})
	if err != nil {
		panic(err)
	}
	return b
}
