package fsck

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/backup"
	"github.com/firnlog/firnlog/core/ledger"
	"github.com/firnlog/firnlog/core/record"
	"github.com/firnlog/firnlog/core/sweep"
	"github.com/firnlog/firnlog/objectstore"
)

// cursor goes once through the keys below a prefix, folder by folder of partitions.
type cursor struct {
	store  objectstore.Store
	prefix string
	after  string
	page   []objectstore.Info
	over   bool
	seen   func(objectstore.Info) // each key, once
	stray  func(objectstore.Info) // those in no folder that was asked for
}

// peek gives the next key; false at the end.
func (c *cursor) peek(ctx context.Context) (objectstore.Info, bool, error) {
	for len(c.page) == 0 {
		if c.over {
			return objectstore.Info{}, false, nil
		}
		list, err := c.store.List(ctx, c.prefix, c.after, page)
		if err != nil {
			return objectstore.Info{}, false, fmt.Errorf("list %s: %w", c.prefix, err)
		}
		c.over = len(list) < page
		if len(list) > 0 {
			c.after = list[len(list)-1].Key
		}
		for _, o := range list {
			if c.prefix != ledger.SettledPrefix || !strings.HasPrefix(o.Key, ledger.SharedPrefix) {
				c.page = append(c.page, o)
			}
		}
	}
	return c.page[0], true, nil
}

func (c *cursor) pop() {
	c.seen(c.page[0])
	c.page = c.page[1:]
}

// folder gives the objects of a folder to fn. Folders are asked for in the order of their keys.
func (c *cursor) folder(ctx context.Context, folder string, fn func(objectstore.Info)) error {
	for {
		o, ok, err := c.peek(ctx)
		if err != nil || !ok {
			return err
		}
		switch {
		case strings.HasPrefix(o.Key, folder):
			fn(o)
		case o.Key < folder:
			c.stray(o)
		default:
			return nil
		}
		c.pop()
	}
}

// rest gives what is left to stray.
func (c *cursor) rest(ctx context.Context) error {
	for {
		o, ok, err := c.peek(ctx)
		if err != nil || !ok {
			return err
		}
		c.stray(o)
		c.pop()
	}
}

// parse takes the key of an object in a partition's folder apart.
func parse(key string) (tp record.TopicPartition, id ulid.ULID, ok bool) {
	parts := strings.Split(key, "/")
	if len(parts) != 4 || tp.Topic.UnmarshalText([]byte(parts[1])) != nil {
		return tp, id, false
	}
	n, err := strconv.ParseInt(parts[2], 10, 32)
	id, err2 := ulid.ParseStrict(parts[3])
	if err != nil || err2 != nil || n < 0 {
		return tp, id, false
	}
	tp.Partition = int32(n)
	return tp, id, ledger.Folder(parts[0]+"/", tp)+id.String() == key
}

// idOf reads the id at the end of a key.
func idOf(key string) (ulid.ULID, bool) {
	id, err := ulid.ParseStrict(key[strings.LastIndexByte(key, '/')+1:])
	return id, err == nil
}

// prefixes are all that firnlog writes below.
func prefixes() []string {
	return []string{backup.RootPrefix, ledger.ColdPrefix, backup.JournalPrefix, ledger.ManifestPrefix, "producers/", ledger.SegmentPrefix, ledger.SettledPrefix, sweep.DocketPrefix}
}

// strangers lists what lies outside of all prefixes, and jumps over what lies inside.
func strangers(ctx context.Context, store objectstore.Store, fn func(objectstore.Info)) error {
	after := ""
	for {
		list, err := store.List(ctx, "", after, page)
		if err != nil {
			return fmt.Errorf("list the bucket: %w", err)
		}
		jumped := false
		for _, o := range list {
			after = o.Key
			if prefix := within(o.Key); prefix != "" {
				after, jumped = prefix[:len(prefix)-1]+"0", true // '0' follows '/'
				break
			}
			fn(o)
		}
		if !jumped && len(list) < page {
			return nil
		}
	}
}

func within(key string) string {
	for _, p := range prefixes() {
		if strings.HasPrefix(key, p) {
			return p
		}
	}
	return ""
}

// sizeOf asks the store for one object's size, past what was listed.
func sizeOf(ctx context.Context, store objectstore.Store, key string) (size int64, ok bool, err error) {
	list, err := store.List(ctx, key, "", 1)
	if err != nil {
		return 0, false, fmt.Errorf("look for %s: %w", key, err)
	}
	if len(list) == 0 || list[0].Key != key {
		return 0, false, nil
	}
	return list[0].Size, true, nil
}
