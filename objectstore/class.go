package objectstore

import (
	"context"
	"errors"
	"fmt"
)

// ErrClass: the store has no such storage class. Nothing was written.
var ErrClass = errors.New("storage class refused")

type classKey struct{}

// InClass gives a context whose Puts ask for a storage class of the store ("STANDARD_IA", "GLACIER_IR", …); "" is the
// bucket's own. It travels in the context past all decorators, since only the driver can act on it. A driver without
// storage classes refuses every one with ErrClass.
//
// Classes whose objects must be restored before they can be read are no good here: Get would fail.
func InClass(ctx context.Context, class string) context.Context {
	return context.WithValue(ctx, classKey{}, class)
}

// ClassOf is the storage class that a Put shall ask for; "" for the bucket's own.
func ClassOf(ctx context.Context) string {
	class, _ := ctx.Value(classKey{}).(string)
	return class
}

// RefuseClass is what a driver without storage classes answers to a Put.
func RefuseClass(ctx context.Context, key string) error {
	if class := ClassOf(ctx); class != "" {
		return fmt.Errorf("put %s: %w: this kind of store has no storage classes, %q was asked for", key, ErrClass, class)
	}
	return nil
}
