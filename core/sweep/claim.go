package sweep

import (
	"context"
	"errors"
	"fmt"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/objectstore"
)

// Two clusters below one prefix would sweep each other's objects. One that begins looks for objects of another first (MayBegin of core/stream);
// that alone lets two begin that look at the same time, before either has written anything. So each then claims the prefix: it creates
// one object, of one name, with its own name in it. The store lets one of them do that, and the other reads whose it is.
//
// The claim is asked for at a beginning only. It stays for as long as the prefix: whoever empties a prefix frees it, too.

// ErrClaimed: the prefix of the store belongs to another cluster.
var ErrClaimed = errors.New("claimed by another cluster")

// ClaimKey names the claim. It is not below the prefix of a Kind, so no docket.
func ClaimKey() string { return DocketPrefix + "claim/" + ulid.ULID{}.String() }

// Claim makes the store's prefix the cluster's: nil if it is so now, by this call or an earlier one of any of its instances.
func Claim(ctx context.Context, store objectstore.Store, cluster string) error {
	err := store.Put(ctx, ClaimKey(), []byte(cluster))
	if err == nil {
		return nil
	}
	if !errors.Is(err, objectstore.ErrExists) {
		return fmt.Errorf("claim the prefix: %w", err)
	}
	owner, err := store.Get(ctx, ClaimKey(), 0, -1)
	if err != nil {
		return fmt.Errorf("read whose the prefix is: %w", err)
	}
	if string(owner) != cluster {
		return fmt.Errorf("%w: %q began here, or is about to (%s)", ErrClaimed, owner, ClaimKey())
	}
	return nil
}
