package manifest

import (
	"fmt"

	"github.com/oklog/ulid/v2"

	"github.com/firnlog/firnlog/core/record"
)

// changer collects a change; after the first error the rest is void.
type changer struct {
	pager Pager
	out   Change
	err   error
}

func (c *changer) done(what string) (Change, error) {
	if c.err != nil {
		return Change{}, fmt.Errorf("%s: %w", what, c.err)
	}
	return c.out, nil
}

// page adds a page of entries.
func (c *changer) page(entries []Entry) {
	if c.err != nil {
		return
	}
	var id ulid.ULID
	if id, c.err = c.pager.ID(); c.err != nil {
		return
	}
	sums := (&Root{Entries: entries}).Sums()
	c.out.Root.Pages = append(c.out.Root.Pages, PageRef{
		ID: id, Base: sums.Base, End: sums.End, Bytes: sums.Bytes, Objects: sums.Objects, MaxTimestamp: sums.MaxTimestamp,
	})
	c.out.Pages = append(c.out.Pages, NewPage{id, EncodePage(entries)})
}

// load gets what an old page holds; a new one made of it lies in the folder of the root that names it.
func (c *changer) load(ref PageRef) []Entry {
	if c.err != nil {
		return nil
	}
	entries, err := c.pager.Load(ref)
	if err != nil {
		c.err = fmt.Errorf("load page %s: %w", ref.ID, err)
		return nil
	}
	if len(entries) == 0 || entries[0].Base != ref.Base || entries[len(entries)-1].End != ref.End {
		c.err = fmt.Errorf("page %s is not as its root says: %w", ref.ID, ErrMismatch)
		return nil
	}
	if ref.Owner != (record.TopicPartition{}) {
		return Resolve(entries, ref.Owner)
	}
	return entries
}
