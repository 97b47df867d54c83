package acl

import (
	"context"
	"fmt"
	"slices"

	"github.com/firnlog/firnlog/coordination"
)

// Changes go to etcd by transactions of up to changesMax ACLs: all of one or none. A change is answered once this instance heeds it; the others
// do within a moment.

const changesMax = 100 // of one transaction: fewer than etcd's 128, with their guards

// List reads from etcd, so that it shows what any instance has acknowledged.
func (a *ACLs) List(ctx context.Context, f Filter) ([]Binding, error) {
	if err := f.Check(); err != nil {
		return nil, err
	}
	items, _, err := a.view.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	var out []Binding
	for _, it := range items {
		if b, _, ok := a.bindingOf(it); ok && f.Fits(&b) {
			out = append(out, b)
		}
	}
	slices.SortFunc(out, compare)
	return out, nil
}

func (a *ACLs) bindingOf(it coordination.Item) (b Binding, id string, ok bool) {
	if id, ok = a.Keys.ParseACL(it.Key); !ok {
		return b, "", false
	}
	b, err := decode(id, it.Value)
	return b, id, err == nil
}

// Create makes ACLs, and says of each what became of it. One that is there already stays as it is.
func (a *ACLs) Create(ctx context.Context, list []Binding) []error {
	errs := make([]error, len(list))
	var puts []coordination.Change
	at := map[string]int{} // of each key, its place in puts
	var of []int           // of each ACL, its place in puts
	for i := range list {
		of = append(of, -1)
		if errs[i] = list[i].Check(); errs[i] != nil {
			continue
		}
		id, value, err := list[i].encode()
		if errs[i] = err; err != nil {
			continue
		}
		key := a.Keys.ACL(id)
		if _, twice := at[key]; !twice {
			at[key] = len(puts)
			puts = append(puts, coordination.PutKey(key, value))
		}
		of[i] = at[key]
	}
	results := make([]error, len(puts))
	if err := a.room(puts); err != nil {
		for i := range results {
			results[i] = err
		}
	} else {
		for first := 0; first < len(puts); first += changesMax {
			end := min(first+changesMax, len(puts))
			err := a.write(ctx, puts[first:end])
			for i := first; i < end; i++ {
				results[i] = err
			}
		}
	}
	for i, place := range of {
		if place >= 0 {
			errs[i] = results[place]
		}
	}
	return errs
}

// room says whether there is any for these.
func (a *ACLs) room(puts []coordination.Change) error {
	a.mu.RLock()
	defer a.mu.RUnlock()
	total := len(a.mu.byID) + len(a.mu.unreadable)
	for _, p := range puts {
		if id, _ := a.Keys.ParseACL(p.Key); a.mu.byID[id] == (Binding{}) {
			total++
		}
	}
	if total > a.Max {
		return fmt.Errorf("%w: there is room for %d; prefixes (PREFIXED) and User:* need fewer", ErrTooMany, a.Max)
	}
	return nil
}

// write puts ACLs in one transaction.
func (a *ACLs) write(ctx context.Context, puts []coordination.Change) error {
	return a.view.Repeat(ctx, func(bool) (bool, error) {
		_, era, err := a.view.Read(ctx)
		if err != nil {
			return false, err
		}
		res, err := a.KV.Commit(ctx, []coordination.Guard{era}, puts)
		if err != nil {
			return false, fmt.Errorf("create ACLs: %w", err)
		}
		if res.Committed {
			a.view.Seen(ctx, res.Revision)
		}
		return res.Committed, nil
	})
}

// Deleted is what became of one filter.
type Deleted struct {
	Bindings []Binding
	Err      error
}

// Delete deletes what each filter means. An ACL that several mean is in the answer of each.
func (a *ACLs) Delete(ctx context.Context, filters []Filter) []Deleted {
	out := make([]Deleted, len(filters))
	bad := 0
	for i := range filters {
		if out[i].Err = filters[i].Check(); out[i].Err != nil {
			bad++
		}
	}
	if bad == len(filters) {
		return out
	}
	gone := map[Binding]bool{}
	err := a.view.Repeat(ctx, func(bool) (bool, error) { return a.remove(ctx, filters, out, gone) })
	for i := range out {
		if out[i].Err != nil {
			continue
		}
		out[i].Err = err
		for b := range gone {
			if filters[i].Fits(&b) {
				out[i].Bindings = append(out[i].Bindings, b)
			}
		}
		slices.SortFunc(out[i].Bindings, compare)
	}
	return out
}

// remove reads anew, and deletes what is meant. What is found gone at another try was deleted by an earlier one, or by somebody else.
func (a *ACLs) remove(ctx context.Context, filters []Filter, out []Deleted, gone map[Binding]bool) (bool, error) {
	_, era, err := a.view.Read(ctx)
	if err != nil {
		return false, err
	}
	items, _, err := a.view.All(ctx)
	if err != nil {
		return false, err
	}
	guards := []coordination.Guard{era}
	var changes []coordination.Change
	var meant []Binding
	flush := func() (bool, error) {
		if len(changes) == 0 {
			return true, nil
		}
		for _, b := range meant { // also if the answer is lost: whoever asks wants them gone
			gone[b] = true
		}
		res, err := a.KV.Commit(ctx, guards, changes)
		if err != nil {
			return false, fmt.Errorf("delete ACLs: %w", err)
		}
		if res.Committed {
			a.view.Seen(ctx, res.Revision)
		}
		guards, changes, meant = guards[:1], nil, nil
		return res.Committed, nil
	}
	for _, it := range items {
		b, _, ok := a.bindingOf(it)
		if !ok || !slices.ContainsFunc(filters, func(f Filter) bool { return f.Check() == nil && f.Fits(&b) }) {
			continue
		}
		guards, changes, meant = append(guards, coordination.ModIs(it.Key, it.Mod)), append(changes, coordination.DeleteKey(it.Key)), append(meant, b)
		if len(changes) == changesMax {
			if done, err := flush(); !done {
				return false, err
			}
		}
	}
	return flush()
}
