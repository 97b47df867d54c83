package etcd

import (
	"context"
	"errors"
	"fmt"
)

// DatabaseSize asks members, in their order, until one tells how many bytes its database takes on disk, and how many of them are in use.
func (kv *KV) DatabaseSize(ctx context.Context) (total, used int64, err error) {
	for _, member := range kv.client.Endpoints() {
		one, cancel := context.WithTimeout(ctx, kv.timeout)
		status, e := kv.client.Status(one, member)
		cancel()
		if e == nil {
			return status.DbSize, status.DbSizeInUse, nil
		}
		err = errors.Join(err, e)
	}
	return 0, 0, fmt.Errorf("ask etcd for its size: %w", err)
}
